"""A partner that rejects our credentials while Redis is away: PostgreSQL alone knows it."""

from collections.abc import Callable
from secrets import token_urlsafe
from typing import Any

import pytest
from django.test import Client

from accounts.models import AccountManager
from fulfillment.states import CallStatus
from operations.doctor.findings import State
from operations.doctor.services import examine
from redemption.incidents.partners import watch_partners
from redemption.models import RedemptionOrder
from redemption.states import IncidentStatus, TransactionStatus
from tests.redemption.factories import checkout_form, fill_cart
from tests.redemption.saga.test_credentials import (
    REJECTIONS,
    SENTENCE,
    ask_often,
    incident,
    tried,
)
from tests.redemption.saga.test_virtual_news import debited, request_of
from tests.redemption.world import World
from tests.support.daemons import Redis
from tests.support.redis_away import WAYS, make_unavailable

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]


def reject_us(world: World, settings: Any, fault: str) -> None:
    """Let the loyalty partner reject each debit, or its token endpoint our secret."""
    if fault != "token_refused":
        world.partners.fault("debit", fault, times=None)
        return
    settings.LOYALTY_OAUTH_TOKEN_URL = f"{world.partners.loyalty_url}/oauth/token"
    settings.LOYALTY_OAUTH_CLIENT_ID = "portal"
    settings.LOYALTY_OAUTH_CLIENT_SECRET = token_urlsafe()


def accept_us(world: World, settings: Any) -> None:
    world.partners.clear_faults()
    settings.LOYALTY_OAUTH_TOKEN_URL = ""


@pytest.mark.parametrize("fault", [*REJECTIONS, "token_refused"])
def test_it_is_recorded_told_and_holds_new_checkouts(
    client_for: SignIn, world: World, own_redis: Redis, settings: Any, fault: str
) -> None:
    book = world.product()
    order = world.place((book, 1))
    own_redis.kill()
    reject_us(world, settings, fault)
    debit = tried(order, times=2)
    assert (debit.status, debit.first_sent_at) == (TransactionStatus.UNKNOWN, None)
    assert watch_partners() == 0
    assert tried(order, times=1).attempts == 3
    assert [watch_partners(), watch_partners()] == [1, 1]
    assert incident().key == "partner-credentials:loyalty"
    (told,) = [finding for finding in examine() if finding.subject == "Loyalty partner"]
    assert (told.state, "does not accept our credentials" in told.says) == (State.BAD, True)
    fill_cart(world.seat, (book, 1))
    client, form = client_for(world.seat), checkout_form(world.seat)
    assert SENTENCE in client.get("/checkout/").content.decode()
    answer = client.post("/checkout/", form)
    assert (answer.status_code, SENTENCE in answer.content.decode()) == (422, True)
    assert RedemptionOrder.objects.count() == 1
    accept_us(world, settings)
    assert tried(order, times=1).status == TransactionStatus.SUCCEEDED
    assert watch_partners() == 0
    assert incident().status == IncidentStatus.RESOLVED
    assert client.post("/checkout/", form).status_code == 303
    assert world.ledger(order) == (1_000, 0)


@pytest.mark.parametrize("way", [*WAYS, "full"])
def test_the_fulfillment_partners_too(world: World, own_redis: Redis, way: str) -> None:
    call = request_of(debited(world))
    make_unavailable(own_redis, way)
    world.partners.fault("fulfill", "unauthorized_403", times=None)
    call = ask_often(call)
    assert (call.status, call.answer_status, call.attempts) == (CallStatus.UNKNOWN, 403, 3)
    assert watch_partners() == 1
    assert incident().facts == {"partner": "fulfillment"}


def test_the_balance_is_said_to_be_unknown(
    client_for: SignIn, world: World, own_redis: Redis
) -> None:
    own_redis.kill()
    world.partners.fault("balance", "bare_401", times=None)
    header = client_for(world.seat).get("/balance/", headers={"HX-Request": "true"})
    assert header.status_code == 200
    assert world.partners.calls(operation="balance")
