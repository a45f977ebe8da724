"""What the saga does after each kind of answer: what is due when, and what people see.

test_client_faults shows the outcome of each answer. One test tries all faults, because making a
world costs more than a fault; the keys of `seen` tell which fault failed.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager, KnownBalance
from fulfillment.models import CallKind, PartnerCall
from fulfillment.states import CallStatus, FulfillmentStatus
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from redemption.models import RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga.transactions import settle_transaction
from redemption.states import LineStatus, OrderStatus, TransactionStatus
from tests.redemption.pages import address, now, said
from tests.redemption.saga.test_client_faults import patience
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]
Failing = Callable[[str, str], AbstractContextManager[None]]
Page = Callable[[RedemptionOrder], str]

# Faults that prove nothing, with the code that an operator sees.
UNCLEAR = {
    "timeout_before": "timeout",
    "timeout_after": "timeout",
    "reset_before": "connection",
    "reset_after": "connection",
    "error_500_before": "internal_error",
    "error_500_after": "internal_error",
    "unavailable_503": "unavailable",
    "too_many_429": "rate_limited",
    "redirect": "redirect",
    "slow_drip": "deadline",
    "expired_token": "unauthorized",
    "bare_401": "http_401",
    "unauthorized_403": "unauthorized",
    "bare_403_before": "http_403",
    "bare_403_after": "http_403",
}
# Answers about something other than the request.
WRONG = {
    "malformed": "malformed",
    "not_schema": "mismatch",
    "mismatch": "mismatch",
    "huge": "too_large",
}
ALL = UNCLEAR | WRONG
NAMED = timedelta(seconds=120)  # the Retry-After of a busy partner
BUSY = ("unavailable_503", "too_many_429")
DOES_NOT_MATCH = "The partner's answer does not match what we asked."
SOMEBODY_LOOKS = "Somebody of the programme is looking at it"
ASKED_AGAIN = "We ask again with the same key"


@pytest.fixture
def failing(world: World, settings: Any) -> Failing:
    """Let a call fail like this during the block."""

    @contextmanager
    def failing(call: str, fault: str) -> Iterator[None]:
        before = settings.PARTNER_TIMEOUT, settings.PARTNER_DEADLINE
        settings.PARTNER_TIMEOUT, settings.PARTNER_DEADLINE = patience(fault)
        # a balance may be any number, but not of another account
        what = {"field": "account_id"} if (call, fault) == ("balance", "mismatch") else {}
        seconds = NAMED.total_seconds()
        world.partners.fault(call, fault, times=None, seconds=20, retry_after=seconds, **what)
        yield
        world.partners.clear_faults()
        settings.PARTNER_TIMEOUT, settings.PARTNER_DEADLINE = before

    return failing


@pytest.fixture
def page(client_for: SignIn, world: World) -> Page:
    """The text of the order's page for the buyer."""
    client = client_for(world.seat)
    return lambda order: said(client.get(address(order, "detail")))


def waits(row: Any) -> str:
    """When a row is tried again: never, soon, or not before the partner's Retry-After."""
    rows: QuerySet[Any] = type(row).objects.filter(pk=row.pk)
    if rows.filter(next_attempt_at=None).exists():
        return "never"
    as_named = rows.filter(next_attempt_at__gt=Now() + NAMED - timedelta(seconds=10)).exists()
    return "as named" if as_named else "soon"


def expected_wait(fault: str) -> str:
    return "as named" if fault in BUSY else "soon"


def wait_of(row: Any, fault: str) -> str:
    """The backoff may be longer than the partner's Retry-After, but not shorter."""
    waited = waits(row)
    return "soon" if waited == "as named" and fault not in BUSY else waited


def trouble(fault: str) -> tuple[str, bool]:
    """The code that an operator reads, and whether the buyer is told that somebody looks at it."""
    return (DOES_NOT_MATCH, True) if fault in WRONG else ("", False)


def confirmed(world: World, *, virtually: bool = False) -> RedemptionOrder:
    product = world.virtual(points=1_000) if virtually else world.product(points=1_000)
    order = world.place((product, 1))
    settle_transaction(world.debit(order).pk)
    return now(order)


# --- Debit ---------------------------------------------------------------------------------


