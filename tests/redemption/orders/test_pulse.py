"""The pulse of an order grows with whatever its page shows, however that came about.

The saga's model (tests/redemption/saga/model) looks at every page too. What it does not drive is
here, step by step.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager, Role, User
from fulfillment import services as desk
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from redemption.incidents.services import resolve
from redemption.messages.notifications import send_letter
from redemption.models import Incident, LetterKind, OrderItem, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.services import reveal_codes, unflag
from redemption.questions import services as questions
from redemption.saga import transactions
from redemption.saga.steps import flag, locked
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, Verdict
from tests.redemption.orders.actions import test_delivery_decisions as deliveries
from tests.redemption.orders.actions.test_remedies import AGREED, put_right
from tests.redemption.orders.pulse_watch import Watch, stop_the_pulse
from tests.redemption.pages import address, now
from tests.redemption.saga.doubts.test_doubts import tried
from tests.redemption.saga.test_credits_held_back import swapped
from tests.redemption.saga.test_virtual_news import accepted, answers, give_back
from tests.redemption.saga.test_webhooks import ended
from tests.redemption.world import World, make_all_due
from tests.support.orders.came_back import came_back, credited
from tests.support.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)
Steps = Iterator[str]


def confirmed(world: World, *wanted: Any) -> RedemptionOrder:
    order = world.place(*wanted)
    settle_transaction(world.debit(order).pk)
    return now(order)


def points(world: World) -> Steps:
    order = world.place((world.product(), 1))
    yield "placed"
    world.partners.fault("debit", "error_500_before")
    settle_transaction(world.debit(order).pk)
    yield "the debit has no clear answer"
    make_all_due()
    claim = transactions._claim(world.debit(order).pk)
    assert claim
    yield "the debit is asked for again"
    transactions._record(claim, transactions._answer(claim))
    yield "the points are taken"
    her_order, his_order = swapped(world, 1_000, 700, he_first=True)
    yield "one cancels"
    tried(her_order)
    yield "her credit begins to wait"
    tried(his_order, her_order, rounds=4)
    yield "both numbers are right"


def letters(world: World, settings: Any) -> Steps:
    order = confirmed(world, (world.product(), 1))
    yield "confirmed"
    letter, works = order.letters.get(kind=LetterKind.CONFIRMED), settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert send_letter(letter.pk)
    yield "its letter could not be sent"
    settings.EMAIL_BACKEND = works
    order.letters.update(next_attempt_at="2020-01-01T00:00:00Z")
    assert send_letter(letter.pk)
    yield "its letter is sent"


def work(world: World) -> Steps:
    """The desk, the partner and what can be cancelled."""
    by, card = Actor.in_seat(world.seat), world.virtual(points=500)
    world.partners.dial(mode="accept", delay=3600)
    order = confirmed(world, (world.product(), 3), (card, 1), (card, 2))
    parcel, *cards = [Fulfillment.objects.get(reference=item.pk) for item in order.items.all()]
    yield "confirmed"
    desk.claim(fulfillment=parcel, by=by)
    yield "the desk has claimed it"
    for number, each in enumerate(cards):
        assert virtual.ask(each.calls.get().pk)
        yield f"card {number} is with the partner"
    cancel(order=order, by=by, reason="")
    yield "the partner is asked to cancel"
    desk.unclaim(fulfillment=parcel, by=by)
    yield "the desk has put it back"
    world.partners.fault("cancel", "refuse", code="too_late")
    assert virtual.ask(PartnerCall.objects.get(fulfillment=cards[0], kind="CANCEL").pk)
    yield "the partner does not cancel"
    desk.pack(fulfillment=parcel, by=by)
    yield "packed"
    shipment = desk.ship(fulfillment=parcel, quantity=1, carrier="DHL", tracking_number="", by=by)
    yield "one is shipped"
    desk.deliver(shipment=shipment, by=by)
    yield "one has arrived"
    desk.cannot_supply(fulfillment=parcel, quantity=None, reason="Lost", by=by)
    yield "the others are lost"
    digest = order.letters.get(kind=LetterKind.DIGEST)
    order.letters.update(next_attempt_at="2020-01-01T00:00:00Z")
    assert send_letter(digest.pk)
    yield "the digest of it is sent"
    returned = came_back(parcel, by=by)
    yield "what arrived came back"
    credited(returned, 0, reason="Used")
    yield "finance gives no points back"


def codes(world: World, fay: User, gil: User) -> Steps:
    order = deliveries.nobody_knows(world)
    yield "nobody knows"
    deliveries.decided(order, 2, fay, gil)
    yield "two people say that it came"
    answers(world, order, "delivered", "CODE-1", "CODE-2")
    yield "its codes come after all"
    reveal_codes(item=order.items.get(), by=Actor.in_seat(world.seat))
    yield "somebody looked at the codes"


def remedies(world: World, fay: User, gil: User) -> Steps:
    order = accepted(world)
    answers(world, order, "delivered", "OF-ANOTHER-1", "OF-ANOTHER-2")
    ended(world, order, "delivered")
    yield "delivered with wrong codes"
    put_right(order, Verdict.CODES, fay, gil)
    yield "the codes are replaced"
    order = accepted(world)
    answers(world, order, "failed")
    give_back(world, order)
    ended(world, order, "delivered")
    yield "given back, but delivered"
    put_right(order, Verdict.CORRECTION, fay, gil, **AGREED)
    yield "a correction is agreed"
    settle_transaction(order.transactions.get(transaction_type="CORRECTION").pk)
    yield "taken again"


def attention(world: World) -> Steps:
    order, by = confirmed(world, (world.product(), 1)), Actor.in_seat(world.seat)
    yield "confirmed"
    for end in ("unflag", "resolve"):
        with transaction.atomic():
            flag(locked(order.pk), f"Odd: {end}", kind=IncidentKind.MISMATCH, about=None)
        yield f"marked before {end}"
        if end == "unflag":
            unflag(order=order, by=by)
        else:
            resolve(incident=Incident.objects.get(order=order), by=by, evidence="Looked.")
        yield f"not marked after {end}"


def asked(world: World) -> Steps:
    order = confirmed(world, (world.product(), 1))
    yield "placed"
    seat = Actor.in_seat(order.account_manager)
    text = "When does it come?"
    question = questions.ask(order=order, text=text, token=uuid7(), by=seat)
    yield "the company asks"
    support = Actor.person(staff("support"))
    seen = str(question.pk)
    questions.answer(order=order, text="On Friday.", seen=seen, token=uuid7(), by=support)
    yield "staff answer"


@pytest.fixture
def everything(world: World, settings: Any, fay: User, gil: User) -> list[Steps]:
    return [
        points(world),
        letters(world, settings),
        work(world),
        codes(world, fay, gil),
        remedies(world, fay, gil),
        attention(world),
        asked(world),
    ]


def looked_at(world: World, everything: list[Steps]) -> tuple[list[str], list[str]]:
    """Look at the pages after each step. Returns the steps that changed a page, and those of them
    after which its pulse was the same.
    """
    by = Actor.in_seat(world.new_seat(Role.OWNER))
    changed, missed = [], []
    for steps in everything:
        watch = Watch(others=list(RedemptionOrder.objects.values_list("pk", flat=True)))
        for step in steps:
            before = watch.changed, len(watch.pages)
            missed += [step] if watch.missed(by) else []
            changed += [step] if watch.changed > before[0] else []
            assert before != (watch.changed, len(watch.pages)), f"“{step}” changes no page"
    return changed, missed


def test_the_pulse_moves_with_whatever_the_page_shows(
    world: World, everything: list[Steps]
) -> None:
    assert looked_at(world, everything)[1] == []


def test_a_pulse_that_stands_still_is_noticed_at_every_step(
    world: World, everything: list[Steps], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    stop_the_pulse(monkeypatch)
    changed, missed = looked_at(world, everything)
    assert changed == missed
    assert len(changed) > 20


def test_each_table_about_an_order_is_known_to_move_its_pulse_or_not_to_show() -> None:
    """A new table belongs into one of these, and into the steps above where its rows show."""
    shown = {
        "Decision",
        "Letter",
        "LoyaltyTransaction",
        "OrderEvent",
        "OrderItem",
        "OrderMessage",
        "Fulfillment",
        "CodeReveal",
        "LineReturn",
        "PartnerCall",
        "RecipientAsk",
        "Shipment",
        "ShipmentLine",
        "VirtualCode",
    }
    hidden = {
        "BulkPart",  # shown on the page of its file, which links to the order
        "FulfillmentEvent",
        "LineWait",
        "OrderNote",
        "Incident",
        "IncidentCase",
        "StatementLine",
        "Difference",
        "WaitingQuestion",
    }
    of_orders = {RedemptionOrder, OrderItem, Fulfillment}
    found = {
        model.__name__
        for model in apps.get_models()
        if not model._meta.proxy
        for field in model._meta.get_fields()
        if (field.related_model in of_orders and field.concrete) or model is Fulfillment
    }
    changes = {name for name in found if name.endswith("Change")}  # the history of the others
    assert found - changes - hidden == shown


def test_asking_an_unchanged_order_is_one_small_query_whatever_its_lines(
    world: World, client_for: Callable[[AccountManager], Client]
) -> None:
    client, product = client_for(world.seat), world.product(points=1, stocked=502)
    figures = []
    for lines in (1, 1, 500):  # the first one fills the caches
        order = now(world.place(*[(product, 1)] * lines))
        with CaptureQueriesContext(connection) as seen:
            page = client.get(address(order, "story"), {"seen": str(order.pulse), "last": "0"})
        assert 'id="order"' not in page.content.decode()
        asked = [each["sql"] for each in seen if "redemption_order" in each["sql"]]
        assert len(asked) == 1
        assert "JOIN" not in asked[0]
        figures.append(len(seen))
    assert figures[1] == figures[2]


def test_the_pulse_is_no_history(world: World) -> None:
    order: Any = confirmed(world, (world.product(), 1))
    before = order.changes.count()
    assert send_letter(order.letters.get().pk)
    with transaction.atomic():
        locked(order.pk)
    assert now(order).pulse >= order.pulse + 2
    assert order.changes.count() == before


@pytest.mark.both_ways
def test_locking_an_order_moves_its_pulse_and_reads_it_as_it_is_now(world: World) -> None:
    order = now(world.place((world.product(), 1)))
    RedemptionOrder.objects.filter(pk=order.pk).update(note="Changed meanwhile")
    with transaction.atomic():
        held = locked(order.pk)
        assert (held.pulse, held.note) == (order.pulse + 1, "Changed meanwhile")
        assert (held.company, held.account_manager.user) == (world.company, world.seat.user)
    assert now(order).pulse == held.pulse
