"""Records what came back from recipients."""

from django.db import transaction
from django.utils.translation import gettext as _

from fulfillment.models import Fulfillment
from fulfillment.news import tell
from fulfillment.services import DeskError, all_came_back, at_desk, of_all
from fulfillment.states import RETURNABLE, ReturnedTo
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept


@transaction.atomic
def return_units(
    *, fulfillment: Fulfillment, quantity: int, to: ReturnedTo, reason: str, by: Actor
) -> Fulfillment:
    """Record that `quantity` of the delivered units came back. People decide about their points."""
    held = at_desk(fulfillment, *RETURNABLE)
    if not 1 <= quantity <= held.with_recipient:
        raise DeskError(_came_back_at_most(held))
    if not reason.strip():
        raise DeskError(_("Say why it came back."))
    written_off = quantity if to == ReturnedTo.WRITTEN_OFF else 0
    held.quantity_returned += quantity
    held.quantity_written_off += written_off
    held.save(update_fields=["quantity_returned", "quantity_written_off"])
    why = f"{reason.strip()} ({kept(lambda: to.label)})"
    came_back = kept(lambda: _("%(n)s of %(all)s came back: %(what)s"))
    told = of_all(came_back, quantity, held, why)
    held.event(held.status, held.status, by=by, reason=told).save()
    tell(held, returned=quantity, written_off=written_off, reason=reason.strip(), by=by)
    all_came_back(held, by=by, reason=reason.strip())
    return held


def _came_back_at_most(held: Fulfillment) -> str:
    if not held.with_recipient:
        return _("Nothing of this is with its recipient, so nothing can come back.")
    told = _("%(n)s pieces are with the recipient, so between 1 and %(n)s can come back.")
    return told % {"n": held.with_recipient}
