"""Random interleavings of everything that may happen to orders
(tests/redemption/saga/model/saga_model.py).

`HYPOTHESIS_PROFILE=night` draws more and longer ones, and shrinks a failing one.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, ProgrammingError
from django.db.models import Model
from django.db.models.functions import Now
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from accounts import loyalty
from loyalty_portal.data.leases import LeasedQuerySet
from loyalty_portal.data.lifecycle import IllegalTransitionError, StaleStatusError
from loyalty_portal.fastpath.sql import insert
from redemption.models import OrderItem
from redemption.saga import waiting
from redemption.saga.transactions import settle_transaction
from tests.redemption.saga.model.saga_model import Saga
from tests.redemption.saga.model.saga_seen import Seen
from tests.support.guards.guards_off import GUARDS
from tests.support.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = settings(
    max_examples=4,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
NIGHT = settings(
    QUICK,
    max_examples=1_000,
    stateful_step_count=60,
    derandomize=False,
    phases=[Phase.generate, Phase.shrink],
)
PROFILE = NIGHT if os.environ.get("HYPOTHESIS_PROFILE") == "night" else QUICK


@pytest.fixture(autouse=True)
def some_credits_need_two_people(settings: Any) -> None:
    settings.CREDIT_LIMIT_POINTS = 1_000


class WithoutUnits(Saga):
    """The saga without what people decide about single units, and without lines that wait. A guard
    that is taken away is met in fewer tries this way.
    """

    order_for_later = None  # type: ignore[assignment]
    its_time_comes = somebody_hurries_it = its_recipient_answers = None
    cancel_one_line = units_come_back = credit_units = finance_decides = None


def saga_at(partners: SandboxProcess, model: type[Saga] = Saga) -> Any:
    """Hypothesis asks for a class, and calls it without arguments."""
    return partial(model, partners)


def test_whatever_happens_in_whatever_order_no_point_is_lost(partners: SandboxProcess) -> None:
    run_state_machine_as_test(saga_at(partners), settings=PROFILE)


@pytest.mark.parametrize("guard", ["debit-key"])
def test_a_guard_that_is_taken_away_is_missed(
    partners: SandboxProcess, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    """The negative controls: without the guard, the same interleavings lose points."""
    _restored(monkeypatch)
    GUARDS[guard]()
    with pytest.raises(AssertionError):
        run_state_machine_as_test(saga_at(partners, WithoutUnits), settings=QUICK)


def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: GUARDS does it for good; monkeypatch restores it afterwards
    monkeypatch.setattr(loyalty, "send_debit", loyalty.send_debit)


# The model knows so many steps that few tries meet these two. So its first steps are given.


class AfterAnUnclearDebit(WithoutUnits):
    """The partner took the points, and its answer was lost."""

    @initialize()
    def open_the_shop(self) -> None:
        WithoutUnits.open_the_shop(self, [("book", 1)], [("bag", 1)])
        self.seen = Seen.now(self.partners)
        self.ask_about_points(0, "error_500_after", "recorded")


class AfterALateAnswer(WithoutUnits):
    """A process was slow with an unclear answer. Another asked again, and has recorded the points
    as taken. Now the slow one wakes up.
    """

    @initialize()
    def open_the_shop(self) -> None:
        WithoutUnits.open_the_shop(self, [("book", 1)], [("bag", 1)])
        self.seen = Seen.now(self.partners)
        self.ask_about_points(0, "error_500_before", "late")
        self.ask_about_points(0, "", "recorded")
        self.a_slow_process_wakes_up(0)


class AfterACardForTomorrow(Saga):
    """The points of a card for tomorrow are taken, and somebody hurries it."""

    @initialize()
    def open_the_shop(self) -> None:
        Saga.open_the_shop(self, [("book", 1)], [("bag", 1)])
        self.order_for_later(["card, tomorrow"])
        for intent in Seen.now(self.partners).money:
            settle_transaction(intent.pk)
        self.seen = Seen.now(self.partners)
        self.somebody_hurries_it(0)


FIRST_STEPS = settings(QUICK, max_examples=1, stateful_step_count=5)


@pytest.mark.parametrize("start", [AfterAnUnclearDebit, AfterALateAnswer, AfterACardForTomorrow])
def test_what_must_hold_holds_after_these_first_steps(
    partners: SandboxProcess, start: type[Saga]
) -> None:
    run_state_machine_as_test(saga_at(partners, start), settings=FIRST_STEPS)


def test_an_unclear_answer_that_is_taken_for_a_refusal_is_missed(
    partners: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    _restored(monkeypatch)
    GUARDS["unknown"]()
    with pytest.raises(AssertionError):
        run_state_machine_as_test(saga_at(partners, AfterAnUnclearDebit), settings=FIRST_STEPS)


def test_a_lease_that_is_not_looked_at_is_missed(
    partners: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that wakes up late overwrites another one's answer, or violates a constraint."""
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(LeasedQuerySet, "release", _release_whoever_has_it)
    noticed = (AssertionError, IllegalTransitionError, StaleStatusError, IntegrityError)
    with pytest.raises(noticed):
        run_state_machine_as_test(saga_at(partners, AfterALateAnswer), settings=FIRST_STEPS)


def test_a_card_that_is_sent_before_its_day_is_missed(
    partners: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database itself refuses to pass on a line before its time."""
    # replaced: negative control, the guard taken away
    monkeypatch.setattr(waiting, "_due_with", lambda item_id, _order: [_line(item_id)])
    with pytest.raises(ProgrammingError, match="waits until"):
        run_state_machine_as_test(saga_at(partners, AfterACardForTomorrow), settings=FIRST_STEPS)


def _line(item_id: UUID) -> OrderItem:
    return OrderItem.objects.select_related("product").get(pk=item_id)


def _release_whoever_has_it(
    rows: Any,
    pk: object,
    _token: object,
    *,
    retry_in: float | None,
    along: Sequence[Model] = (),
    **changes: Any,
) -> bool:
    when = None if retry_in is None else Now() + timedelta(seconds=retry_in)
    free = {"lease_token": None, "lease_until": None, "next_attempt_at": when}
    insert(along)
    return bool(rows.filter(pk=pk).update(**free, **changes))
