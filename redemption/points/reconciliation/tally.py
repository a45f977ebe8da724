"""Adds up what one run finds: its figures, its days, and a row for each difference."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.partners.calls import HORIZON_SHARE
from redemption.models import Difference, ReconciledDay, Reconciliation
from redemption.points.reconciliation.matching import SAME, UNANSWERED, Match
from redemption.points.reconciliation.selectors import open_differences
from redemption.states import DifferenceKind, TransactionStatus

PIECE = 500  # differences held in memory
_FIGURES = ("entries", "matched", "waiting", "points_taken", "points_given_back")


class Tally:
    """Takes matches one by one. Afterwards `gone()` has the differences that no longer exist."""

    def __init__(self, run: Reconciliation, now: datetime) -> None:
        self.run = run
        # The partner is not asked after this time, so an entry without an answer needs a person.
        self._deadline = now - timedelta(seconds=settings.LOYALTY_API_KEY_RETENTION * HORIZON_SHARE)
        self._open = {each.key: each for each in open_differences(run.company)}
        self._watched = {each.transaction_id for each in self._open.values()} - {None}
        self._seen: set[UUID | None] = set()
        self._found: list[Difference] = []
        self._days: dict[date, ReconciledDay] = defaultdict(self._new_day)

    def take(self, match: Match) -> None:
        if match.verdict != DifferenceKind.MISSING_THERE:
            self._seen |= self._watched & {match.transaction_id}
        kind = self._kind(match)
        inside = self.run.since <= match.at < self.run.until
        # A transaction that was settled in this time may have an entry from before it.
        if not inside and not (kind and match.expected):
            return
        if inside:
            self._count(match, kind)
        if kind:
            self.run.difference_count += 1
            self._found.append(self._difference(match, kind))
            if len(self._found) >= PIECE:
                self.flush()

    def flush(self) -> None:
        """Save the differences held in memory."""
        Difference.objects.bulk_create(self._found)
        self._found = []

    def days(self) -> list[ReconciledDay]:
        """A row for each day of the run, including days without entries."""
        day, last = self.run.since.astimezone(UTC).date(), self.run.until.astimezone(UTC)
        while datetime.combine(day, datetime.min.time(), tzinfo=UTC) < last:
            self._days[day].day = day
            day += timedelta(days=1)
        return list(self._days.values())

    def gone(self) -> list[str]:
        """The keys of earlier open differences that this run covered and did not find again."""
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

    def _kind(self, match: Match) -> str:
        """The kind of difference, or "" when there is none or it may still resolve itself."""
        if match.is_difference:
            return match.verdict
        undecided = match.status == TransactionStatus.NEEDS_REVIEW
        late = undecided or match.at < self._deadline
        return DifferenceKind.MISSING_HERE if match.verdict == UNANSWERED and late else ""

    def _count(self, match: Match, kind: str) -> None:
        day = self._days[match.at.astimezone(UTC).date()]
        day.differences += bool(kind)
        if not match.entry:
            return
        points = match.points_there or 0
        for figures in (self.run, day):
            figures.entries += 1
            figures.matched += match.verdict == SAME
            figures.waiting += match.verdict == UNANSWERED and not kind
            if match.kind == "debit":
                figures.points_taken += points
            else:
                figures.points_given_back += points

    def _difference(self, match: Match, kind: str) -> Difference:
        subject = match.entry or match.key
        return Difference(
            run=self.run,
            kind=kind,
            key=f"reconciliation:{kind.lower()}:{subject}",
            at=match.at,
            what=_sentence(match, kind)[:255],
            entry=match.entry,
            points_there=match.points_there,
            points_here=match.points_here,
            order_id=match.order_id,
            transaction_id=match.transaction_id,
        )


def _facts(match: Match) -> dict[str, object]:
    return {
        "order": match.reference[:40],
        "entry": match.entry or match.theirs,
        "kind": _("debit") if match.kind == "debit" else _("credit"),
        "there": grouped(match.points_there or 0),
        "here": grouped(match.points_here or 0),
        "account_there": match.account_there,
        "account_here": match.account_here,
        "theirs": match.theirs or _("of no entry"),
        "debit_there": match.debit_there,
        "debit_here": match.debit_here,
        "status": dict(TransactionStatus.choices).get(match.status, ""),
    }


def _sentence(match: Match, kind: str) -> str:
    sentences = {
        DifferenceKind.MISSING_THERE: _(
            "%(order)s: the %(kind)s of %(here)s points succeeded here, but the partner has no "
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
        DifferenceKind.WRONG_DEBIT: _(
            "%(order)s: the partner booked the entry %(entry)s, a credit of %(there)s points, on "
            "the debit %(debit_there)s; this order's is %(debit_here)s."
        ),
        DifferenceKind.OTHER: _(
            "%(order)s: the partner's entry %(entry)s, a %(kind)s of %(there)s points, is not "
            "what we hold under this number (%(status)s)."
        ),
        DifferenceKind.MISSING_HERE: _(
            "%(order)s: the partner has an entry %(entry)s, a %(kind)s of %(there)s points, that "
            "did not succeed here (%(status)s)."
        )
        if match.transaction_id
        else _(
            "%(order)s: the partner has an entry %(entry)s, a %(kind)s of %(there)s points, which"
            " we do not know."
        ),
    }
    return sentences[DifferenceKind(kind)] % _facts(match)
