"""Negative controls: with a guard taken away, the bug that it is there for is found.

What would find nothing here would prove nothing elsewhere. Each is a run of the same suite as
tests/chaos/test_seeds.py, with a small plan that meets the one guard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.chaos import report
from tests.chaos.conftest import Builder
from tests.chaos.house import House, Postgres
from tests.chaos.plan import PLENTY, SCARCE, Blow, Plan, directed
from tests.chaos.recovery import Recovery
from tests.chaos.run import QUIET, run
from tests.unguarded import GUARDS, unguard_database

CARD = PLENTY + SCARCE  # the first virtual product, 700 points
PATIENCE = 9.0  # seconds; with a guard missing there is nothing to wait for
LOST = Blow("error_500_after", "debit", 60.0, enough=2)


@dataclass(frozen=True)
class Control:
    """Without `guard`, a run of `plan` must find `finds`."""

    guard: str
    plan: Plan
    finds: str


CONTROLS = (
    Control("debit-key", directed(2, LOST), "WITHIN"),
    Control(
        "credit-key",
        directed(
            2,
            replace(LOST, kind="fail", target="fulfill"),
            replace(LOST, target="credit"),
            basket=((CARD, 1), (0, 8)),  # so that a second credit is still within the debit
        ),
        "ENTRY_KNOWN",
    ),
    Control("unknown", directed(2, LOST), "ENTRY_KNOWN"),
    Control("mismatch", directed(2, replace(LOST, kind="mismatch")), "MISMATCH"),
    Control("stock", directed(12, basket=((PLENTY, 1),)), "NOT_NEGATIVE"),
    Control("form-token", directed(3, presses=4), "ONE_FORM"),
    Control("inbox", directed(2, basket=((CARD, 1),)), "INBOX"),
    Control("letter-lease", directed(2, Blow("hesitate", "mailbox", 5.0)), "LETTER_ONCE"),
    Control("sweep", directed(4, Blow("stop", "redis", 5.0)), "UNFINISHED"),
    Control("durable", directed(8, Blow("kill", "postgres"), after=8), "TOLD"),
)


@pytest.fixture
def _as_it_was(postgres: Postgres) -> Iterator[None]:
    yield
    unguard_database(postgres.address, "")


def found(house: House, plan: Plan, *, patience: float = PATIENCE) -> set[str]:
    """The names of the promises that a run finds broken."""
    outcome = run(house, plan, Recovery(), patience=patience)
    print(*report.told(outcome), sep="\n")
    return {finding.name for finding in outcome.findings}


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.guard)
def test_a_missing_guard_is_found(build: Builder, control: Control) -> None:
    options = {"settings": "tests.settings_unguarded", "UNGUARDED": control.guard}
    with build(spares=False, **options) as house:
        unguard_database(house.database, control.guard)
        assert control.finds in found(house, control.plan)


def test_each_guard_has_its_control() -> None:
    assert {control.guard for control in CONTROLS} == set(GUARDS)


def test_what_the_controls_do_is_borne_with_all_guards(build: Builder) -> None:
    """So that it is the missing guard that they find."""
    plans = [control.plan for control in CONTROLS]
    blows = {blow.name: blow for plan in plans for blow in plan.blows}
    for_a_while = [replace(blow, seconds=4.0, enough=0) for blow in blows.values()]
    plan = directed(16, *for_a_while, basket=((CARD, 1), (0, 8)), presses=2)
    with build() as house:
        assert found(house, plan, patience=QUIET) == set()
