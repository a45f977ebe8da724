"""A short run of `make chaos`. Long runs are started by hand (docs/reliability.md)."""

from __future__ import annotations

import pytest

from tests.chaos import incidents, report
from tests.chaos.checks import LINES, words_of
from tests.chaos.conftest import Builder
from tests.chaos.plan import make_plan
from tests.chaos.recovery import Recovery
from tests.chaos.run import run

ORDERS = 50


@pytest.mark.long
@pytest.mark.parametrize("seed", [2])
def test_nothing_is_lost_whatever_breaks(build: Builder, seed: int) -> None:
    """Seed 1 runs in test_guards.py, together with the controls' faults."""
    with build() as house:
        outcome = run(house, make_plan(seed, ORDERS), Recovery(within=0.0))
        print(*report.told(outcome), sep="\n")
        assert not outcome.findings, f"make chaos SEED={seed} ORDERS={ORDERS}"
        assert outcome.orders.total() >= ORDERS
        assert not list(incidents.left_open(outcome.incidents, outcome.orders.total()))
        assert outcome.checked[LINES] > 1_000
        assert outcome.blows.total() >= len(make_plan(seed, ORDERS).blows)


def test_what_the_check_of_lines_looks_for_is_found_in_a_line() -> None:
    """Its negative control."""
    line = '{"message":"sent to ada@northwind.example, code GIFT-7Q2X","token":"eyJhbGciOiJSUzI1NiJ9.e30"}'
    assert {"ada@northwind.example", "GIFT-7Q2X"} <= words_of(line)
    assert words_of(line) & {"eyJ"}
    assert not words_of("request route=catalog:list duration_ms=3.2") & {"eyJ", "lrp_"}


def test_a_seed_draws_the_same_plan_each_time() -> None:
    assert make_plan(7, 300) == make_plan(7, 300)
    assert make_plan(7, 300) != make_plan(8, 300)


def test_a_long_run_meets_every_kind_of_fault() -> None:
    plans = [make_plan(seed, 300) for seed in range(1, 21)]
    fate = {blow.name for plan in plans for blow in plan.blows}
    assert fate == {blow.name for blow in make_plan(1, 20_000).blows}
