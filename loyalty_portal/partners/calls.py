"""A call to a partner as a row: intended, sent and recorded in the same way for every partner.

Loyalty transactions and calls to the Fulfillment API are such rows. Each model declares what
differs: the settings with the partner's promises, and how long its rows wait between tries.
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

# An unknown call is repeated for this share of the time for which the partner keeps keys.
HORIZON_SHARE = 0.8
LEASE_MARGIN = 5.0  # seconds beyond a call's deadline
SENT = "SENT"  # this module sets only these statuses; each life cycle must have them
REVIEW = "NEEDS_REVIEW"

Write = Callable[..., object]  # writes changes under another condition; see transition()
Row_co = TypeVar("Row_co", bound="KeyedCall", covariant=True)
Row = TypeVar("Row", bound="KeyedCall")


def call_lease() -> float:
    """How many seconds a worker claims a row for while it calls a partner."""
    return float(settings.PARTNER_DEADLINE + LEASE_MARGIN)


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """A partner's promises about keys, as names of settings.

    `retention`: seconds for which it remembers a key. `honoured`: whether it uses keys at all; ""
    when it must.
    """

    retention: str
    honoured: str = ""

    def horizon(self) -> timedelta:
        """How long after the first try the call may be repeated; zero when it never may."""
        if self.honoured and not getattr(settings, self.honoured):
            return timedelta()
        return timedelta(seconds=getattr(settings, self.retention) * HORIZON_SHARE)


class KeyedCallQuerySet(LeasedQuerySet[Row_co]):
    """Query methods for calls with a key."""

    def repeatable(self) -> Self:
        """The calls whose key the partner still knows, by PostgreSQL's clock (saga.md,
        rules 7, 8).
        """
        return self.filter(first_sent_at__gt=Now() - self.model.key_terms.horizon())


class KeyedCall(HasLifeCycle, LeasedWork):
    """A call to a partner. It is repeated with the same bytes and key until its outcome is
    known.
    """

    first_sent_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=gettext_lazy("When the first try was sent that may have reached the partner."),
    )
    answer_status = models.PositiveIntegerField(gettext_lazy("HTTP status"), null=True, blank=True)
    answer_code = models.CharField(gettext_lazy("answer"), max_length=100, blank=True)
    answer_detail = models.CharField(max_length=255, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    # Its bytes are another operation's once it has another key.
    as_read = (*LeasedWork.as_read, "key")
    key_terms: ClassVar[KeyTerms]

    class Meta:
        abstract = True

    @property
    def longest_wait(self) -> float:
        """The longest wait between two tries, in seconds."""
        return 900.0

    def may_be_sent(self) -> bool:
        """Whether a try is safe: it is the first, or the partner still knows the key."""
        rows: Any = type(self)._default_manager  # noqa: SLF001 - it is documented
        return self.first_sent_at is None or rows.filter(pk=self.pk).repeatable().exists()

    def find_lost(self, *, write: Write | None = None) -> None:
        """Mark a due row that was sent as UNKNOWN, because the process that called is gone."""
        if self._is(SENT):
            lost = _("The process that asked was lost.")
            self.transition(str(Outcome.UNKNOWN), write=write, reason=lost)

    def claim(self) -> dict[str, Any]:
        """The changes when a worker claims the row.

        They are committed before the call, because the try may have landed even if the process
        dies.
        """
        changes = self.leased(seconds=call_lease())
        if self.first_sent_at is None:
            changes["first_sent_at"] = Now()
        return changes

    def send(self, *, write: Write | None = None) -> None:
        """Claim the row for a try. Raises StaleStatusError when another worker has claimed it."""
        self.transition(SENT, write=write, **self.claim())

    def wait(self, answer: Answer) -> float:
        """Seconds until the next try. They are few while the partner rejects our credentials, so
        that work continues soon after these are corrected.
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
        """Put the call into review, so that two people find out its outcome; it is not repeated."""
        self.transition(REVIEW, reason=why, write=write, **ENDED)

    def _is(self, status: str) -> bool:
        return bool(getattr(self, self.status_field) == status)


@dataclass(frozen=True, slots=True)
class Claim(Generic[Row]):
    """A row that this worker has claimed. `first_try`: no earlier try can have landed."""

    call: Row
    first_try: bool

    def again(self) -> Self:
        """A copy for one try of the database transaction, so that a rolled back try changes only
        its copy.
        """
        return replace(self, call=copy(self.call))
