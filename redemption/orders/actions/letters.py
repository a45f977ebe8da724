"""Has a letter that went out before sent once more."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.selectors import letter_address
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept
from redemption.models import Letter, RedemptionOrder
from redemption.saga.steps import RedemptionError, locked, must_be_staff, note

PAUSE = timedelta(minutes=5)  # between two copies of one letter


@transaction.atomic
def send_again(*, order: RedemptionOrder, letter_id: UUID, by: Actor) -> Letter:
    """Send a letter of the order once more, to the address that the buyer has now. The copy is a
    letter of its own, and says what holds when it is sent.

    Raises RedemptionError when it is no letter of the order, was not sent yet, or was sent again
    within PAUSE.
    """
    must_be_staff(by.has_perm("redemption.send_letter_again"), _("send letters again"))
    held = locked(order.pk)
    letter = held.letters.filter(pk=letter_id).first()
    if letter is None:
        raise RedemptionError(_("This order has no such letter."))
    original = letter.again_of_id or letter.pk
    if letter.sent_at is None and letter.next_attempt_at is not None:
        raise RedemptionError(_("This letter was not sent yet. Use “Retry now” to hurry it."))
    if held.letters.filter(again_of=original, created_at__gt=Now() - PAUSE).exists():
        raise RedemptionError(
            _("It was sent again less than five minutes ago. Give it time to arrive.")
        )
    copy = Letter(
        order=held,
        item_id=letter.item_id,
        kind=letter.kind,
        to=letter_address(held.account_manager),
        facts=letter.facts,
        again_of_id=original,
    )
    copy.key = f"again:{copy.pk}"
    copy.save(force_insert=True)
    told = kept(
        lambda: _("Had the letter “%(letter)s” sent again.") % {"letter": letter.get_kind_display()}
    )
    note(held, told, by=by)
    return copy
