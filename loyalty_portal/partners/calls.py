"""A call to a partner as a row: intended, sent, and recorded in the same way for every partner.

Loyalty transactions and calls to the Fulfillment API are such rows. Each model says in data what
differs: which settings hold the partner's promises, and how long its rows wait between tries.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, Generic, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty_portal.data.leases import (
    ENDED,
    REJECTED_WAIT,
    LeasedQuerySet,
    LeasedWork,
    backoff,
)
from loyalty_portal.data.lifecycle import HasLifeCycle, StaleStatusError
from loyalty_portal.partners.answers import Answer, Outcome

# Of the time for which a partner keeps keys: an unknown call is repeated no longer than this.
HORIZON_SHARE = 0.8
LEASE_MARGIN = 5.0  # seconds beyond a call's deadline
SENT = "SENT"  # the statuses that this module sets; each life cycle has them
REVIEW = "NEEDS_REVIEW"

Write = Callable[..., object]  # writes changes on a condition of its own, as transition() says
Row_co = TypeVar("Row_co", bound="KeyedCall", covariant=True)
Row = TypeVar("Row", bound="KeyedCall")


def call_lease() -> float:
    """Seconds for which a worker claims a row while it calls a partner."""
    return float(settings.PARTNER_DEADLINE + LEASE_MARGIN)


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a partner promises about keys, as names of settings.

    `retention`: seconds for which it remembers a key. `honoured`: whether it looks at keys at all;
    "" when it must.
    """

    retention: str
    honoured: str = ""

    def horizon(self) -> timedelta:
        """The time after the first try in which the call may be repeated; zero when it may never
        be.
        """
        if self.honoured and not getattr(settings, self.honoured):
            return timedelta()
        return timedelta(seconds=getattr(settings, self.retention) * HORIZON_SHARE)


class KeyedCallQuerySet(LeasedQuerySet[Row_co]):
    """Questions about calls under a key."""

    def repeatable(self) -> Self:
        """Those whose key the partner still knows, by PostgreSQL's clock (saga.md, rules 7, 8)."""
        return self.filter(first_sent_at__gt=Now() - self.model.key_terms.horizon())


class KeyedCall(HasLifeCycle, LeasedWork):
    """A call to a partner that is repeated with the same bytes under one key until its outcome is
    known.
    """

    first_sent_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=gettext_lazy("The first try that may have reached the partner."),
    )
    answer_status = models.PositiveIntegerField(gettext_lazy("HTTP status"), null=True, blank=True)
    answer_code = models.CharField(gettext_lazy("answer"), max_length=100, blank=True)
    answer_detail = models.CharField(max_length=255, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    key_terms: ClassVar[KeyTerms]

    class Meta:
        abstract = True

    @property
    def longest_wait(self) -> float:
        """Seconds at most between two tries."""
        return 900.0

    def may_be_sent(self) -> bool:
        """Whether a try is safe: the first one, or one for which the partner still knows the
        key.
        """
        rows: Any = type(self)._default_manager  # noqa: SLF001 - it is documented
        return self.first_sent_at is None or rows.filter(pk=self.pk).repeatable().exists()

    def find_lost(self, *, write: Write | None = None) -> None:
        """The row is due and was sent: the process that called is gone, so the outcome is
        unknown.
        """
        if self._is(SENT):
            lost = _("The process that asked was lost.")
            self.transition(str(Outcome.UNKNOWN), write=write, reason=lost)

    def claim(self) -> dict[str, Any]:
        """What changes when a worker claims the row. It is committed before the socket opens: if
        the process dies, the try may have landed.
        """
        changes = self.leased(seconds=call_lease())
        if self.first_sent_at is None:
            changes["first_sent_at"] = Now()
        return changes

    def send(self, *, write: Write | None = None) -> None:
        """Claim the row for a try. Raises StaleStatusError when somebody else has claimed it."""
        self.transition(SENT, write=write, **self.claim())

    def wait(self, answer: Answer) -> float:
        """Seconds until the next try. Short while the partner rejects our credentials, so that
        everything goes on soon after they are mended.
        """
        longest = REJECTED_WAIT if answer.rejects_us else self.longest_wait
        return max(answer.retry_after or 0.0, backoff(self.attempts, cap=longest))

    def record(
        self,
        answer: Answer,
        *,
        first_try: bool,
        outcome: str | None = None,
        retry_in: float | None = None,
        **changes: Any,
    ) -> bool:
        """Record the answer and end the lease. Returns False when another worker holds the lease
        by now; it gets the same answer to the same key.

        `outcome`: how the row takes the answer, the answer's own if it is None. `retry_in`: seconds
        until the next try of an unknown outcome, `wait()` if it is None.
        """
        to = outcome or answer.outcome
        if to != Outcome.UNKNOWN:
            changes["settled_at"] = Now()
        elif retry_in is None:
            retry_in = self.wait(answer)
        if first_try and not answer.may_have_landed:
            changes["first_sent_at"] = None
        try:
            self.transition(
                str(to),
                reason=answer.told,
                write=self.if_ours(retry_in=retry_in),
                answer_status=answer.status_code,
                answer_code=answer.code[:100],
                answer_detail=answer.detail[:255],
                **changes,
            )
        except StaleStatusError:
            return False
        return True

    def review(self, why: str, *, write: Write | None = None) -> None:
        """Nothing more is asked: two people find out what became of it."""
        self.transition(REVIEW, reason=why, write=write, **ENDED)

    def _is(self, status: str) -> bool:
        return bool(getattr(self, self.status_field) == status)


@dataclass(frozen=True, slots=True)
class Claim(Generic[Row]):
    """A row that this worker has claimed. `first_try`: nothing of it can have landed before."""

    call: Row
    first_try: bool

    def again(self) -> Self:
        """A copy for one try of the database transaction; a try that was rolled back leaves its
        changes behind in its own copy only.
        """
        return replace(self, call=copy(self.call))