def test_a_debit_without_a_clear_answer_waits_and_says_so(
    world: World, failing: Failing, page: Page
) -> None:
    book, seen = world.product(stocked=50), {}
    for fault in ALL:
        order = world.place((book, 1))
        with failing("debit", fault):
            settle_transaction(world.debit(order).pk)
        debit, order, text = world.debit(order), now(order), page(order)
        seen[fault] = (
            (debit.status, order.status, debit.answer_code, wait_of(debit, fault)),
            (order.attention_reason, SOMEBODY_LOOKS in text),
            ASKED_AGAIN in text,
            order.events.filter(reason__startswith=debit.answer_code).exists(),
        )
    unknown, pending = TransactionStatus.UNKNOWN, OrderStatus.PENDING
    assert seen == {
        fault: ((unknown, pending, code, expected_wait(fault)), trouble(fault), True, True)
        for fault, code in ALL.items()
    }


def test_a_debit_whose_key_was_used_for_something_else_waits_and_is_looked_at(
    world: World, page: Page
) -> None:
    order = world.place((world.product(), 1))
    world.partners.fault("debit", "refuse", code="idempotency_key_reused")
    settle_transaction(world.debit(order).pk)
    assert world.debit(order).status == TransactionStatus.UNKNOWN
    assert now(order).attention_reason == DOES_NOT_MATCH
    assert SOMEBODY_LOOKS in page(order)


def test_a_refused_debit_ends_the_order_in_plain_words(world: World, page: Page) -> None:
    sentences = {
        "insufficient_points": "There were not enough points in the account.",
        "account_blocked": "The account is blocked.",
        "account_not_found": "The loyalty system does not know the account.",
        "something_new": "The loyalty system refused.",
    }
    for code, sentence in sentences.items():
        order = world.place((world.product(), 1))
        world.partners.fault("debit", "refuse", code=code)
        settle_transaction(world.debit(order).pk)
        assert now(order).status == OrderStatus.DECLINED
        assert waits(world.debit(order)) == "never"
        assert sentence in page(order)
        assert not now(order).needs_attention


# --- Credit --------------------------------------------------------------------------------


def owed(world: World) -> RedemptionOrder:
    """An order that was confirmed and then cancelled, so that its points are owed."""
    order = confirmed(world)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="changed our mind")
    return now(order)


def test_a_credit_without_a_clear_answer_is_tried_again_and_never_dropped(
    world: World, failing: Failing, page: Page
) -> None:
    seen = {}
    for fault in ALL:
        order = owed(world)
        with failing("credit", fault):
            settle_transaction(world.credits(order)[0].pk)
        (credit,), order, text = world.credits(order), now(order), page(order)
        seen[fault] = (
            (credit.status, order.status, credit.answer_code, wait_of(credit, fault)),
            (order.attention_reason, SOMEBODY_LOOKS in text),
            "Giving 1,000 points back" in text and ASKED_AGAIN in text,
        )
        make_all_due()
        settle_transaction(credit.pk)
        assert (now(order).status, world.ledger(order)) == (OrderStatus.CANCELLED, (1_000, 1_000))
    unknown = TransactionStatus.UNKNOWN
    assert seen == {
        fault: ((unknown, OrderStatus.CONFIRMED, code, expected_wait(fault)), trouble(fault), True)
        for fault, code in ALL.items()
    }


def test_a_refused_credit_waits_for_a_person_and_says_so(world: World, page: Page) -> None:
    order = owed(world)
    world.partners.fault("credit", "refuse", code="account_blocked")
    settle_transaction(world.credits(order)[0].pk)
    (credit,), order = world.credits(order), now(order)
    assert (credit.status, waits(credit)) == (TransactionStatus.NEEDS_REVIEW, "never")
    told = "The partner refused to give points back (account_blocked). The account is blocked."
    assert order.attention_reason == told
    assert "A person is sorting it out" in page(order)


# --- Requesting and cancelling a virtual delivery ---------------------------------------------


def ask(order: RedemptionOrder, kind: CallKind) -> PartnerCall:
    """Make the order's call of this kind. Returns its new state."""
    call = PartnerCall.objects.get(fulfillment__label=order.order_number, kind=kind)
    virtual.ask(call.pk)
    return PartnerCall.objects.get(pk=call.pk)


