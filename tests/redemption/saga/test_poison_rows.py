"""Rows at which our own code fails are put aside after a few tries, while others go on."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import InternalError, OperationalError, connection

from fulfillment.models import CallKind, Fulfillment, PartnerCall
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import MOST_RAISED
from redemption.incidents.services import IncidentError
from redemption.invariants.checks import check_invariants
from redemption.models import Callback, Incident, Letter, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.incidents import try_again
from redemption.saga import tasks
from redemption.saga.queues import queues, settle_mended, work
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, IncidentStatus, OrderStatus
from tests.accounts.factories import UserFactory
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)


def due_again(model: Any, **which: Any) -> None:
    """Make rows due and expire their leases; what was put aside stays so."""
    rows = model.objects.filter(next_attempt_at__isnull=False, **which)
    rows.update(next_attempt_at="2020-01-01T00:00:00Z", lease_until=None)


def sweep(times: int = 1) -> None:
    for _ in range(times):
        for kind in queues().values():
            due_again(kind.model)
        call_command("sweep", "--once", verbosity=0)


def poisoned() -> Incident:
    return Incident.objects.get(kind=IncidentKind.POISON_ROW)


def unreadable_callback() -> Callback:
    """A callback that cannot be decrypted, so that reading it raises."""
    callback = Callback.objects.create(
        webhook_id=str(uuid.uuid4()), event_type="fulfillment.delivered", reference="r", body="{}"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE redemption_callback SET body = 'garbage' WHERE id = %s", [callback.pk]
        )
    return callback


def unwritable_letter(world: World) -> Letter:
    order = world.place((world.product(), 1))
    sweep()
    Letter.objects.filter(order=order).update(
        kind="of no kind", sent_at=None, next_attempt_at="2020-01-01T00:00:00Z"
    )
    return Letter.objects.get(order=order)


def test_a_row_that_raises_waits_longer_each_time_and_is_put_aside(world: World) -> None:
    letter = unwritable_letter(world)
    for tried in range(1, MOST_RAISED):
        sweep()
        letter.refresh_from_db()
        assert letter.raised == tried
        assert letter.next_attempt_at is not None
        assert not Incident.objects.exists()
    sweep()
    letter.refresh_from_db()
    assert (letter.raised, letter.next_attempt_at) == (MOST_RAISED, None)
    incident = poisoned()
    assert incident.order == letter.order
    assert incident.facts == {
        "work": "letters",
        "id": str(letter.pk),
        "error": "TemplateDoesNotExist",
    }
    assert letter.to not in incident.what


def test_a_row_that_cannot_even_be_read_is_put_aside() -> None:
    callback = unreadable_callback()
    sweep(MOST_RAISED)
    incident = poisoned()
    assert incident.facts["id"] == str(callback.pk)
    assert "garbage" not in incident.what + str(incident.facts)
    sweep(3)
    assert Incident.objects.count() == 1


def test_the_others_flow_meanwhile(world: World) -> None:
    unreadable_callback()
    unwritable_letter(world)
    mail.outbox.clear()
    order = world.place((world.product(), 1))
    sweep(2)
    order.refresh_from_db()
    assert order.status == OrderStatus.CONFIRMED
    assert len(mail.outbox) == 1


def test_tasks_and_the_sweeper_count_together(world: World) -> None:
    letter = unwritable_letter(world)
    for turn in range(MOST_RAISED):
        due_again(Letter)
        if turn % 2:
            tasks.send_letter(str(letter.pk))
        else:
            sweep()
    assert poisoned().facts["id"] == str(letter.pk)


def test_a_try_that_works_forgets_those_that_raised(world: World) -> None:
    letter = unwritable_letter(world)
    sweep(MOST_RAISED - 1)
    Letter.objects.filter(pk=letter.pk).update(kind="confirmed")
    sweep()
    letter.refresh_from_db()
    assert letter.sent_at is not None
    assert letter.raised == 0
    assert not Incident.objects.exists()


@contextmanager
def told(command: str, back: str) -> Iterator[None]:
    """Run SQL in this session for the block, then undo it with `back`."""
    with connection.cursor() as cursor:
        cursor.execute(command)
        try:
            yield
        finally:
            cursor.execute(back)


def not_put_aside(world: World, order: RedemptionOrder) -> None:
    assert world.debit(order).raised == 0
    assert not Incident.objects.exists()
    sweep(2)
    order.refresh_from_db()
    assert order.status == OrderStatus.CONFIRMED


def test_a_lock_that_others_hold_is_not_the_rows_fault(world: World) -> None:
    order = world.place((world.product(), 1))
    debit = world.debit(order)
    somebody = connection.copy()
    somebody.set_autocommit(False)
    somebody.cursor().execute("SELECT * FROM loyalty_transaction FOR UPDATE")
    with told("SET lock_timeout = '50ms'", "SET lock_timeout = '5s'"):
        for _ in range(MOST_RAISED + 1):
            with pytest.raises(OperationalError):
                work("transactions", debit.pk)
    somebody.rollback()
    somebody.close()
    not_put_aside(world, order)


def test_a_database_that_only_reads_is_not_the_rows_fault(world: World) -> None:
    order = world.place((world.product(), 1))
    read_only = "SET default_transaction_read_only = "
    with told(read_only + "on", read_only + "off"):
        for _ in range(MOST_RAISED + 1):
            with pytest.raises(InternalError):
                work("transactions", world.debit(order).pk)
    assert world.ledger(order) == (0, 0)  # nothing is sent without a row
    not_put_aside(world, order)


def test_what_the_partner_leaves_unknown_is_never_put_aside(world: World) -> None:
    world.partners.fault("debit", "unavailable_503", times=100)
    order = world.place((world.product(), 1))
    for _ in range(MOST_RAISED + 2):
        due_again(LoyaltyTransaction)
        work("transactions", world.debit(order).pk)
    debit = world.debit(order)
    assert (debit.status, debit.raised) == ("UNKNOWN", 0)
    assert debit.next_attempt_at is not None


def put_aside_debit(world: World) -> tuple[RedemptionOrder, Fulfillment]:
    """A debit whose answer cannot be recorded, because its parcel's name is taken already."""
    order = world.place((world.product(), 1))
    in_the_way = world.fulfillment(settled(world))
    Fulfillment.objects.filter(pk=in_the_way.pk).update(reference=order.items.get().pk)
    for _ in range(MOST_RAISED):
        due_again(LoyaltyTransaction)
        work("transactions", world.debit(order).pk)
    return order, in_the_way


