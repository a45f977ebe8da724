"""A partner that rejects our credentials does nothing, and every call is repeated later."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import AccountManager
from fulfillment.models import CallKind, Fulfillment, PartnerCall
from fulfillment.states import CallStatus
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import REJECTED_WAIT
from operations.doctor.findings import State
from operations.doctor.services import examine
from redemption.incidents.partners import watch_partners
from redemption.models import Incident, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, IncidentStatus, OrderStatus, TransactionStatus
from tests.redemption.factories import checkout_form, fill_cart
from tests.redemption.pages import now
from tests.redemption.saga.test_virtual_news import accepted, asked, debited, request_of
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]
REJECTIONS = ("bare_401", "expired_token", "unauthorized_403")
SENTENCE = "We cannot reach the loyalty system at the moment"


def tried(order: RedemptionOrder, times: int = 3) -> LoyaltyTransaction:
    """Work the order's open transaction this many times."""
    transaction = order.transactions.latest("created_at")
    for _try in range(times):
        make_all_due()
        settle_transaction(transaction.pk)
    transaction.refresh_from_db()
    return transaction


def being_cancelled(world: World) -> PartnerCall:
    order = accepted(world)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    return PartnerCall.objects.get(kind=CallKind.CANCEL)


def ask_often(call: PartnerCall, times: int = 3) -> PartnerCall:
    for _try in range(times):
        make_all_due()
        virtual.ask(call.pk)
    call.refresh_from_db()
    return call


def keys(world: World, operation: str) -> set[str]:
    return {call["idempotency_key"] for call in world.partners.calls(operation=operation)}


def incident() -> Incident:
    return Incident.objects.get(kind=IncidentKind.CREDENTIALS)


# --- Nothing is done, and it is asked again --------------------------------------------------


@pytest.mark.parametrize("fault", REJECTIONS)
def test_a_debit_is_asked_again_with_its_key_and_taken_once(world: World, fault: str) -> None:
    world.partners.fault("debit", fault, times=None)
    order = world.place((world.product(), 1))
    debit = tried(order, times=12)
    assert (debit.status, debit.first_sent_at) == (TransactionStatus.UNKNOWN, None)
    world.partners.clear_faults()
    assert tried(order, times=1).status == TransactionStatus.SUCCEEDED
    assert keys(world, "debit") == {debit.key}
    assert world.ledger(order) == (1_000, 0)


@pytest.mark.parametrize("fault", REJECTIONS)
def test_a_credit_is_asked_again_with_its_key_and_given_once(world: World, fault: str) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("credit", fault, times=None)
    credit = tried(order)
    assert (credit.status, credit.first_sent_at) == (TransactionStatus.UNKNOWN, None)
    world.partners.clear_faults()
    tried(order, times=1)
    assert now(order).status == OrderStatus.CANCELLED
    assert keys(world, "credit") == {credit.key}
    assert world.ledger(order) == (1_000, 1_000)


@pytest.mark.parametrize("fault", REJECTIONS)
def test_a_request_is_asked_again_with_its_key(world: World, fault: str) -> None:
    world.partners.dial(mode="instant")
    order = debited(world)
    world.partners.fault("fulfill", fault, times=None)
    call = ask_often(request_of(order))
    assert (call.status, call.first_sent_at) == (CallStatus.UNKNOWN, None)
    world.partners.clear_faults()
    assert ask_often(call, times=1).status == CallStatus.SUCCEEDED
    assert now(order).status == OrderStatus.COMPLETED
    assert keys(world, "fulfill") == {call.key}


@pytest.mark.parametrize("fault", REJECTIONS)
def test_a_cancel_ends_once_the_credentials_are_mended(world: World, fault: str) -> None:
    call = being_cancelled(world)
    world.partners.fault("cancel", fault, times=None)
    assert ask_often(call).status == CallStatus.UNKNOWN
    assert call.first_sent_at is None
    world.partners.clear_faults()
    assert ask_often(call, times=1).status == CallStatus.SUCCEEDED
    assert Fulfillment.objects.get().status == "CANCELLED"
    assert keys(world, "cancel") == {call.key}


@pytest.mark.parametrize("operation", ["debit", "credit"])
def test_it_is_asked_again_soon_however_often_that_was_in_vain(
    world: World, operation: str
) -> None:
    order = world.place((world.product(), 1))
    if operation == "credit":
        settle_transaction(world.debit(order).pk)
        cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    world.partners.fault(operation, "unauthorized_403", times=None)
    transaction = tried(order, times=12)
    assert transaction.next_attempt_at is not None
    waits = transaction.next_attempt_at - transaction.events.latest("at").at
    assert waits.total_seconds() <= REJECTED_WAIT + 1


