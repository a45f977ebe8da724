"""Random interleavings of everything that may happen to orders
(tests/redemption/saga/model/saga_model.py).

`HYPOTHESIS_PROFILE=night` draws more and longer ones, and shrinks a failing one.
"""

import os
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from accounts import loyalty
from tests.redemption.saga.model.saga_model import Saga
from tests.support.guards_off import GUARDS
from tests.support.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = settings(
    max_examples=10,
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
    """The saga without what people decide about single units. A guard that is taken away is met in
    fewer tries this way.
    """

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
    # replaced: GUARDS does it for good; monkeypatch restores it afterwards
    monkeypatch.setattr(loyalty, "send_debit", loyalty.send_debit)
    GUARDS[guard]()
    with pytest.raises(AssertionError):
        run_state_machine_as_test(saga_at(partners, WithoutUnits), settings=QUICK)
