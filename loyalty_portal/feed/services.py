"""The publisher: gives committed changes their places in the feed, and tells its readers.

Ids and times are given out before a commit, so a row with a lower one may appear later, and a
reader that remembers the highest would miss it. Here a place is given after the commit, by one
publisher at a time, which keeps the lock until its own commit. So places become visible in their
order (docs/decisions/0057-one-feed-of-changes.md).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from loyalty_portal.data.leases import is_alone
from loyalty_portal.feed.models import FeedItem, Outbox

BATCH = 500  # rows of the outbox in one transaction
KEPT = timedelta(days=30)  # for which a change can be read
_LOCK = 0x66656564  # any number that no other advisory lock of ours has


@dataclass(frozen=True, slots=True)
class Happening:
    """One change that a source tells about a row of the outbox."""

    type: str
    occurred_at: datetime
    data: dict[str, Any]


# What a source is: it gets rows of the outbox, and tells what happened by the row's id.
Source = Callable[[Sequence[Outbox]], dict[int, list[Happening]]]


def note(*, source: str, key: UUID, company: UUID) -> None:
    """Note a change in the caller's transaction, where no trigger does."""
    Outbox.objects.create(source=source, key=key, company=company)


def publish() -> int:
    """Publish the committed changes, oldest first. Returns how many rows of the outbox it took; 0
    while another publishes.

    The functions of settings.FEED_READERS get the new changes in the same transaction.
    """
    if not Outbox.objects.exists():
        return 0
    with transaction.atomic():
        if not is_alone(_LOCK):
            return 0
        rows = list(Outbox.objects.order_by("id")[:BATCH])
        changes = FeedItem.objects.bulk_create(_changes(rows))
        for reader in settings.FEED_READERS:
            import_string(reader)(changes)
        Outbox.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def publish_all() -> int:
    """Publish until nothing is left. Returns how many rows of the outbox it took."""
    done = 0
    while taken := publish():
        done += taken
    return done


def forget_changes(*, batch: int = 5_000) -> int:
    """Delete changes that were published more than 30 days ago, and what refers to them."""
    old = FeedItem.objects.filter(published_at__lt=Now() - KEPT).order_by("published_at")
    keys = list(old.values_list("pk", flat=True)[:batch])
    if keys:
        FeedItem.objects.filter(pk__in=keys).delete()
    return len(keys)


def _changes(rows: Iterable[Outbox]) -> list[FeedItem]:
    by_source: dict[str, list[Outbox]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    told: dict[int, list[Happening]] = {}
    for source, those in by_source.items():
        tell: Source = import_string(settings.FEED_SOURCES[source])
        told |= tell(those)
    return [
        FeedItem(
            company=row.company,
            type=happening.type,
            occurred_at=happening.occurred_at,
            data=happening.data,
        )
        for row in rows
        for happening in told.get(row.pk, [])
    ]
