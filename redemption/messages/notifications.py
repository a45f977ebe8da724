"""Letters: composes an e-mail from a row, in HTML and text, and sends it once."""

import hashlib
import logging
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone

from accounts.models import LetterTopic, TextsTo, User
from accounts.models.readers import Reader, reader_of
from accounts.selectors import letter_goes_to
from fulfillment.models import tracking_page
from loyalty_portal.configuration import brand
from loyalty_portal.data.leases import backoff
from loyalty_portal.data.one_line import render_plain
from loyalty_portal.data.texts import mail
from loyalty_portal.data.texts.some import some_of
from loyalty_portal.fastpath.sql import Prepared
from loyalty_portal.metrics.figures import ORDER_SECONDS, sent, took
from loyalty_portal.partners.client import Outcome
from redemption.messages import digests, sms, texts
from redemption.messages.digest_text import MOST_LINES, digest_text
from redemption.models import Letter, LetterKind, OrderItem, RedemptionOrder, Sms
from redemption.models.badges import LineCounts, end_told, order_look, refusal_told

logger = logging.getLogger(__name__)

LEASE = 60.0  # seconds; longer than EMAIL_TIMEOUT
TEXTS_FOR = timedelta(hours=1)  # in which a text message is tried

# What letters are about, for those who choose which they get; letters of other kinds always go to
# whoever ordered alone.
_TOPICS: dict[str, LetterTopic] = {
    LetterKind.CONFIRMED: LetterTopic.PROGRESS,
    LetterKind.SHIPPED: LetterTopic.PROGRESS,
    LetterKind.DELIVERED: LetterTopic.PROGRESS,
    LetterKind.DIGEST: LetterTopic.PROGRESS,
    LetterKind.REFUNDED: LetterTopic.POINTS_BACK,
    LetterKind.CANCELLED: LetterTopic.POINTS_BACK,
    LetterKind.DECLINED: LetterTopic.POINTS_BACK,
    LetterKind.REJECTED: LetterTopic.POINTS_BACK,
    LetterKind.EXPIRED: LetterTopic.POINTS_BACK,
    LetterKind.APPROVED: LetterTopic.PROGRESS,
    LetterKind.APPROVAL_ASKED: LetterTopic.APPROVALS,
    LetterKind.APPROVAL_REMINDED: LetterTopic.APPROVALS,
}
_MUST_BE_READ = {
    LetterKind.CANCELLED,
    LetterKind.DECLINED,
    LetterKind.REJECTED,
    LetterKind.EXPIRED,
}

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
    goes_to = _goes_to(letter)
    if not goes_to:
        with transaction.atomic():
            _record(letter, token, retry_in=None, facts={**letter.facts, "not_wanted": True})
            texts.write(letter, _TOPICS.get(letter.kind))
        return True
    problem, facts = _sent_to(letter, goes_to)
    sent("letter", problem)
    if problem:
        logger.warning("letter %s could not be sent: %s", letter_id, problem)
        retry = mail.next_try_in(letter.attempts)
        _record(letter, token, retry_in=retry, problem=problem, facts=facts)
        return True
    _went_out(letter, token, facts)
    if letter.kind != LetterKind.DIGEST:  # which waits on purpose
        seconds = (timezone.now() - letter.created_at).total_seconds()
        took(ORDER_SECONDS, seconds, "letter")
    _record(letter, token, retry_in=None)
    return True


def _goes_to(letter: Letter) -> list[str]:
    """The addresses that the letter goes to: whoever ordered, unless they switched such letters
    off, and those who get copies. What staff have sent once more goes to one address.
    """
    topic = _TOPICS.get(letter.kind)  # none for a kind of the next version
    if topic is None or letter.again_of_id:
        return [letter.to]
    return letter_goes_to(
        company_id=letter.order.company_id, topic=topic, to=letter.to, must=_must_be_read(letter)
    )


def _must_be_read(letter: Letter) -> bool:
    """Whether nobody can switch this letter off: something will not arrive."""
    lines = letter.facts.get("lines", {}).values()
    lost = any(units[2:3] > [0] for units in lines) or letter.facts.get("back", 0) > 0
    return letter.kind in _MUST_BE_READ or lost


