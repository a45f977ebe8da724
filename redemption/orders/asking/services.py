"""Asks recipients by a letter where to send something, and takes their answers.

The link's token is random. The letter alone holds it, and its hash is stored
(docs/decisions/0091-recipients-answer-by-a-link.md). The caller sends on what an answer makes due.
"""

import logging
import secrets
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Min
from django.db.models.functions import Now
from django.forms import EmailField
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.leases import ENDED
from loyalty_portal.data.texts import mail
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.metrics.figures import sent
from redemption.checkout.rows import recipient_of
from redemption.models import OrderItem, RecipientAsk, RedemptionOrder
from redemption.models.asks import REMINDED_BEFORE, hashed
from redemption.orders.asking.letters import compose
from redemption.permissions import may_cancel
from redemption.saga import waiting
from redemption.saga.steps import RedemptionError, locked, must, note

logger = logging.getLogger(__name__)

LEASE = 60.0  # seconds; longer than EMAIL_TIMEOUT
PAUSE = timedelta(minutes=5)  # between two letters to the same address
LONGEST_EMAIL = 254  # characters, as the columns have them
MOST_LETTERS = 10  # to one person about one order
# Another letter with another link; the links before it stop working.
_ANEW: dict[str, Any] = {
    "token_hash": None,
    "reminder_hash": None,
    "secret": None,
    "sent_at": None,
    "reminded_at": None,
    "attempts": 0,
    "problem": "",
}


# --- Letters ----------------------------------------------------------------------------------


def send_letter(ask_id: uuid.UUID) -> bool:
    """Send the letter that is due, or its reminder. Returns False when none is due.

    If a process dies between sending and recording, the same letter is sent again with the same
    Message-ID, which lets mail programs drop the copy.
    """
    lease = RecipientAsk.objects.lease(ask_id, seconds=LEASE)
    if lease is None:
        return False
    ask = _prepared(ask_id, lease)
    if ask is None:
        RecipientAsk.objects.release(ask_id, lease, retry_in=None, secret=None)
        return True
    problem = mail.sent(compose(ask))
    sent("letter to a recipient", problem)
    if problem:
        logger.warning("letter of ask %s could not be sent: %s", ask_id, problem)
        retry = mail.next_try_in(ask.attempts)
        RecipientAsk.objects.release(ask_id, lease, retry_in=retry, problem=problem)
        return True
    with transaction.atomic():
        locked(ask.order_id)  # an order is locked first, and its page shows the letter
        RecipientAsk.objects.release(ask_id, lease, **_once_sent(ask))
    return True


@transaction.atomic
def _prepared(ask_id: uuid.UUID, lease: uuid.UUID) -> RecipientAsk | None:
    """The ask with the token of the letter that is due; None when nobody need answer any more, or
    when the letter before is the one that counts.
    """
    locked(RecipientAsk.objects.values_list("order_id").get(pk=ask_id)[0])
    rows = RecipientAsk.objects.filter(pk=ask_id, lease_token=lease)
    ask = rows.select_related("order__company", "order__account_manager__user").first()
    until = ask.lines().aggregate(until=Min("waits_until"))["until"] if ask else None
    if ask is None or until is None or until <= timezone.now():
        return None
    ask.until = until
    if ask.secret is None:
        ask.secret = secrets.token_urlsafe(32)
        if ask.sent_at is None:
            ask.token_hash, ask.letters = hashed(ask.secret), ask.letters + 1
        else:
            ask.reminder_hash = hashed(ask.secret)
    ask.save(update_fields=["secret", "token_hash", "reminder_hash", "letters", "until"])
    return ask


def _once_sent(ask: RecipientAsk) -> dict[str, Any]:
    """What is written once a letter was sent: when its reminder is due, if it gets one."""
    done = {"secret": None, "problem": "", "attempts": 0}
    if ask.sent_at is not None or ask.until is None:
        return {**done, "reminded_at": Now(), "retry_in": None}
    left = (ask.until - REMINDED_BEFORE - timezone.now()).total_seconds()
    return {**done, "sent_at": Now(), "retry_in": left if left > 0 else None}


# --- The recipient ----------------------------------------------------------------------------


