"""A work queue in a table.

A row becomes due at `next_attempt_at`, a worker claims it with a lease, and a result is saved
only while that lease is held. Only PostgreSQL's clock counts (saga.md, rule 17), so every
comparison of times is made in SQL.
"""

import random
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

from django.db import connection, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from loyalty_portal.configuration.observability.origin import (
    LONGEST,
    TRACEPARENT_LENGTH,
    Origin,
    request_id_now,
)
from loyalty_portal.configuration.observability.traces import traceparent_now
from loyalty_portal.fastpath.sql import insert
from loyalty_portal.fastpath.updates import update

# The number of tries in a row that may raise before a row is put aside. They take about five
# minutes, so an error that is fixed at once puts nothing aside.
MOST_RAISED = 6

REJECTED_WAIT = 60.0  # the longest wait, in seconds, while a partner rejects our credentials

# The columns of a row without further work, whoever holds its lease.
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
    """Finds and claims due rows."""

    def due(self) -> Self:
        return self.filter(DUE)

    def due_ids(self, limit: int) -> list[uuid.UUID]:
        """The ids of the most overdue rows, without rows that are locked at this moment."""
        rows = (
            self.due().order_by("next_attempt_at").select_for_update(skip_locked=True, of=("self",))
        )
        with transaction.atomic(using=self.db):  # SKIP LOCKED needs a transaction
            return list(rows.values_list("pk", flat=True)[:limit])

    def lease(self, pk: object, *, seconds: float) -> uuid.UUID | None:
        """Claim one due row for `seconds`. Returns the lease's token, or None if it cannot be
        claimed.
        """
        token = uuid.uuid4()
        until = Now() + timedelta(seconds=seconds)
        lease = {"lease_token": token, "lease_until": until, "attempts": F("attempts") + 1}
        return token if update(self.model, {"pk": pk}, lease, also=DUE) else None

    def release(
        self,
        pk: object,
        token: uuid.UUID,
        *,
        retry_in: float | None,
        along: Sequence[models.Model] = (),
        **changes: Any,
    ) -> bool:
        """End the lease; the row is due again in `retry_in` seconds (None: no more work). `along`:
        new rows to insert with it.

        Returns False, and writes nothing, when the lease is no longer held.
        """
        held = {"pk": pk, "lease_token": token}
        ended = {**ENDED, **changes}
        if retry_in is None:
            return bool(update(self.model, held, ended, along=along))
        ended["next_attempt_at"] = Now() + timedelta(seconds=retry_in)
        with transaction.atomic(using=self.db, savepoint=False):
            written = bool(self.filter(**held).update(**ended))
            if written:
                insert(along)
        return written

    def origin_of(self, pk: object) -> Origin:
        """The request whose work this row continues."""
        found = self.filter(pk=pk).values_list("request_id", "traceparent").first() or ("", "")
        return Origin(*(each or "" for each in found))

    def set_back(self, pk: object) -> bool:
        """Record that a try raised. The row waits longer each time, and is put aside in the end.

        Returns whether this put it aside. Leases are not touched, because their holder may still
        succeed.
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
        """The rows that raised too often. Nothing tries them until a person says so."""
        return self.filter(raised__gte=MOST_RAISED, next_attempt_at__isnull=True)

    def try_once_more(self) -> int:
        """Make rows that were put aside due for one more try. Returns how many."""
        return self.put_aside().update(raised=MOST_RAISED - 1, next_attempt_at=Now())


class LeasedWork(models.Model):
    """A row of a work queue. It is due at `next_attempt_at`; NULL means that no work is left."""

    attempts = models.PositiveIntegerField(default=0)
    raised = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text=_("Consecutive tries that raised an exception."),
    )
    next_attempt_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    request_id = models.CharField(
        max_length=LONGEST, null=True, blank=True, editable=False, default=request_id_now
    )
    traceparent = models.CharField(
        max_length=TRACEPARENT_LENGTH,
        null=True,
        blank=True,
        editable=False,
        default=traceparent_now,
    )

    # A row in which one of these differs has changed since it was read.
    as_read: ClassVar[tuple[str, ...]] = ("pk", "attempts")

    class Meta:
        abstract = True

    def leased(self, *, seconds: float) -> dict[str, Any]:
        """The changes that claim this row for `seconds`."""
        until = Now() + timedelta(seconds=seconds)
        return {"lease_token": uuid.uuid4(), "lease_until": until, "attempts": self.attempts + 1}

    def if_due(self, *, along: Sequence[models.Model] = (), **changes: Any) -> int:
        """Write `changes`, and insert the rows `along`, if the row is due and nobody claimed it
        or changed what its work is (`as_read`) since it was read. It is not locked.
        """
        as_read = {name: getattr(self, name) for name in self.as_read}
        return update(type(self), as_read, changes, also=DUE, along=along)

    def if_ours(self, *, retry_in: float | None) -> Callable[..., bool]:
        """Return a function that writes changes and ends the lease, if it is still held (see
        `release`).
        """
        rows: Any = type(self)._default_manager  # noqa: SLF001 - it is documented
        return partial(rows.release, self.pk, self.lease_token, retry_in=retry_in)


def due_index(name: str) -> models.Index:
    """The partial index for finding due rows. It contains only rows with open work."""
    return models.Index("next_attempt_at", name=name, condition=Q(next_attempt_at__isnull=False))


def is_alone(lock: int) -> bool:
    """Whether nobody else holds the advisory lock of this number, for work that one process does at
    a time. If so, it is held until this transaction ends.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
        return bool(cursor.fetchone()[0])
