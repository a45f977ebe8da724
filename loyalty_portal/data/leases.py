"""A work queue in a table.

A row becomes due at `next_attempt_at`, a worker claims it with a lease, and a result is saved
only while that lease is held. Only PostgreSQL's clock counts (saga.md, rule 17), so every
comparison of times is made in SQL.
"""

import random
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from loyalty_portal.fastpath.updates import update

# Tries that raise, in a row, before a row is put aside: about five minutes of waiting longer each
# time, so that a mistake that is mended at once puts nothing aside.
MOST_RAISED = 6

REJECTED_WAIT = 60.0  # seconds at most between two tries while a partner rejects our credentials

# Of a row with which nothing is to be done any more, whoever had a lease on it.
ENDED: dict[str, Any] = {
    "lease_token": None,
    "lease_until": None,
    "raised": 0,
    "next_attempt_at": None,
}

DUE = Q(Q(lease_until__isnull=True) | Q(lease_until__lte=Now()), next_attempt_at__lte=Now())

Row_co = TypeVar("Row_co", bound="LeasedWork", covariant=True)


def backoff(attempts: int, *, base: float = 2.0, cap: float = 900.0) -> float:
    """Seconds to wait after `attempts` failed tries: exponential with full jitter."""
    ceiling = min(cap, base * 2.0 ** min(attempts, 30))
    return random.uniform(base / 2, max(ceiling, base))  # noqa: S311 - jitter, not a secret


class LeasedQuerySet(models.QuerySet[Row_co]):
    """Finding and claiming due rows."""

    def due(self) -> Self:
        return self.filter(DUE)

    def due_ids(self, limit: int) -> list[uuid.UUID]:
        """The most overdue, leaving out rows that somebody is recording at this moment."""
        rows = (
            self.due().order_by("next_attempt_at").select_for_update(skip_locked=True, of=("self",))
        )
        with transaction.atomic(using=self.db):  # a lock, even a skipped one, needs one
            return list(rows.values_list("pk", flat=True)[:limit])

    def lease(self, pk: object, *, seconds: float) -> uuid.UUID | None:
        """Claim one due row for `seconds`; the lease's token, or None when it is not to be had."""
        token = uuid.uuid4()
        until = Now() + timedelta(seconds=seconds)
        lease = {"lease_token": token, "lease_until": until, "attempts": F("attempts") + 1}
        return token if update(self.model, {"pk": pk}, lease, also=DUE) else None

    def release(
        self, pk: object, token: uuid.UUID, *, retry_in: float | None, **changes: Any
    ) -> bool:
        """End the lease; next try in `retry_in` seconds (None: nothing more to do).

        False, and nothing written, when the lease is no longer ours.
        """
        held = {"pk": pk, "lease_token": token}
        ended = {**ENDED, **changes}
        if retry_in is None:
            return bool(update(self.model, held, ended))
        ended["next_attempt_at"] = Now() + timedelta(seconds=retry_in)
        return bool(self.filter(**held).update(**ended))

    def set_back(self, pk: object) -> bool:
        """A try at this row raised: it waits, longer each time, and is put aside in the end.

        True when this put it aside. Leases are left alone: whoever works at it may yet succeed.
        """
        with transaction.atomic(using=self.db):
            rows = self.filter(pk=pk, next_attempt_at__isnull=False)
            held = rows.select_for_update(no_key=True).values_list("raised", flat=True).first()
            if held is None:
                return False
            raised = held + 1
            wait = timedelta(seconds=backoff(raised, base=10.0))
            when = None if raised >= MOST_RAISED else Now() + wait
            rows.update(raised=raised, next_attempt_at=when)
        return when is None

    def put_aside(self) -> Self:
        """Rows that raised too often, and that nothing will try until a person says so."""
        return self.filter(raised__gte=MOST_RAISED, next_attempt_at__isnull=True)

    def try_once_more(self) -> int:
        """Put what was put aside back to work, for one try; how many rows there were."""
        return self.put_aside().update(raised=MOST_RAISED - 1, next_attempt_at=Now())


class LeasedWork(models.Model):
    """`next_attempt_at` NULL means that nothing is due any more."""

    attempts = models.PositiveIntegerField(default=0)
    raised = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text=_("Tries in a row that ended in an exception of ours."),
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    def leased(self, *, seconds: float) -> dict[str, Any]:
        """What changes about this row when it is claimed for `seconds`."""
        until = Now() + timedelta(seconds=seconds)
        return {"lease_token": uuid.uuid4(), "lease_until": until, "attempts": self.attempts + 1}

    def if_due(self, **changes: Any) -> int:
        """Write `changes` if it is due and nobody has claimed it since it was read, unlocked."""
        as_read = {"pk": self.pk, "attempts": self.attempts}
        return update(type(self), as_read, changes, also=DUE)

    def if_ours(self, *, retry_in: float | None) -> Callable[..., bool]:
        """What writes changes and ends the lease, if that is still ours (as `release` does)."""
        rows: Any = type(self)._default_manager  # noqa: SLF001 - it is documented
        return partial(rows.release, self.pk, self.lease_token, retry_in=retry_in)


def due_index(name: str) -> models.Index:
    """The index that the sweeper's question uses; as small as the work that is open."""
    return models.Index("next_attempt_at", name=name, condition=Q(next_attempt_at__isnull=False))
