"""Adds up the movements of each product, so that a check of all stock reads only new ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from inventory.models import MovementSum, SummedUntil

# All movements are read again after so long, in case an old one was changed past the triggers.
READ_ALL = timedelta(days=1)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# A movement carries the time at which it was written, and is committed later: never before its
# transaction began. What is older than this is committed; the minutes are for clocks that differ.
_SETTLED = """
    SELECT least(now() - interval '1 hour', min(xact_start) - interval '10 minutes')
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_ADD = """
    INSERT INTO inventory_movementsum AS s (product_id, received, adjusted, consumed, moved)
    SELECT product_id,
        coalesce(sum(available_change) FILTER (WHERE kind = 'RECEIVED'), 0),
        coalesce(sum(available_change) FILTER (WHERE kind = 'ADJUSTED'), 0),
        coalesce(-sum(reserved_change) FILTER (WHERE kind = 'CONSUMED'), 0),
        sum(available_change)
    FROM inventory_stockmovement WHERE created_at >= %s AND created_at < %s GROUP BY product_id
    ON CONFLICT (product_id) DO UPDATE SET
        received = s.received + excluded.received, adjusted = s.adjusted + excluded.adjusted,
        consumed = s.consumed + excluded.consumed, moved = s.moved + excluded.moved
"""


@transaction.atomic
def add_up_movements() -> datetime:
    """Add the movements that are settled and not in the sums yet. Returns the moment from which on
    movements are in no sum.
    """
    SummedUntil.objects.bulk_create(
        [SummedUntil(moment=NEVER, read_all_at=NEVER)], ignore_conflicts=True
    )
    mark = SummedUntil.objects.select_for_update().get()
    now = timezone.now()
    if now - mark.read_all_at > READ_ALL:
        MovementSum.objects.all().delete()
        mark.moment, mark.read_all_at = NEVER, now
    until = max(mark.moment, _settled())
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [mark.moment, until])
    mark.moment = until
    mark.save()
    return until


def _settled() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED)
        found: Any = cursor.fetchone()[0]
    settled: datetime = found
    return settled