def settled(world: World) -> RedemptionOrder:
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    return order


def mend(in_the_way: Fulfillment) -> None:
    """Free the name again."""
    Fulfillment.objects.filter(pk=in_the_way.pk).update(reference=in_the_way.reference)


def test_a_debit_put_aside_is_seen_and_is_no_breach_of_what_must_hold(world: World) -> None:
    order, in_the_way = put_aside_debit(world)
    mend(in_the_way)
    incident = poisoned()
    assert incident.facts["error"] == "IntegrityError"
    assert (incident.order, incident.transaction) == (order, world.debit(order))
    assert check_invariants() == []
    sweep()
    order.refresh_from_db()
    assert order.status == OrderStatus.PENDING


def test_staff_put_it_back_to_work_and_its_incident_ends_by_itself(world: World) -> None:
    order, in_the_way = put_aside_debit(world)
    mend(in_the_way)
    clerk = UserFactory.create(is_staff=True)
    try_again(incident=poisoned(), by=Actor.person(clerk))
    assert settle_mended() == 0  # not before the row worked
    sweep()
    order.refresh_from_db()
    assert order.status == OrderStatus.CONFIRMED
    incident = poisoned()
    assert (incident.status, incident.resolved_by) == (IncidentStatus.RESOLVED, None)
    assert incident.events.filter(by=clerk).exists()


def test_put_back_too_early_it_is_put_aside_at_once(world: World) -> None:
    letter = unwritable_letter(world)
    sweep(MOST_RAISED)
    try_again(incident=poisoned(), by=Actor.person(UserFactory.create(is_staff=True)))
    sweep()
    letter.refresh_from_db()
    assert letter.next_attempt_at is None
    assert poisoned().times_seen == 2


def test_what_is_at_work_already_cannot_be_put_back_to_work(world: World) -> None:
    unwritable_letter(world)
    sweep(MOST_RAISED)
    incident, clerk = poisoned(), UserFactory.create(is_staff=True)
    try_again(incident=incident, by=Actor.person(clerk))
    with pytest.raises(IncidentError, match="being worked on already"):
        try_again(incident=incident, by=Actor.person(clerk))


def test_a_delivery_that_cannot_be_asked_about_is_put_aside_beside_its_order(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    world.place((world.product(), 1))  # an earlier order, which has nothing to do with it
    order = world.place((world.virtual(points=500), 1))
    sweep(2)
    # No URL can be made of this id.
    Fulfillment.objects.filter(label=order.order_number).update(partner_id="..")
    sweep(MOST_RAISED)
    incident = poisoned()
    assert incident.facts["work"] == "polls"
    assert incident.order == order
    assert incident.cases.get().transaction is None
    Fulfillment.objects.update(partner_id="")
    try_again(incident=incident, by=Actor.person(UserFactory.create(is_staff=True)))
    sweep()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED


def test_a_cancel_that_cannot_be_asked_for_is_put_aside_beside_its_order(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    settled(world)  # an earlier order with a parcel, which has nothing to do with it
    order = world.place((world.virtual(points=500), 1))
    sweep(2)
    # No URL can be made of this id.
    Fulfillment.objects.filter(label=order.order_number).update(partner_id="..")
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    call = PartnerCall.objects.get(kind=CallKind.CANCEL)
    for _ in range(MOST_RAISED):
        due_again(PartnerCall)
        work("partner calls", call.pk)
    incident = poisoned()
    assert incident.facts["id"] == str(call.pk)
    assert incident.order == order


def test_what_was_done_meanwhile_is_not_put_back_to_work(world: World) -> None:
    order = world.place((world.product(), 1))
    sweep()
    debit = world.debit(order)
    assert not LoyaltyTransaction.objects.set_back(debit.pk)
    assert world.debit(order).next_attempt_at is None
