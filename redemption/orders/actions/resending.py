"""“I did not get my code”: has the codes of a delivered line sent again.

The codes went to the recipient by the partner's own e-mail, and our letters hold none. So the
partner is asked to send them again where it can; otherwise whoever ordered is asked to pass them on
(docs/decisions/0043-codes-sent-again.md).
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.selectors import told_as
from fulfillment import services as fulfillments
from fulfillment.models import Channel, Fulfillment, VirtualCode
from fulfillment.states import FulfillmentStatus
from fulfillment.virtual.resending import ask_to_resend
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.texts.kept import kept
from redemption.models import LetterKind, OrderEvent, OrderItem, RedemptionOrder
from redemption.models.history import EventSubject
from redemption.permissions import may_resend
from redemption.saga.steps import RedemptionError, locked, must, write_letter

PAUSE = timedelta(minutes=5)  # between two requests for one line
MOST_A_DAY = 5  # for one line


@transaction.atomic
def resend(*, item: OrderItem, email: str, reason: str, by: Actor) -> str:
    """Have the codes of a line sent again, to its recipient at `email`: the same address or a
    corrected one. Whoever ordered is told by a letter, and the order's timeline says so. Returns a
    sentence about what is done.

    Raises RedemptionError when the actor may not, without a reason or a valid address, when nothing
    was delivered or the codes are not ours to pass on, or when it was asked too often.
    """
    must(may_resend(by, item.order))
    email, reason = _checked(email, reason)
    held = _delivered(item)
    order = locked(item.order_id)
    _must_not_be_too_often(order, item)
    here = _can_be_shown(held)
    by_partner = bool(settings.FULFILLMENT_API_RESEND and held.partner_id)
    if not (by_partner or here):
        told = _(
            "Our partner sent these codes itself and cannot be asked to send them again, and the "
            "portal has none to show. Ask the partner by phone or mail."
        )
        raise RedemptionError(told)
    corrected = email != held.recipient_email
    facts: dict[str, Any] = {
        "to": email,
        "corrected": corrected,
        "who": told_as(by.user, order.company_id),
        "by_partner": by_partner,
        "here": here,
    }
    call = ask_to_resend(held=held, email=email, by=by, reason=reason) if by_partner else None
    occasion = call.pk if call else uuid7()
    write_letter(order, LetterKind.RESENT, occasion=occasion, item=item, **facts)
    _record(order, item, by=by, reason=reason, corrected=corrected)
    if by_partner:
        told = _("Our partner is asked to send the codes to %(to)s once more.")
        return told % {"to": email}
    told = _("%(who)s gets a letter that asks to pass the codes on to %(to)s.")
    return told % {"who": order.account_manager.user, "to": email}


def _checked(email: str, reason: str) -> tuple[str, str]:
    email, reason = email.strip(), reason.strip()
    try:
        validate_email(email)
    except ValidationError:
        raise RedemptionError(_("Enter a valid e-mail address.")) from None
    if len(email) > 254:
        raise RedemptionError(_("Enter a valid e-mail address."))
    if not reason:
        raise RedemptionError(_("Say why, as in “she did not get it”."))
    return email, reason


def _delivered(item: OrderItem) -> Fulfillment:
    """The delivery of the line, locked. Raises RedemptionError when the partner has delivered no
    unit.
    """
    found = fulfillments.find(item.pk)
    if found is None or found.channel != Channel.PARTNER:
        raise RedemptionError(_("This line was not sent by e-mail."))
    held = fulfillments.locked(found)
    if held.status == FulfillmentStatus.REQUESTED:
        told = _("Our partner has not delivered it yet. The codes will go to %(to)s.")
        raise RedemptionError(told % {"to": held.recipient_email})
    if not held.quantity_delivered:
        raise RedemptionError(_("Nothing of this line was delivered."))
    return held


def _must_not_be_too_often(order: RedemptionOrder, item: OrderItem) -> None:
    asked = order.letters.filter(
        item=item, kind=LetterKind.RESENT, again_of=None, facts__outcome__isnull=True
    )
    if asked.filter(created_at__gt=Now() - PAUSE).exists():
        told = _("They were sent again less than five minutes ago. Give them time to arrive.")
        raise RedemptionError(told)
    if asked.filter(created_at__gt=Now() - timedelta(days=1)).count() >= MOST_A_DAY:
        told = _("These codes were sent again %(most)s times within a day. Find out why first.")
        raise RedemptionError(told % {"most": MOST_A_DAY})


def _can_be_shown(held: Fulfillment) -> bool:
    codes = list(VirtualCode.objects.valid().filter(fulfillment=held))
    return bool(codes) and all(code.can_be_read() for code in codes)


def _record(
    order: RedemptionOrder, item: OrderItem, *, by: Actor, reason: str, corrected: bool
) -> None:
    """Write who and why into the order's history; the address stands in the letter."""
    told = kept(lambda: _("Had the codes sent again: %(why)s"))
    if corrected:
        told = kept(lambda: _("Had the codes sent again, to a corrected address: %(why)s"))
    OrderEvent.objects.create(
        order=order,
        item=item,
        subject=EventSubject.NOTE,
        by_id=by.user_id,
        reason=(told % {"why": reason})[:255],
    )
