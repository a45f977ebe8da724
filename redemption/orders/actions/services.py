"""Actions on a placed order, other than cancelling: try again, show codes, write a note."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from fulfillment import services as fulfillments
from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.states import OPEN_CALL
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.data.texts.numbers import grouped
from redemption.models import (
    Letter,
    LoyaltyTransaction,
    OrderItem,
    OrderNote,
    RedemptionOrder,
    TransactionType,
)
from redemption.models.notes import LONGEST_NOTE
from redemption.permissions import may_reveal
from redemption.saga.steps import RedemptionError, locked, must, must_be_staff, note
from redemption.states import OPEN_TRANSACTION, TransactionStatus

# Transactions that the portal repeats; a person decides the others.
OPEN_BY_ITSELF = OPEN_TRANSACTION - {TransactionStatus.NEEDS_REVIEW}


@transaction.atomic
def unflag(*, order: RedemptionOrder, by: Actor) -> None:
    """Remove the flag: a person has looked at the order."""
    held = locked(order.pk)
    if held.needs_attention:
        why = {"why": held.attention_reason}
        note(held, kept(lambda: _("Looked at: %(why)s") % why), by=by)
        held.needs_attention, held.attention_reason = False, ""
        held.save(update_fields=["needs_attention", "attention_reason"])


@transaction.atomic
def write_note(*, order: RedemptionOrder, text: str, token: UUID, by: Actor) -> OrderNote:
    """Write a note about the order, which only staff read. A second call with the same token
    returns the same note. Raises RedemptionError for an empty text, or one of more than
    LONGEST_NOTE characters.
    """
    must_be_staff(by.has_perm("redemption.add_ordernote"), _("write notes about orders"))
    text = text.strip()
    if not text:
        raise RedemptionError(_("Write something."))
    if len(text) > LONGEST_NOTE:
        raise RedemptionError(
            _("A note has at most %(most)s characters.") % {"most": grouped(LONGEST_NOTE)}
        )
    written, _is_new = OrderNote.objects.get_or_create(
        pk=token, defaults={"order": order, "text": text, "by_id": by.person_id}
    )
    if (written.order_id, written.by_id, written.text) != (order.pk, by.person_id, text):
        raise RedemptionError(_("This form was used before. Open the page again."))
    return written


def open_letters(order: RedemptionOrder) -> QuerySet[Letter]:
    """The letters that wait to be sent, without a digest that gathers news."""
    waiting = Letter.objects.filter(order=order, sent_at__isnull=True)
    return waiting.exclude(key=Letter.gathering_key(order.pk))


@transaction.atomic
def retry_now(*, order: RedemptionOrder, by: Actor) -> int:
    """Make the order's open calls and letters due now. Returns how many.

    The same keys are used again, so this does no harm. Rows that a person must decide on, and a
    digest that gathers news, stay as they are.
    """
    open_calls = Q(lease_until__isnull=True) | Q(lease_until__lte=Now())
    # Filter by the row's own columns only: PostgreSQL checks these again after waiting for a lock.
    parcels = Fulfillment.objects.filter(label=order.order_number)
    held = list(parcels.values_list("pk", flat=True))
    waiting: list[QuerySet[Any]] = [
        PartnerCall.objects.filter(fulfillment__in=held, status__in=OPEN_CALL),
        order.transactions.filter(status__in=OPEN_BY_ITSELF),
        open_letters(order),
    ]
    hurried = sum(rows.filter(open_calls).update(next_attempt_at=Now()) for rows in waiting)
    note(order, kept(lambda: _("Asked to try again now.")), by=by)
    return hurried


@transaction.atomic
def reveal_codes(*, item: OrderItem, by: Actor, number: int | None = None) -> list[VirtualCode]:
    """Return the codes of a delivered virtual line, including unreadable ones, or the one with this
    number, from 1. Records who saw them.
    """
    must(may_reveal(by, item.order))
    held = fulfillments.find(item.id)
    codes = fulfillments.reveal_codes(fulfillment=held, by=by, number=number) if held else []
    if any(code.can_be_read() for code in codes):
        facts = {"product": item.product_name, "number": number}
        told = kept(lambda: _("Showed the codes of %(product)s.") % facts)
        if number is not None:
            told = kept(lambda: _("Showed code %(number)s of %(product)s.") % facts)
        note(item.order, told, by=by)
        RedemptionOrder.objects.filter(pk=item.order_id).beat()
    return codes


def is_being_taken(line: UUID) -> bool:
    """Whether points of the line are being taken again: a correction has no outcome yet."""
    moved = LoyaltyTransaction.objects.filter(item=line, status__in=OPEN_TRANSACTION)
    return moved.filter(transaction_type=TransactionType.CORRECTION).exists()
