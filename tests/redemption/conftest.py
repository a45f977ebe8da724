"""Finance staff for decisions, and orders that wait or ended wrongly."""

from typing import Any

import pytest

from accounts.models import User
from fulfillment.models import PartnerCall
from fulfillment.virtual import saga as virtual
from redemption.models import RedemptionOrder
from redemption.saga.transactions import settle_transaction
from tests.accounts.factories import UserFactory
from tests.redemption.saga.test_virtual_news import accepted, answers, give_back, now
from tests.redemption.saga.test_webhooks import ended
from tests.redemption.world import World


@pytest.fixture
def fay(db: None) -> User:
    user: User = UserFactory.create(name="Fay Finance", is_staff=True)
    return user


@pytest.fixture
def gil(db: None) -> User:
    user: User = UserFactory.create(name="Gil Finance", is_staff=True)
    return user


@pytest.fixture
def ignores_keys(settings: Any) -> None:
    """A partner that ignores keys, so that a debit without an answer waits for people at once."""
    settings.LOYALTY_API_IDEMPOTENT = False


@pytest.fixture
def no_statement(settings: Any) -> None:
    """A partner without a statement, where no credit can look for its debit's number."""
    settings.LOYALTY_API_STATEMENT = False


@pytest.fixture
def waiting(world: World) -> RedemptionOrder:
    """An order of two cards whose delivery the partner has accepted."""
    world.partners.dial(mode="accept", delay=3600)
    order = world.place((world.virtual(points=500), 2))
    settle_transaction(world.debit(order).pk)
    virtual.ask(PartnerCall.objects.get().pk)
    return RedemptionOrder.objects.get(pk=order.pk)


@pytest.fixture
def given_back(world: World) -> RedemptionOrder:
    """An order whose points were credited although the partner delivered."""
    order = accepted(world)
    answers(world, order, "failed")
    give_back(world, order)
    ended(world, order, "delivered")
    return now(order)
