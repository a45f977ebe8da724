"""What one run finds: its figures, its days, and a row for each difference."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from redemption.models import Difference, ReconciledDay, Reconciliation
from redemption.models.points import HORIZON_SHARE
from redemption.points.reconciliation.matching import SAME, UNANSWERED, Verdict
from redemption.points.reconciliation.selectors import open_differences
from redemption.states import DifferenceKind, TransactionStatus

PIECE = 500  # differences held in memory
_FIGURES = ("entries", "matched", "waiting", "points_taken", "points_given_back")


class Tally:
    """Takes verdicts one by one. `gone()` afterwards: what was open before and agrees now."""

    def __init__(self, run: Reconciliation, now: datetime) -> None:
        self.run = run
        # After that nobody asks the partner any more; what it has an entry for is then a person's.
        self._deadline = now - timedelta(seconds=settings.LOYALTY_API_KEY_RETENTION * HORIZON_SHARE)
        self._open = {each.key: each for each in open_differences(run.company)}
        self._watched = {each.transaction_id for each in self._open.values()} - {None}
        self._seen: set[UUID | None] = set()
        self._found: list[Difference] = []
        self._days: dict[date, ReconciledDay] = defaultdict(self._new_day)

    def take(self, verdict: Verdict) -> None:
        if verdict.verdict != DifferenceKind.MISSING_THERE:
            self._seen |= self._watched & {verdict.transaction_id}
        kind = self._kind(verdict)
        inside = self.run.since <= verdict.at < self.run.until
        # A transaction that was settled in this time may have an entry from before it.
        if not inside and not (kind and verdict.expected):
            return
        if inside:
            self._count(verdict, kind)
        if kind:
            self.run.difference_count += 1
            self._found.append(self._difference(verdict, kind))
            if len(self._found) >= PIECE:
                self.flush()

    def flush(self) -> None:
        """Write down what is held in memory."""
        Difference.objects.bulk_create(self._found)
        self._found = []

    def days(self) -> list[ReconciledDay]:
        """One for each day of the run, those on which nothing moved too."""
        day, last = self.run.since.astimezone(UTC).date(), self.run.until.astimezone(UTC)
        while datetime.combine(day, datetime.min.time(), tzinfo=UTC) < last:
            self._days[day].day = day
            day += timedelta(days=1)
        return list(self._days.values())

    def gone(self) -> list[str]:
        """The keys of open differences that this run would have found, and did not."""
        again = set(self.run.differences.filter(key__in=self._open).values_list("key", flat=True))
        return [
            key for key, each in self._open.items() if key not in again and self._looked_at(each)
        ]

    def _looked_at(self, before: Difference) -> bool:
        if before.kind == DifferenceKind.MISSING_THERE:
            return before.transaction_id in self._seen
        return self.run.since <= before.at < self.run.until

    def _new_day(self) -> ReconciledDay:
        return ReconciledDay(run=self.run, company=self.run.company)

    def _kind(self, verdict: Verdict) -> str:
        """The difference that this is; nothing when it is none, or not yet."""
        if verdict.is_difference:
            return verdict.verdict
        undecided = verdict.status == TransactionStatus.NEEDS_REVIEW
        late = undecided or verdict.at < self._deadline
        return DifferenceKind.MISSING_HERE if verdict.verdict == UNANSWERED and late else ""

    def _count(self, verdict: Verdict, kind: str) -> None:
        day = self._days[verdict.at.astimezone(UTC).date()]
        day.differences += bool(kind)
        if not verdict.entry:
            return
        points = verdict.points_there or 0
        for figures in (self.run, day):
            figures.entries += 1
            figures.matched += verdict.verdict == SAME
            figures.waiting += verdict.verdict == UNANSWERED and not kind
            if verdict.kind == "debit":
                figures.points_taken += points
            else:
                figures.points_given_back += points

    def _difference(self, verdict: Verdict, kind: str) -> Difference:
        subject = verdict.entry or verdict.key
        return Difference(
            run=self.run,
            kind=kind,
            key=f"reconciliation:{kind.lower()}:{subject}",
            at=verdict.at,
            what=_sentence(verdict, kind)[:255],
            entry=verdict.entry,
            points_there=verdict.points_there,
            points_here=verdict.points_here,
            order_id=verdict.order_id,
            transaction_id=verdict.transaction_id,
        )


def _sentence(verdict: Verdict, kind: str) -> str:
    told = {
        "order": verdict.reference[:40],
        "entry": verdict.entry or verdict.theirs,
        "kind": _("debit") if verdict.kind == "debit" else _("credit"),
        "there": f"{verdict.points_there or 0:,}",
        "here": f"{verdict.points_here or 0:,}",
        "account_there": verdict.account_there,
        "account_here": verdict.account_here,
        "theirs": verdict.theirs or _("of no entry"),
        "status": dict(TransactionStatus.choices).get(verdict.status, ""),
    }
    sentences = {
        DifferenceKind.MISSING_THERE: _(
            "%(order)s: the %(kind)s of %(here)s points is done here, but the partner has no "
            "entry %(entry)s."
        ),
        DifferenceKind.AMOUNT: _(
            "%(order)s: the partner's entry %(entry)s is of %(there)s points, ours of %(here)s."
        ),
        DifferenceKind.ACCOUNT: _(
            "%(order)s: the partner's entry %(entry)s is on account %(account_there)s, ours on "
            "%(account_here)s."
        ),
        DifferenceKind.DUPLICATE: _(
            "%(order)s: the partner's entry %(entry)s, a %(kind)s of %(there)s points, repeats "
            "one that it has already."
        ),
        DifferenceKind.SWAPPED: _(
            "%(order)s: the partner's entry %(entry)s, a %(kind)s of %(there)s points, is this "
            "order's, but here it has the number %(theirs)s."
        ),
        DifferenceKind.OTHER: _(
            "%(order)s: the partner's entry %(entry)s, a %(kind)s of %(there)s points, is not "
            "what we hold under this number (%(status)s)."
        ),
        DifferenceKind.MISSING_HERE: _(
            "%(order)s: the partner has an entry %(entry)s, a %(kind)s of %(there)s points, that "
            "is not done here (%(status)s)."
        )
        if verdict.transaction_id
        else _(
            "%(order)s: the partner has an entry %(entry)s, a %(kind)s of %(there)s points, of "
            "which we know nothing."
        ),
    }
    return sentences[DifferenceKind(kind)] % told
