"""Negative controls: with a guard removed, the checks find the bug that it prevents.

A check that finds nothing here proves nothing elsewhere. Each control is a run of the suite of
tests/chaos/test_seeds.py, with a small plan that needs the one guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import AccountManager
from redemption.models import Incident
from redemption.states import IncidentKind
from tests.chaos import incidents, report
from tests.chaos.actors.house import Postgres
from tests.chaos.actors.scenes import lost_in_the_middle_of_a_call, told_by_who_lost_its_lease
from tests.chaos.conftest import Builder
from tests.chaos.plan import (
    ANOTHERS,
    PLENTY,
    SCARCE,
    Blow,
    Commission,
    Plan,
    Round,
    Wish,
    directed,
    make_plan,
)
from tests.chaos.recovery import Recovery
from tests.chaos.run import QUIET, run
from tests.redemption.world import World
from tests.support.guards.guards_off import GUARDS, unguard_database
from tests.support.stack import Databases, Stack

SETTINGS = "tests.support.guards.settings_unguarded"
CARD = PLENTY + SCARCE  # the first virtual product, 700 points
LONG_ENOUGH = 6.0  # seconds after which forgotten work will not be done any more
NOBODY_WAITS = Recovery(within=0.0)  # for due work after a round
LOST = Blow("error_500_after", "debit", 60.0, enough=2)


@dataclass(frozen=True)
class Control:
    """A run of `plan` must find what `finds` names for each removed guard.

    Several guards are removed together only if none breaks another's promise. `at_rest`: the
    promise is broken only at the end; otherwise the run stops at the first finding.
    """

    finds: Mapping[str, str]
    plan: Plan
    at_rest: bool = False
    patience: float = QUIET


CONTROLS = (
    Control({"debit-key": "WITHIN"}, directed(2, LOST)),
    Control(
        {"credit-key": "ENTRY_KNOWN"},
        directed(
            2,
            replace(LOST, kind="fail", target="fulfill"),
            replace(LOST, target="credit"),
            basket=((CARD, 1), (0, 8)),  # leaves room for a second credit within the debit
        ),
    ),
    Control({"unknown": "ENTRY_KNOWN"}, directed(2, LOST)),
    Control(
        {"number": "ENTRY_SAME"},
        directed(2, Blow(ANOTHERS, "debit", 60.0, enough=2)),
        at_rest=True,
    ),
    Control({"mismatch": "MISMATCH"}, directed(2, replace(LOST, kind="mismatch")), at_rest=True),
    Control(
        {
            "stock": "NOT_NEGATIVE",
            "form-token": "ONE_FORM",
            "inbox": "INBOX",
            "letter-lease": "LETTER_ONCE",
        },
        directed(
            6,
            Blow("hesitate", "mailbox", 5.0),
            basket=((CARD, 1), (PLENTY, 1)),
            presses=3,
            after=2,
        ),
    ),
    Control(
        {"hint": "DELIVERY"},
        directed(2, Blow("false_failure", "fulfill", 60.0, enough=2), basket=((CARD, 1),)),
        at_rest=True,
    ),
    Control(
        {"refusal": "UNFINISHED"},
        directed(2, Blow("forbidden_403", "fulfill", 60.0, enough=2), basket=((CARD, 1),)),
        at_rest=True,
        patience=LONG_ENOUGH,
    ),
    Control(
        {"wait": "WAITED"},
        directed(1, commissions=[Commission((Wish(CARD, "date", after=60.0),))] * 2),
    ),
    Control(
        {"sweep": "UNFINISHED"},
        directed(4, Blow("stop", "redis", 5.0)),
        at_rest=True,
        patience=LONG_ENOUGH,
    ),
    Control(
        {"incidents": "INCIDENTS"},
        directed(4, replace(LOST, kind="mismatch", enough=4)),
        at_rest=True,
        patience=LONG_ENOUGH,
    ),
    Control({"durable": "TOLD"}, directed(8, Blow("kill", "postgres"), after=8)),
)
LONGEST = {
    "credit-key",
    "debit-key",
    "durable",
    "wait",
    "hint",
    "unknown",
    "number",
    "mismatch",
    "incidents",
    "refusal",
    "sweep",
}  # run by make test-long
# these faults need a certain moment, so they are played step by step
SCENES = {
    "record-lease": (told_by_who_lost_its_lease, "WITHIN"),
    "sent-first": (lost_in_the_middle_of_a_call, "WITHIN"),
}


@pytest.fixture
def _as_it_was(postgres: Postgres) -> Iterator[None]:
    yield
    unguard_database(postgres.address, "")


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize(
    "control",
    [
        pytest.param(
            control,
            id=",".join(control.finds),
            marks=[pytest.mark.long] if LONGEST & set(control.finds) else [],
        )
        for control in CONTROLS
    ],
)
def test_a_missing_guard_is_found(build: Builder, control: Control) -> None:
    missing, promises = ",".join(control.finds), set(control.finds.values())
    with build(spares=False, settings=SETTINGS, UNGUARDED=missing) as house:
        for guard in control.finds:
            unguard_database(house.database, guard)
        sought = frozenset() if control.at_rest else promises
        patience = control.patience
        outcome = run(house, control.plan, NOBODY_WAITS, patience=patience, sought=sought)
        print(*report.told(outcome), sep="\n")
        left_open = incidents.left_open(outcome.incidents, outcome.orders.total())
        assert promises <= {finding.name for finding in [*outcome.findings, *left_open]}


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
    controlled = [guard for control in CONTROLS for guard in control.finds]
    assert sorted([*controlled, *SCENES]) == sorted(GUARDS)


@pytest.mark.long
def test_lies_of_callbacks_cost_nothing_with_all_guards(build: Builder) -> None:
    lies = {
        "fulfill": ("false_failure", "false_delivery"),
        "webhook": ("contradict", "retract", "other_codes"),
    }
    blows = [Blow(lie, where, 60.0, enough=1) for where, kinds in lies.items() for lie in kinds]
    with build() as house:
        outcome = run(house, directed(10, *blows, basket=((CARD, 2),)), NOBODY_WAITS)
        print(*report.told(outcome), sep="\n")
        assert not outcome.findings
        assert outcome.blows["webhooks are false"] == 4
        told = Incident.objects.filter(kind=IncidentKind.PUZZLING_CALLBACK)
        with house.as_default():
            assert told.exists()  # a person is told


@pytest.mark.long
def test_what_the_controls_do_is_borne_with_all_guards(build: Builder) -> None:
    """With all guards the controls' faults break nothing. They run on top of a whole seed's
    faults.
    """
    blows = {blow.name: blow for control in CONTROLS for blow in control.plan.blows}
    for_a_while = tuple(replace(blow, seconds=4.0, enough=0) for blow in blows.values())
    plan = make_plan(seed=1, orders=50)
    plan = replace(plan, rounds=(*plan.rounds[:-1], Round(35, for_a_while), plan.rounds[-1]))
    with build() as house:
        outcome = run(house, plan, NOBODY_WAITS)
        print(*report.told(outcome), sep="\n")
        assert not outcome.findings
        assert outcome.orders.total() >= 50
        assert outcome.blows.total() >= len(plan.blows)
