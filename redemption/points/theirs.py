"""Copies entries that the loyalty system made on its own (earned, expired, adjusted).

They are for display only: never reconciled, never used in decisions. Entries are read oldest first,
so an interrupted run continues where it stopped; each entry is stored once.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from accounts import loyalty
from accounts.loyalty import StatementEntry
from accounts.models import Company, LedgerRead, PartnersBooking
from loyalty_portal.partners.client import PartnerRefusedError, PartnerUnavailableError

logger = logging.getLogger(__name__)

PIECE = 1_000  # entries held in memory
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
# The statement is read again from this much earlier, because entries may be added a little late.
READ_BACK = timedelta(days=1)
A_LOOK = 200  # entries that a request reads at most
REST = timedelta(minutes=1)  # in which no page asks again
PATIENCE = 4.0  # seconds for each page then


def is_due(company: Company) -> bool:
    """Whether a page should ask for what is new: the statement was not asked for lately."""
    if not settings.LOYALTY_API_STATEMENT:
        return False
    read = LedgerRead.objects.filter(company=company)
    lately = Now() - REST
    return not read.filter(Q(read_at__gt=lately) | Q(failed_at__gt=lately)).exists()


def read_theirs(*, company: Company) -> bool:
    """Read all that is new in the company's statement. Returns whether there was anything, or it
    is the first reading; never raises for the partner.
    """
    return _read(company, READ_BACK, None, None)


def look_at_theirs(*, company: Company) -> bool:
    """The same for a page that waits: only the next entries, and not for long."""
    return _read(company, timedelta(), A_LOOK, PATIENCE)


def _read(company: Company, back: timedelta, most: int | None, patience: float | None) -> bool:
    if not settings.LOYALTY_API_STATEMENT:
        return False
    row, _made = LedgerRead.objects.get_or_create(company=company)
    since = row.read_until - back if row.read_until else BEGINNING
    told = loyalty.whole_statement(company.loyalty_account_id, since, patience=patience)
    found = 0
    try:
        for piece in _pieces(islice(told, most)):
            found += _keep(company, row, piece)
    except (PartnerRefusedError, PartnerUnavailableError) as error:
        logger.warning("no statement for company %s: %s", company.pk, error)
        LedgerRead.objects.filter(pk=row.pk).update(failed_at=Now())
        return found > 0
    LedgerRead.objects.filter(pk=row.pk).update(read_at=Now(), failed_at=None)
    return found > 0 or row.read_at is None


def _pieces(entries: Iterator[StatementEntry]) -> Iterator[list[StatementEntry]]:
    while piece := list(islice(entries, PIECE)):
        yield piece


def _keep(company: Company, row: LedgerRead, piece: list[StatementEntry]) -> int:
    """Keep those of these entries that are not ours, and how far was read. Returns how many are
    new.
    """
    mine = PartnersBooking.objects.filter(company=company)
    known = set(
        mine.filter(number__in=[entry.transaction_id for entry in piece]).values_list(
            "number", flat=True
        )
    )
    theirs = [
        _entry(company, entry)
        for entry in piece
        if entry.is_theirs and entry.transaction_id not in known
    ]
    PartnersBooking.objects.bulk_create(theirs, ignore_conflicts=True)
    newest = max(entry.created_at for entry in piece)
    row.read_until = max(newest, row.read_until or newest)
    row.tells_kinds = row.tells_kinds or any(entry.purpose for entry in piece)
    row.save(update_fields=["read_until", "tells_kinds"])
    return len(theirs)


def _entry(company: Company, entry: StatementEntry) -> PartnersBooking:
    return PartnersBooking(
        company=company,
        number=entry.transaction_id,
        kind=entry.purpose,
        points=entry.points if entry.kind == "credit" else -entry.points,
        description=entry.description,
        at=entry.created_at,
    )