def requested(world: World) -> RedemptionOrder:
    """An order that the partner has accepted and not delivered yet."""
    world.partners.dial(mode="silent", delay=3600)
    order = confirmed(world, virtually=True)
    ask(order, CallKind.REQUEST)
    return order


def test_a_delivery_that_was_not_clearly_taken_on_is_asked_for_again(
    world: World, failing: Failing, page: Page
) -> None:
    seen = {}
    for fault in ALL:
        order = confirmed(world, virtually=True)
        with failing("fulfill", fault):
            call = ask(order, CallKind.REQUEST)
        order, text = now(order), page(order)
        seen[fault] = (
            (call.status, call.answer_code, wait_of(call, fault)),
            (order.attention_reason, SOMEBODY_LOOKS in text),
            "Ordered from our partner" in text,
        )
    assert seen == {
        fault: ((CallStatus.UNKNOWN, code, expected_wait(fault)), trouble(fault), True)
        for fault, code in ALL.items()
    }


def test_a_refused_delivery_says_so_and_gives_its_points_back(world: World, page: Page) -> None:
    order = confirmed(world, virtually=True)
    world.partners.fault("fulfill", "refuse", code="invalid_recipient")
    call = ask(order, CallKind.REQUEST)
    assert (call.status, waits(call)) == (CallStatus.REFUSED, "never")
    assert order.items.get().fulfillment_status == LineStatus.FAILED
    assert "could not be supplied" in page(order)
    assert "Its points are on their way back." in page(order)


def test_a_cancel_without_a_clear_answer_is_asked_again_and_owes_nothing_yet(
    world: World, failing: Failing, page: Page
) -> None:
    seen = {}
    for fault in ALL:
        order = requested(world)
        cancel(order=order, by=Actor.in_seat(world.seat), reason="")
        with failing("cancel", fault):
            call = ask(order, CallKind.CANCEL)
        order = now(order)
        seen[fault] = (
            (call.status, call.answer_code, wait_of(call, fault)),
            (order.attention_reason, SOMEBODY_LOOKS in page(order)),
            world.credits(order),
        )
    assert seen == {
        fault: ((CallStatus.UNKNOWN, code, expected_wait(fault)), trouble(fault), [])
        for fault, code in ALL.items()
    }


# --- Polling ---------------------------------------------------------------------------------


def test_a_poll_without_a_clear_answer_changes_nothing_and_comes_again(
    world: World, failing: Failing, page: Page
) -> None:
    seen = {}
    for fault in (*ALL, "refuse"):
        order = requested(world)
        make_all_due()
        with failing("get_fulfillment", fault):
            assert virtual.poll(world.fulfillment(order).pk)
        held, order = world.fulfillment(order), now(order)
        seen[fault] = (
            (held.status, wait_of(held, fault)),
            (order.attention_reason, SOMEBODY_LOOKS in page(order)),
        )
    assert seen == {
        fault: ((FulfillmentStatus.REQUESTED, expected_wait(fault)), trouble(fault))
        for fault in (*ALL, "refuse")
    }


# --- The balance -----------------------------------------------------------------------------


def test_a_balance_that_is_not_told_leaves_the_last_figure_and_the_partner_in_peace(
    world: World, failing: Failing, client_for: SignIn
) -> None:
    then = timezone.now() - timedelta(hours=2)
    client, seen = client_for(world.seat), {}
    asked_key = f"balance-asked:{world.company.pk}"
    for fault in (*ALL, "refuse"):
        KnownBalance.objects.update_or_create(
            company=world.company,
            defaults={"points": 7_000, "as_of": then, "fetched_at": then, "failed_at": None},
        )
        cache.delete(asked_key)
        with failing("balance", fault):
            head = said(client.get("/balance/", headers={"HX-Request": "true"}))
        seen[fault] = (
            "7,000" in head,
            "The loyalty system does not answer at the moment." in head,
            cache.ttl(asked_key) > NAMED.total_seconds() - 10,  # type: ignore[attr-defined]
        )
    assert seen == {fault: (True, True, fault in BUSY) for fault in (*ALL, "refuse")}
    assert client.get("/").status_code == 200