# --- A 403 about what was asked is a refusal -------------------------------------------------


def test_a_debit_that_is_forbidden_declines_the_order(world: World) -> None:
    world.partners.fault("debit", "forbidden_403", code="account_blocked")
    order = world.place((world.product(), 1))
    assert tried(order, times=1).status == TransactionStatus.REFUSED
    assert now(order).status == OrderStatus.DECLINED


def test_a_credit_that_is_forbidden_is_still_owed_and_a_persons(world: World) -> None:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("credit", "forbidden_403", code="account_blocked")
    assert tried(order, times=1).status == TransactionStatus.NEEDS_REVIEW
    assert Incident.objects.get().kind == IncidentKind.CREDIT_REFUSED


def test_a_request_that_is_forbidden_gives_the_points_back(world: World) -> None:
    order = debited(world)
    world.partners.fault("fulfill", "forbidden_403", code="sku_not_allowed")
    assert ask_often(request_of(order), times=1).status == CallStatus.REFUSED
    assert now(order).items.get().fulfillment_status == "FAILED"


def test_a_cancel_that_is_forbidden_ends_and_the_delivery_goes_on(world: World) -> None:
    call = being_cancelled(world)
    world.partners.fault("cancel", "forbidden_403", code="too_late")
    assert ask_often(call, times=1).status == CallStatus.REFUSED
    assert call.next_attempt_at is None
    assert Fulfillment.objects.get().status == "REQUESTED"


def test_a_403_of_a_filter_in_between_proves_nothing_and_has_a_horizon(world: World) -> None:
    world.partners.fault("debit", "bare_403_after")
    order = world.place((world.product(), 1))
    debit = tried(order, times=1)
    assert debit.status == TransactionStatus.UNKNOWN
    assert debit.first_sent_at is not None
    assert tried(order, times=1).status == TransactionStatus.SUCCEEDED
    assert world.ledger(order) == (1_000, 0)


# --- Who is told -----------------------------------------------------------------------------


def test_the_third_try_is_an_incident_and_the_next_answer_ends_it(world: World) -> None:
    world.partners.fault("debit", "bare_401", times=None)
    order = world.place((world.product(), 1))
    tried(order, times=2)
    assert watch_partners() == 0
    tried(order, times=1)
    cache.clear()  # the database knows it without the cache
    assert [watch_partners(), watch_partners()] == [1, 1]
    assert incident().key == "partner-credentials:loyalty"
    assert incident().what == "The loyalty partner does not accept our credentials."
    world.partners.clear_faults()
    tried(order, times=1)
    assert watch_partners() == 0
    assert (incident().status, incident().evidence) == (
        IncidentStatus.RESOLVED,
        "The partner accepts our credentials again.",
    )


def test_three_orders_with_one_try_each_are_three_tries(world: World) -> None:
    world.partners.fault("debit", "unauthorized_403", times=None)
    for _order in range(3):
        tried(world.place((world.product(), 1)), times=1)
    cache.clear()
    assert watch_partners() == 1


@pytest.mark.parametrize("kind", ["request", "cancel", "question"])
def test_the_fulfillment_partner_has_an_incident_of_its_own(world: World, kind: str) -> None:
    if kind == "question":
        order = accepted(world)
        world.partners.fault("get_fulfillment", "unauthorized_403", times=None)
        for _poll in range(3):
            asked(world, order)
    else:
        call = being_cancelled(world) if kind == "cancel" else request_of(debited(world))
        world.partners.fault("fulfill" if kind == "request" else kind, "bare_401", times=None)
        ask_often(call)
    assert watch_partners() == 1
    assert incident().facts == {"partner": "fulfillment"}


