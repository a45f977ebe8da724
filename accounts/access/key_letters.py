"""Letters to the owners of a company about its API keys: what was done, and what expires soon."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import ApiKey, PersonLetterKind, User
from accounts.seats import letters
from accounts.seats.services import owners_held
from loyalty_portal.data.actor import SYSTEM, Actor

TOLD_DAYS = (30, 7, 1)  # days before a key expires, when its owners are told
MOST_AT_ONCE = 500  # keys that are told of in one run; the next run goes on


class KeyChange(StrEnum):
    """What a letter tells about a key, as its facts name it."""

    MADE = "made"
    ROTATED = "rotated"
    REVOKED = "revoked"
    EXPIRES = "expires"


def tell_owners(
    key: ApiKey, change: KeyChange, *, by: Actor, owners: Iterable[User], reason: str = ""
) -> None:
    """Write a letter to each owner, and to the address that was given with the key. The caller has
    locked the company.
    """
    facts = {
        "change": change.value,
        "name": key.name,
        "shown": key.shown,
        "expires": key.expires_at.isoformat(),
        "by": str(by.user_id or ""),
        "reason": reason,
    }
    to = {person.email for person in owners} | ({key.notify_email} - {""})
    kind = PersonLetterKind.KEY_NEWS
    letters.write_news(kind, company_id=key.seat.company_id, to=to, facts=facts)


def days_told_at_once(expires_at: datetime) -> int | None:
    """The expiry reminder to skip for a key made with less time left than the reminder's threshold.

    In days; None: skip none. Whoever makes a key for ten days knows that it ends within thirty.
    """
    days = ceil((expires_at - timezone.now()) / timedelta(days=1))
    return min((each for each in TOLD_DAYS if each >= days), default=None)


def tell_expiring() -> set[UUID]:
    """Write the letters about keys that expire within 30, 7 and 1 days and have no successor, once
    for each of these. Returns the ids of the companies that get letters.
    """
    told: set[UUID] = set()
    for days in sorted(TOLD_DAYS):
        untold = Q(told_days=None) | Q(told_days__gt=days)
        ends = timezone.now() + timedelta(days=days)
        due = ApiKey.objects.live().filter(untold, expires_at__lte=ends, successor=None)
        for key_id, company_id in due.values_list("pk", F("seat__company"))[:MOST_AT_ONCE]:
            told.add(company_id)
            _tell_of_end(key_id, company_id, days)
    return told


@transaction.atomic
def _tell_of_end(key_id: UUID, company_id: UUID, days: int) -> None:
    """Write the letters about one key, unless another process has done so meanwhile."""
    owners = owners_held(company_id)
    untold = Q(told_days=None) | Q(told_days__gt=days)
    if not ApiKey.objects.live().filter(untold, pk=key_id).update(told_days=days):
        return
    key = ApiKey.objects.select_related("seat").get(pk=key_id)
    tell_owners(key, KeyChange.EXPIRES, by=SYSTEM, owners=owners)
