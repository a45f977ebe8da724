"""The letter about low stock: in the morning, to the people of the warehouse, when there is news.

Once a day a row for each of them says what is to be ordered again, with a letter where that is not
what the last one said. Whether a product is listed, and why, is news; another number of pieces is
none, else there would be a letter each day.
"""

import hashlib
import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, programme_zone
from accounts.models.readers import reader_of
from catalog.models import Product
from inventory.models import StockDigest
from inventory.selectors import Short, Why, to_reorder, told_days
from loyalty_portal.configuration import brand
from loyalty_portal.data.texts import mail
from loyalty_portal.data.zones import local_day, local_moment
from loyalty_portal.metrics.figures import sent

logger = logging.getLogger(__name__)

GROUP = "warehouse"
MORNING = time(7)  # in the programme's time zone
NAMED = 50  # products that a letter names; it counts the others
LEASE = 60.0  # seconds; longer than EMAIL_TIMEOUT


def told_people() -> QuerySet[User]:
    """Who gets the letter: the staff of the warehouse's group. They may leave it, or be switched
    off, between the writing and the sending.
    """
    return User.objects.filter(is_active=True, is_staff=True, groups__name=GROUP)


@transaction.atomic
def write_digests(*, now: datetime) -> int:
    """Write the rows of the day once its morning has come. Returns how many letters there are.

    All of a day are written together, so whoever joins later is told the next morning.
    """
    zone = programme_zone()
    day = local_day(now, zone)
    if now < local_moment(day, MORNING, zone) or StockDigest.objects.filter(day=day).exists():
        return 0
    people = [each for each in told_people() if each.has_perm("inventory.view_inventory")]
    if not people:
        return 0
    short = to_reorder()
    now_listed, facts = fingerprint(short), _facts(short)
    told = _told_last(people)
    rows = []
    for person in people:
        row = StockDigest(person=person, day=day, fingerprint=now_listed)
        if short and told.get(person.pk) != now_listed:
            row.facts = facts
        else:
            row.next_attempt_at = None
        rows.append(row)
    StockDigest.objects.bulk_create(rows, ignore_conflicts=True)
    return sum(bool(row.facts) for row in rows)


def fingerprint(short: Iterable[Short]) -> str:
    """What is listed and why, as a hash; "" for nothing."""
    listed = sorted(f"{each.product_id}:{each.why.name}" for each in short)
    return hashlib.sha256("\n".join(listed).encode()).hexdigest() if listed else ""


def _told_last(people: Sequence[User]) -> dict[uuid.UUID, str]:
    """What each person was told last, as a fingerprint. An unsent letter told nothing."""
    rows = StockDigest.objects.filter(person__in=people).order_by("person_id", "-day")
    return {
        row.person_id: row.fingerprint
        for row in rows.distinct("person_id")
        if row.sent_at or not row.facts
    }


def _facts(short: Sequence[Short]) -> dict[str, Any]:
    """What the letter tells, with the numbers of this moment."""
    named = short[:NAMED]
    products = Product.objects.in_bulk([each.product_id for each in named])
    counts = Counter(each.why.name for each in short)
    return {
        "counts": {why.name: counts[why.name] for why in Why},
        "lines": [
            {
                "sku": products[each.product_id].sku,
                "name": products[each.product_id].name,
                "why": each.why.name,
                "available": each.available,
                "days": each.days,
            }
            for each in named
            if each.product_id in products
        ],
    }


# --- The sending ---------------------------------------------------------------------------------


def send_digest(digest_id: uuid.UUID) -> bool:
    """Send one due letter. Returns False when it is not due or another process sends it.

    A letter of another day is not sent any more: the next one says the same. If a process dies
    between sending and recording, it is sent again with the same Message-ID.
    """
    token = StockDigest.objects.lease(digest_id, seconds=LEASE)
    if token is None:
        return False
    digest = StockDigest.objects.select_related("person").get(pk=digest_id)
    if not _is_wanted(digest, local_day(timezone.now(), programme_zone())):
        StockDigest.objects.release(digest_id, token, retry_in=None, problem="Not needed")
        return True
    problem = mail.sent(compose(digest))
    sent("letter about low stock", problem)
    if problem:
        logger.warning("low-stock letter %s could not be sent: %s", digest_id, problem)
        retry = mail.next_try_in(digest.attempts)
        StockDigest.objects.release(digest_id, token, retry_in=retry, problem=problem)
        return True
    StockDigest.objects.release(digest_id, token, retry_in=None, sent_at=timezone.now(), problem="")
    return True


def _is_wanted(digest: StockDigest, today: date) -> bool:
    still = told_people().filter(pk=digest.person_id).first()
    return digest.day == today and still is not None and still.has_perm("inventory.view_inventory")


def compose(digest: StockDigest) -> EmailMultiAlternatives:
    """The e-mail in its reader's language."""
    with reader_of(digest.person).reading():
        return _composed(digest)


def _composed(digest: StockDigest) -> EmailMultiAlternatives:
    """The e-mail, from templates/inventory/email/low_stock.{subject.txt,txt,html}."""
    counts, lines = digest.facts["counts"], digest.facts["lines"]
    listed = sum(counts.values())
    facts = {
        "brand": brand.current(),
        "listed": listed,
        "counts": counts,
        "lines": [
            {**each, "runs_out": "" if each["days"] is None else told_days(each["days"])}
            for each in lines
        ],
        "others": listed - len(lines),
        "day": digest.day,
        "portal_url": f"{settings.PORTAL_URL}{reverse('admin:inventory_inventory_changelist')}",
    }
    name = f"stock-digest-{digest.pk}"
    return mail.written("inventory/email/low_stock", facts, to=digest.person.email, name=name)
