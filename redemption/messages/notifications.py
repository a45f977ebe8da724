"""Letters: composes an e-mail from a row, in HTML and text, and sends it once."""

import logging
import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.readers import Reader, reader_of
from loyalty_portal import mail
from loyalty_portal.configuration import brand
from loyalty_portal.data.some import some_of
from loyalty_portal.fastpath.sql import Prepared
from loyalty_portal.metrics.figures import ORDER_SECONDS, sent, took
from redemption.badges import LineCounts, end_told, order_look, refusal_told
from redemption.messages import digests
from redemption.messages.digest_text import digest_text
from redemption.models import Letter, LetterKind, OrderItem, RedemptionOrder

logger = logging.getLogger(__name__)

LEASE = 60.0  # seconds; longer than EMAIL_TIMEOUT

_KEY = uuid.uuid4()  # a placeholder for an id
_read = Prepared(
    lambda key: Letter.objects.select_related(
        "order__company", "order__account_manager__user", "item"
    ).filter(pk=key),
    _KEY,
)
_items = Prepared(lambda key: OrderItem.objects.filter(order=key), _KEY)


def send_letter(letter_id: uuid.UUID) -> bool:
    """Send one due letter. Returns False when it is not due or another process sends it.

    If a process dies between sending and recording, the letter is sent again with the same
    Message-ID, which lets mail programs drop the copy. A digest may turn out to wait, or to
    have nothing to tell. A letter whose order stayed locked after it was sent is due again, only
    to move the order's pulse.
    """
    token = Letter.objects.lease(letter_id, seconds=LEASE)
    if token is None:
        return False
    [letter] = _read(letter_id)
    if letter.sent_at:
        _record(letter, token, retry_in=None)
        return True
    if letter.is_gathering:
        if not digests.close(letter_id, token):
            return True
        [letter] = _read(letter_id)
    problem = mail.sent(compose(letter))
    sent("letter", problem)
    if problem:
        logger.warning("letter %s could not be sent: %s", letter_id, problem)
        _record(letter, token, retry_in=mail.next_try_in(letter.attempts), problem=problem)
        return True
    _went_out(letter, token)
    if letter.kind != LetterKind.DIGEST:  # which waits on purpose
        seconds = (timezone.now() - letter.created_at).total_seconds()
        took(ORDER_SECONDS, seconds, "letter")
    _record(letter, token, retry_in=None)
    return True


def _went_out(letter: Letter, token: uuid.UUID) -> None:
    """Record that the letter was sent, without waiting for its order's lock."""
    rows = Letter.objects.filter(pk=letter.pk, lease_token=token)
    rows.update(sent_at=timezone.now(), problem="")


@transaction.atomic
def _record(letter: Letter, token: uuid.UUID, *, retry_in: float | None, **changes: Any) -> None:
    """End the work on the letter for now, and move the pulse of its order, whose page shows it."""
    RedemptionOrder.objects.filter(pk=letter.order_id).beat()  # an order is locked first
    Letter.objects.release(letter.pk, token, retry_in=retry_in, **changes)


def compose(letter: Letter) -> EmailMultiAlternatives:
    """The e-mail in its reader's language and time zone."""
    with _reader(letter).reading():
        return _composed(letter)


def _reader(letter: Letter) -> Reader:
    """Who reads the letter: a person by the address, otherwise the order's company."""
    person: User | None = letter.order.account_manager.user
    if person and person.email.lower() != letter.to.lower():
        person = User.objects.filter(email__iexact=letter.to).first()
    return reader_of(person, letter.order.company)


def _composed(letter: Letter) -> EmailMultiAlternatives:
    """The e-mail, from templates/redemption/email/<kind>.{subject,text,html}."""
    items = _items(letter.order_id)
    transactions = list(letter.order.transactions.all())
    facts = {
        "letter": letter,
        "order": letter.order,
        "look": order_look(letter.order, items, transactions)._asdict(),
        "why": refusal_told(str(letter.facts.get("reason", "")).partition(" ")[0]),
        "ended": end_told(LineCounts.of(items)),
        "item": letter.item,
        "parts": (parts := _parts(letter, items)),
        "products": some_of(item.product_name for item, _units in parts),
        "items": items,
        "facts": letter.facts,
        "brand": brand.current(),
        "order_url": f"{settings.PORTAL_URL}{letter.order.get_absolute_url()}",
        "portal_url": settings.PORTAL_URL,
    }
    if letter.kind == LetterKind.DIGEST:
        facts["digest"] = digest_text(letter, items, transactions)
    template, name = f"redemption/email/{letter.kind}", f"letter-{letter.pk}"
    return mail.written(template, facts, to=letter.to, name=name)


def _parts(letter: Letter, items: Sequence[OrderItem]) -> list[tuple[OrderItem, int]]:
    """The lines that the letter is about, each with its units. More than one are in one parcel."""
    units = letter.facts.get("units", {})
    together = [(item, units[str(item.pk)]) for item in items if str(item.pk) in units]
    return together or [(letter.item, letter.facts.get("quantity", 0))] if letter.item else []