def _sent_to(letter: Letter, goes_to: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Send the letter to these addresses, each once. Returns what failed ("": nothing), and the
    letter's facts, which name those that have it, so that a later try leaves them out.
    """
    has_it = list(letter.facts.get("went_to", ()))
    problem = ""
    for address in goes_to:
        if (name := _copy_name(letter, address)) not in has_it and not problem:
            problem = mail.sent(compose(letter, copy_to="" if address == letter.to else address))
            has_it += [] if problem else [name]
    if len(goes_to) == 1 and goes_to[0] == letter.to:
        return problem, letter.facts
    return problem, {**letter.facts, "went_to": has_it}


def _copy_name(letter: Letter, address: str) -> str:
    """The name of the e-mail to this address: the same however often it is sent."""
    if address == letter.to:
        return f"letter-{letter.pk}"
    return f"letter-{letter.pk}-{hashlib.sha256(address.lower().encode()).hexdigest()[:12]}"


@transaction.atomic
def _went_out(letter: Letter, token: uuid.UUID, facts: dict[str, Any]) -> None:
    """Record that the letter was sent, without waiting for its order's lock."""
    rows = Letter.objects.filter(pk=letter.pk, lease_token=token)
    if rows.update(sent_at=timezone.now(), problem="", facts=facts):
        texts.write(letter, _TOPICS.get(letter.kind))


@transaction.atomic
def _record(letter: Letter, token: uuid.UUID, *, retry_in: float | None, **changes: Any) -> None:
    """End the work on the letter for now, and move the pulse of its order, whose page shows it."""
    RedemptionOrder.objects.filter(pk=letter.order_id).beat()  # an order is locked first
    Letter.objects.release(letter.pk, token, retry_in=retry_in, **changes)


def send_text(text_id: uuid.UUID) -> bool:
    """Send one due text message: the letter's subject and the order's address, to the number that
    the person has now. Returns False when it is not due or another process sends it.

    An unclear outcome is repeated with the same key for an hour; then the news is old.
    """
    token = Sms.objects.lease(text_id, seconds=settings.PARTNER_DEADLINE + LEASE)
    if token is None:
        return False
    read = Sms.objects.select_related(
        "letter__order__company", "letter__order__account_manager__user", "letter__item", "user"
    )
    text = read.get(pk=text_id)
    number = _number(text)
    if not number:
        _record_text(text, token, retry_in=None, problem=Sms.NOT_WANTED)
        return True
    answer = sms.send(to=number, text=_words(text), key=str(text_id))
    if answer.outcome is Outcome.SUCCEEDED:
        sent("text message", "")
        _record_text(text, token, retry_in=None, sent_at=timezone.now(), problem="")
        return True
    problem = answer.code or str(answer.outcome)
    sent("text message", problem)
    logger.warning("text message %s could not be sent: %s", text_id, problem)
    unclear = answer.outcome is Outcome.UNKNOWN and text.created_at > timezone.now() - TEXTS_FOR
    retry = backoff(text.attempts, base=5.0, cap=300.0) if unclear else None
    _record_text(text, token, retry_in=retry, problem=problem[:255])
    return True


@transaction.atomic
def _record_text(text: Sms, token: uuid.UUID, *, retry_in: float | None, **changes: Any) -> None:
    """End the work on the text message for now, as _record does for a letter."""
    RedemptionOrder.objects.filter(pk=text.letter.order_id).beat()
    Sms.objects.release(text.pk, token, retry_in=retry_in, **changes)


def _number(text: Sms) -> str:
    """Where the person gets text messages now; "" when nobody wants this one any more."""
    wanted = settings.SMS_URL and text.letter.order.company.text_messages and text.user.is_active
    found = TextsTo.objects.filter(user=text.user_id).values_list("number", flat=True).first()
    return found or "" if wanted else ""


def _words(text: Sms) -> str:
    letter = text.letter
    address = f"{settings.PORTAL_URL}{letter.order.get_absolute_url()}"
    told = f"{brand.current().name}: {compose(letter).subject}"
    return f"{told[: sms.LONGEST - len(address) - 1]} {address}"


def compose(letter: Letter, copy_to: str = "") -> EmailMultiAlternatives:
    """The e-mail in its reader's language and time zone. `copy_to`: who gets it as a copy."""
    with _reader(letter, copy_to or letter.to).reading():
        return _composed(letter, copy_to)


def _reader(letter: Letter, address: str) -> Reader:
    """Who reads the letter: a person by the address, otherwise the order's company."""
    person: User | None = letter.order.account_manager.user
    if person and person.email.lower() != address.lower():
        person = User.objects.filter(email__iexact=address).first()
    return reader_of(person, letter.order.company)


def _composed(letter: Letter, copy_to: str) -> EmailMultiAlternatives:
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
        "items": items[:MOST_LINES],
        "more": len(items[MOST_LINES:]),
        "facts": letter.facts,
        "tracking_page": tracking_page(
            letter.facts.get("carrier", ""), letter.facts.get("tracking", "")
        ),
        "brand": brand.current(),
        "order_url": f"{settings.PORTAL_URL}{letter.order.get_absolute_url()}",
        "portal_url": settings.PORTAL_URL,
        "is_copy": bool(copy_to),
    }
    if letter.kind == LetterKind.DIGEST:
        facts["digest"] = digest_text(letter, items, transactions)
    to = copy_to or letter.to
    made = mail.written(
        f"redemption/email/{letter.kind}", facts, to=to, name=_copy_name(letter, to)
    )
    if copy_to:
        made.body = f"{render_plain('redemption/email/_copy.txt', facts)}\n{made.body}"
    return made


def _parts(letter: Letter, items: Sequence[OrderItem]) -> list[tuple[OrderItem, int]]:
    """The lines that the letter is about, each with its units. More than one are in one parcel."""
    units = letter.facts.get("units", {})
    together = [(item, units[str(item.pk)]) for item in items if str(item.pk) in units]
    return together or [(letter.item, letter.facts.get("quantity", 0))] if letter.item else []