@transaction.atomic
def answer(*, token: str, said: Mapping[str, str]) -> RedemptionOrder:
    """Take the answer of whoever has the link: `said` has their name and, for a parcel, phone and
    address. All lines that wait for them go on. Returns the order.

    Raises RedemptionError, with a sentence for them, when nothing waits for it (any more) or
    something is missing.
    """
    key = RecipientAsk.objects.of_token(token).values_list("order_id", flat=True).first()
    order = locked(key) if key else None
    ask = RecipientAsk.objects.of_token(token).first()  # as it is now, with its order locked
    if order is None or ask is None:
        raise RedemptionError(_("This link is replaced by a newer one."))
    items = list(ask.lines().select_related("product"))
    if not (items and order.company.is_active):
        raise RedemptionError(_("Nobody waits for this answer any more."))
    for item in items:
        recipient = recipient_of(item.product, {**said, "recipient_email": ask.email})
        waiting.answer(item=item, recipient=recipient, by=SYSTEM)
    rows = RecipientAsk.objects.filter(pk=ask.pk)
    rows.update(answered_at=Now(), secret=None, **ENDED)
    return order


# --- The company ------------------------------------------------------------------------------


@transaction.atomic
def send_anew(*, item: OrderItem, email: str, by: Actor) -> str:
    """Send another link to the person who is asked about this line, to the same or a corrected
    e-mail address; the links before stop working at once. Returns a sentence about it.

    Raises RedemptionError when the actor may not, when nobody is asked any more, for an address
    that is none, and when it is too often.
    """
    order = locked(item.order_id)
    must(may_cancel(by, order))
    ask = ask_of(item)
    if ask is None or ask.until is None:
        raise RedemptionError(_("Nobody is asked about this at the moment."))
    try:
        email = EmailField(max_length=LONGEST_EMAIL).clean(email.strip())
    except ValidationError as error:
        raise RedemptionError(" ".join(error.messages)) from error
    corrected = email != ask.email
    _must_not_be_too_often(ask, corrected=corrected)
    if corrected:
        ask.lines().update(recipient_email=email)
    told = kept(lambda: _("Had a new link sent to the recipient."))
    if corrected:
        told = kept(lambda: _("Corrected the e-mail address of the recipient who is asked."))
    try:
        with transaction.atomic():
            rows = RecipientAsk.objects.filter(pk=ask.pk)
            rows.update(email=email, **ENDED | _ANEW | {"next_attempt_at": Now()})
    except IntegrityError as error:
        told = _("%(name)s is asked at this address already, about another line of this order.")
        raise RedemptionError(told % {"name": ask.name}) from error
    note(order, told, by=by)
    return _("A new link goes to %(email)s. The one before does not work any more.") % {
        "email": email
    }


def _must_not_be_too_often(ask: RecipientAsk, *, corrected: bool) -> None:
    if ask.letters >= MOST_LETTERS:
        told = _("%(most)s links were sent to this person. Give the address yourself, or cancel.")
        raise RedemptionError(told % {"most": MOST_LETTERS})
    if corrected:
        return
    if ask.sent_at is None:
        raise RedemptionError(_("The letter with the link is on its way already."))
    if ask.sent_at > timezone.now() - PAUSE:
        raise RedemptionError(
            _("The link was sent less than five minutes ago. Give it time to arrive.")
        )


@transaction.atomic
def give(*, item: OrderItem, recipient: Mapping[str, str], by: Actor) -> None:
    """Write down where a line goes that waits for its recipient, in their place. The company then
    sees the whole address, for it gave it.

    Raises RedemptionError when the actor may not, the details are not complete, or the line waits
    for no answer any more.
    """
    order = locked(item.order_id)
    must(may_cancel(by, order))
    ask = ask_of(item)
    waiting.answer(item=item, recipient=recipient_of(item.product, recipient), by=by)
    if ask and not ask.lines().exists():
        RecipientAsk.objects.filter(pk=ask.pk).update(secret=None, **ENDED)


def ask_of(item: OrderItem) -> RecipientAsk | None:
    """Whom this line waits for, as it is in the database now; None when it waits for nobody."""
    held = OrderItem.objects.get(pk=item.pk)
    who = {"name": held.recipient_name, "email": held.recipient_email}
    found = RecipientAsk.objects.filter(order=held.order_id, **who).first()
    return found if found and found.lines().filter(pk=held.pk).exists() else None