def test_a_cancel_whose_delivery_cannot_be_looked_up_says_why(world: World) -> None:
    world.partners.fault("fulfill", "reset_after", times=None)
    order = debited(world)
    ask_often(request_of(order), times=1)
    cancel(order=now(order), by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("find", "bare_401", times=None)
    call = ask_often(PartnerCall.objects.get(kind=CallKind.CANCEL), times=1)
    assert (call.status, call.answer_code) == (CallStatus.UNKNOWN, "http_401")


def test_new_checkouts_are_held_politely_until_it_is_over(client_for: SignIn, world: World) -> None:
    book = world.product()
    placed = world.place((book, 1))
    world.partners.fault("debit", "unauthorized_403", times=None)
    tried(placed)
    watch_partners()
    cache.clear()  # an answered GET proves nothing about debits
    fill_cart(world.seat, (book, 1))
    client, form = client_for(world.seat), checkout_form(world.seat)
    assert SENTENCE in client.get("/checkout/").content.decode()
    answer = client.post("/checkout/", form)
    assert answer.status_code == 422
    assert SENTENCE in answer.content.decode()
    assert RedemptionOrder.objects.count() == 1
    world.partners.clear_faults()
    tried(placed, times=1)
    watch_partners()
    assert client.post("/checkout/", form).status_code == 303


def deliveries_rejected(world: World) -> PartnerCall:
    """Raise the incident that the Fulfillment partner rejects our credentials."""
    world.partners.fault("fulfill", "bare_401", times=None)
    call = ask_often(request_of(debited(world)))
    watch_partners()
    cache.clear()
    return call


def test_a_cart_with_a_card_is_held_and_says_which_line(client_for: SignIn, world: World) -> None:
    call = deliveries_rejected(world)
    book, card = world.product(), world.virtual()
    fill_cart(world.seat, (book, 1), (card, 1))
    client, form = client_for(world.seat), checkout_form(world.seat)
    page = client.get("/checkout/").content.decode()
    assert f"We cannot reach the partner who delivers “{card.name}” at the moment" in page
    assert "everything else here can be ordered" in page
    answer = client.post("/checkout/", form)
    assert answer.status_code == 422
    assert f"who delivers “{card.name}” at the moment" in answer.content.decode()
    assert RedemptionOrder.objects.count() == 1
    world.partners.clear_faults()
    ask_often(call, times=1)
    watch_partners()
    assert client.post("/checkout/", form).status_code == 303


def test_a_cart_of_things_goes_on_while_cards_are_held(client_for: SignIn, world: World) -> None:
    deliveries_rejected(world)
    fill_cart(world.seat, (world.product(), 1))
    client = client_for(world.seat)
    assert "We cannot reach" not in client.get("/checkout/").content.decode()
    assert client.post("/checkout/", checkout_form(world.seat)).status_code == 303


def test_an_order_with_a_card_is_not_approved_until_it_is_over(
    client_for: SignIn, world: World
) -> None:
    call = deliveries_rejected(world)
    world.company.approval_threshold = 1
    world.company.save()
    book, card = world.product(), world.virtual()
    order, other = world.place((card, 1), (book, 1)), world.place((book, 1))
    approver = client_for(world.new_seat("owner"))
    inbox = approver.get("/approvals/").content.decode()
    assert inbox.count(f"who delivers “{card.name}” at the moment") == 1
    assert "The order keeps waiting" in approver.get(order.get_absolute_url()).content.decode()
    answer = approver.post(f"{order.get_absolute_url()}approve/", follow=True)
    assert f"who delivers “{card.name}” at the moment" in answer.content.decode()
    assert now(order).status == OrderStatus.AWAITING_APPROVAL
    approver.post(f"{other.get_absolute_url()}approve/")
    assert now(other).status == OrderStatus.PENDING
    world.partners.clear_faults()
    ask_often(call, times=1)
    watch_partners()
    approver.post(f"{order.get_absolute_url()}approve/")
    assert now(order).status != OrderStatus.AWAITING_APPROVAL


def test_an_order_that_waits_for_approval_is_placed_though_its_card_is_held(
    client_for: SignIn, world: World
) -> None:
    deliveries_rejected(world)
    world.company.approval_threshold = 1
    world.company.save()
    fill_cart(world.seat, (world.virtual(), 1))
    client = client_for(world.seat)
    assert client.post("/checkout/", checkout_form(world.seat)).status_code == 303


def test_nothing_is_approved_while_no_points_can_be_taken(client_for: SignIn, world: World) -> None:
    world.partners.fault("debit", "unauthorized_403", times=None)
    tried(world.place((world.product(), 1)))
    watch_partners()
    world.company.approval_threshold = 1
    world.company.save()
    order = world.place((world.product(), 1))
    approver = client_for(world.new_seat("owner"))
    assert SENTENCE in approver.get("/approvals/").content.decode()
    answer = approver.post(f"{order.get_absolute_url()}approve/", follow=True)
    assert SENTENCE in answer.content.decode()
    assert now(order).status == OrderStatus.AWAITING_APPROVAL


def test_the_doctor_says_so_though_its_own_question_is_answered(world: World) -> None:
    world.partners.fault("debit", "unauthorized_403", times=None)
    tried(world.place((world.product(), 1)))
    watch_partners()
    (told,) = [finding for finding in examine() if finding.subject == "Loyalty partner"]
    assert told.state == State.BAD
    assert "does not accept our credentials" in told.says
