"""Negative controls: with a guard taken away, the bug that it is there for is found.

What would find nothing here would prove nothing elsewhere. Each is a run of the same suite as
tests/chaos/test_seeds.py, with a small plan that meets the one guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import AccountManager
from tests.chaos import report
from tests.chaos.conftest import Builder
from tests.chaos.house import House, Postgres
from tests.chaos.plan import PLENTY, SCARCE, Blow, Plan, directed
from tests.chaos.recovery import Recovery
from tests.chaos.run import QUIET, run
from tests.chaos.scenes import lost_in_the_middle_of_a_call, told_by_who_lost_its_lease
from tests.redemption.world import World
from tests.stack import Databases, Stack
from tests.unguarded import GUARDS, unguard_database

SETTINGS = "tests.settings_unguarded"
CARD = PLENTY + SCARCE  # the first virtual product, 700 points
LONG_ENOUGH = 6.0  # seconds in which nobody does what nobody knows of
LOST = Blow("error_500_after", "debit", 60.0, enough=2)


@dataclass(frozen=True)
class Control:
    """Without `guard`, a run of `plan` must find `finds`; `at_rest`, if only then it is wrong."""

    guard: str
    plan: Plan
    finds: str
    at_rest: bool = False
    patience: float = QUIET


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
    Control("mismatch", directed(2, replace(LOST, kind="mismatch")), "MISMATCH", at_rest=True),
    Control("stock", directed(12, basket=((PLENTY, 1),)), "NOT_NEGATIVE"),
    Control("form-token", directed(3, presses=4), "ONE_FORM"),
    Control("inbox", directed(2, basket=((CARD, 1),)), "INBOX"),
    Control("letter-lease", directed(2, Blow("hesitate", "mailbox", 5.0)), "LETTER_ONCE"),
    Control(
        "sweep",
        directed(4, Blow("stop", "redis", 5.0)),
        "UNFINISHED",
        at_rest=True,
        patience=LONG_ENOUGH,
    ),
    Control("durable", directed(8, Blow("kill", "postgres"), after=8), "TOLD"),
)
# What has to go wrong at one certain moment is played, and not left to luck.
SCENES = {
    "record-lease": (told_by_who_lost_its_lease, "WITHIN"),
    "sent-first": (lost_in_the_middle_of_a_call, "WITHIN"),
}


@pytest.fixture
def _as_it_was(postgres: Postgres) -> Iterator[None]:
    yield
    unguard_database(postgres.address, "")


def found(house: House, plan: Plan, *, patience: float = QUIET, sought: str = "") -> set[str]:
    """The names of the promises that a run finds broken; it ends when it finds what is sought."""
    outcome = run(house, plan, Recovery(within=0.0), patience=patience, sought=sought)
    print(*report.told(outcome), sep="\n")
    return {finding.name for finding in outcome.findings}


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.guard)
def test_a_missing_guard_is_found(build: Builder, control: Control) -> None:
    with build(spares=False, settings=SETTINGS, UNGUARDED=control.guard) as house:
        unguard_database(house.database, control.guard)
        sought = "" if control.at_rest else control.finds
        told = found(house, control.plan, patience=control.patience, sought=sought)
        assert control.finds in told


@pytest.mark.parametrize("guard", SCENES)
def test_a_missing_guard_is_found_by_its_scene(
    tmp_path: Path,
    databases: Databases,
    django_db_blocker: DjangoDbBlocker,
    client_for: Callable[[AccountManager], Client],
    guard: str,
) -> None:
    play, finds = SCENES[guard]
    options = {"settings": SETTINGS, "UNGUARDED": guard}
    with (
        django_db_blocker.unblock(),
        Stack(tmp_path, databases.create(), **options) as stack,
        stack.as_default(),
    ):
        shop = World(stack.sandbox)
        session = client_for(shop.seat).cookies["sessionid"].value
        assert finds in play(stack, shop, stack.visitor(sessionid=session))


def test_each_guard_has_its_control() -> None:
    assert {control.guard for control in CONTROLS} | set(SCENES) == set(GUARDS)


def test_what_the_controls_do_is_borne_with_all_guards(build: Builder) -> None:
    """So that it is the missing guard that they find."""
    plans = [control.plan for control in CONTROLS]
    blows = {blow.name: blow for plan in plans for blow in plan.blows}
    for_a_while = [replace(blow, seconds=4.0, enough=0) for blow in blows.values()]
    plan = directed(16, *for_a_while, basket=((CARD, 1), (0, 8)), presses=2)
    with build() as house:
        assert found(house, plan) == set()
