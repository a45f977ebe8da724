"""“The address is wrong”: staff correct who gets a line, and where, before it is sent.

What is at the desk is corrected as a parcel. What was not passed on yet (its order waits for
approval or for the points, or the line for its date) is corrected on the order's lines.
"""

from collections.abc import Mapping, Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fulfillment import services as fulfillments
from fulfillment.desk.services import correct_for_company, corrected_word
from fulfillment.models import Channel, Fulfillment
from fulfillment.permissions import CORRECT, may_do
from fulfillment.services import DeskError
from fulfillment.states import TO_SEND
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.recipient import FIELDS, check_recipient
from redemption.models import EventSubject, OrderEvent, OrderItem
from redemption.saga.steps import RedemptionError, locked, must_be_staff
from redemption.states import OPEN_ORDER, LineStatus, OrderStatus


@transaction.atomic
def correct_recipient(
    *, item: OrderItem, recipient: Mapping[str, str], reason: str, by: Actor
) -> str:
    """Correct to whom and where a line goes, with all lines of its order that go to the same
    recipient and were not sent. The company reads in the order's timeline what was changed, and
    why. `recipient` has the columns of loyalty_portal.data.recipient. Returns a sentence.

    Raises RedemptionError when the actor may not, without a reason, when something is missing or
    nothing is changed, and when it is too late.
    """
    must_be_staff(may_do(by, CORRECT), _("correct recipients"))
    reason = reason.strip()
    if not reason:
        raise RedemptionError(_("Say why; the company reads it."))
    held = fulfillments.find(item.pk)
    if held:
        if why := too_late(item, held):
            raise RedemptionError(why)
        try:
            correct_for_company(parcel=held, recipient=recipient, reason=reason, by=by)
        except DeskError as error:
            raise RedemptionError(str(error)) from error
        return _("Corrected. The company reads in the order’s timeline what was changed.")
    return _correct_waiting(item, recipient, reason, by)


def too_late(item: OrderItem, held: Fulfillment | None) -> str:
    """Why the recipient of a line cannot be corrected any more, or not yet; "" when it can."""
    if held and held.channel == Channel.PARTNER:
        if held.status == LineStatus.REQUESTED:
            return _(
                "Our partner has the address already. When the codes have arrived, have them sent "
                "again to the right one."
            )
        return _("Our partner is done with it. Codes can be sent again to another address.")
    if held:
        return "" if held.status in TO_SEND else _("Nothing of it is left to send.")
    if item.fulfillment_status != LineStatus.WAITING:
        return _("It has ended and is not sent any more.")
    if not item.recipient_name:
        return _("Its recipient is asked for the address. Wait for the answer.")
    return ""


def _correct_waiting(item: OrderItem, recipient: Mapping[str, str], reason: str, by: Actor) -> str:
    order = locked(item.order_id)
    fresh = OrderItem.objects.get(pk=item.pk)
    if order.status not in OPEN_ORDER or order.status == OrderStatus.CANCELLING:
        raise RedemptionError(_("This order is being cancelled or has ended."))
    if fulfillments.find(fresh.pk):
        raise RedemptionError(_("Somebody has worked on this since the page was made. Look again."))
    if why := too_late(fresh, None):
        raise RedemptionError(why)
    alike = order.items.filter(fulfillment_status=LineStatus.WAITING, **fresh.recipient())
    items = list(alike.select_related("product"))
    said = _checked(items, recipient)
    word = corrected_word(fresh, said, reason)
    if not word:
        raise RedemptionError(_("Nothing was changed."))
    for each in items:
        for name in FIELDS:
            setattr(each, name, said[name])
        each.save(update_fields=FIELDS)
    OrderEvent.objects.create(
        order=order, subject=EventSubject.TOLD, by_id=by.user_id, reason=word[:255]
    )
    told = ngettext(
        "Corrected for %(n)s line. The company reads in the order’s timeline what was changed.",
        "Corrected for %(n)s lines. The company reads in the order’s timeline what was changed.",
        len(items),
    )
    return told % {"n": len(items)}


def _checked(items: Sequence[OrderItem], recipient: Mapping[str, str]) -> dict[str, str]:
    """The columns as given, if they are enough for each of the lines."""
    said: dict[str, str] = {}
    try:
        for by_parcel in sorted({not item.product.is_virtual for item in items}):
            said = check_recipient(recipient, by_parcel=by_parcel)
    except ValidationError as error:
        raise RedemptionError(" ".join(error.messages)) from error
    return said
