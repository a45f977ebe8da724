"""Checks the invariants (docs/saga.md) in our database and against the partner's ledger."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from accounts.loyalty import StatementEntry
from accounts.models import Company
from loyalty_portal.data.leases import MOST_RAISED
from loyalty_portal.data.lifecycle import LifeCycle
from redemption.invariants.ledger_rules import LEDGER_SUMS
from redemption.invariants.rules import MARKED, RULES
from redemption.invariants.stock_rules import STOCK, STOCK_OF_ONE, STOCK_SUMMED
from redemption.models import EventSubject
from redemption.points.reconciliation.matching import GIVEN, UNANSWERED, Match, compare
from redemption.states import (
    COUNT_FROM_WAITS,
    DEADLINES,
    LINE,
    ORDER,
    SETTLED_LINE,
    TRANSACTION,
    DifferenceKind,
    OrderStatus,
    TransactionStatus,
)

# The time that the sweeper may need to mark an order after its deadline.
GRACE = timedelta(minutes=10)
# The points were taken, and each line was passed on or waits.
_AT_WORK = [OrderStatus.CONFIRMED, OrderStatus.IN_FULFILLMENT, OrderStatus.COMPLETED]


class Invariant(TextChoices):
    """The invariants. D: points taken, C: given back, K: taken again by corrections, P: total
    points.
    """

    TOTAL = "TOTAL", _("An order costs what its lines cost, and its debit is for just that.")
    WITHIN = (
        "WITHIN",
        _(
            "0 ≤ C − K ≤ D ≤ P, for the credits still to come as well; of one taking no more is "
            "given back than was taken; of a line no more is taken again or written off than was "
            "given back for it."
        ),
    )
    FOUNDED = (
        "FOUNDED",
        _(
            "A credit names the succeeded debit of its own order, or a succeeded correction of "
            "its line; a correction names what two people decided about its line."
        ),
    )
    NOTHING_TAKEN = "NOTHING_TAKEN", _("What was not approved, or was declined, took no points.")
    TAKEN = "TAKEN", _("A confirmed order has taken all its points.")
    DEBIT_OPEN = "DEBIT_OPEN", _("An order that takes points has a debit whose end is open.")
    OWED = (
        "OWED",
        _(
            "Credits, less corrections, are for just the units that are not supplied or were "
            "credited all the same; each names whole units of its line."
        ),
    )
    GIVEN_BACK = "GIVEN_BACK", _("A cancelled order has given back all it took.")
    CREDITED = "CREDITED", _("A completed order has given back what it owes.")
    ENDED = "ENDED", _("An ended order has no open line, and a completed one delivered something.")
    STUCK = "STUCK", _("An order whose lines are all settled ends.")
    UNITS = (
        "UNITS",
        _(
            "Each unit of a settled line is delivered or was not supplied. What came back was "
            "delivered; a line is returned once all of it came back."
        ),
    )
    DECIDED = (
        "DECIDED",
        _(
            "Units that were supplied are credited as decided: each return once, not by whoever "
            "recorded it; beyond the limit by two people."
        ),
    )
    ROUTED = (
        "ROUTED",
        _("Each confirmed line has its fulfillment or waits, and each fulfillment has its line."),
    )
    WAITED = (
        "WAITED",
        _(
            "A line that waits is looked at when its time comes; one that waited was passed on no "
            "sooner than its date, or its recipient's answer."
        ),
    )
    AGREED = "AGREED", _("A line and its fulfillment say the same.")
    CODES = (
        "CODES",
        _(
            "A delivered virtual line has exactly its codes, or none where two people found that "
            "the partner delivered it; any other has none."
        ),
    )
    CODE_ONCE = "CODE_ONCE", _("No code belongs to two units.")
    PARCELS = "PARCELS", _("What was shipped and delivered is in parcels.")
    HELD = "HELD", _("A line holds the stock that it still needs, and nothing once it is settled.")
    MOVED = "MOVED", _("available + reserved = received − consumed ± adjusted.")
    RESERVED = "RESERVED", _("What is reserved is what order lines hold.")
    NOT_NEGATIVE = "NOT_NEGATIVE", _("No stock is below zero.")
    UNCOUNTED = (
        "UNCOUNTED",
        _("Of what is not counted none is available in the books; pieces come in when reserved."),
    )
    SHOWN = "SHOWN", _("The catalogue shows in stock, low and out as the stock is.")
    REPLAYED = "REPLAYED", _("The events replay to the status.")
    STEPPED = "STEPPED", _("Each event is a step that the life cycle has.")
    FINAL = "FINAL", _("No event leaves a final status; a line's end changes by decision alone.")
    DUE = "DUE", _("What is open will be tried, or was put aside; what is done will not.")
    MARKED = "MARKED", _("Nothing is open after its deadline without being marked.")
    ENTRY_KNOWN = "ENTRY_KNOWN", _("Each entry of the partner's ledger is one transaction of ours.")
    ENTRY_SAME = (
        "ENTRY_SAME",
        _("Account, points, kind and the debit of a credit are the same at the partner."),
    )
    ENTRY_THERE = "ENTRY_THERE", _("Each succeeded transaction is one entry at the partner.")


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken invariant. `subject` is an order number, a SKU or a call's key.

    `figures` has details for developers.
    """

    invariant: Invariant
    subject: str
    figures: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.invariant.label} ({self.figures})"


def check_invariants(*, at_rest: bool = False, unswept: timedelta = timedelta()) -> list[Violation]:
    """Check all invariants in our own database; [] when all hold. Orders may move meanwhile.

    `at_rest`: nothing is in progress, so completed orders must have got back all they are owed.
    `unswept`: for how long no sweeper could mark what is past its deadline.
    """
    subjects, befores, afters = zip(*_steps(), strict=True)
    facts = {
        **_deadlines(unswept),
        "at_rest": at_rest,
        "at_work": _AT_WORK,
        "subjects": list(subjects),
        "befores": list(befores),
        "afters": list(afters),
        "most_raised": MOST_RAISED,
    }
    return [violation for rule in RULES for violation in _ask(rule, facts)]


def check_stock() -> list[Violation]:
    """Check only that each product's stock agrees with its movements and reservations."""
    return list(_ask(STOCK, {}))


def check_stock_since(since: datetime) -> list[Violation]:
    """The same from the sums of movements, and the movements since then."""
    return list(_ask(STOCK_SUMMED, {"since": since}))


def check_stock_of(product_id: UUID) -> list[Violation]:
    """The same for one product, at once."""
    return list(_ask(STOCK_OF_ONE, {"product": product_id}))


def check_deadlines() -> list[Violation]:
    """Check only for orders past their deadline without a mark, which means that no sweeper
    runs.
    """
    return list(_ask(MARKED, _deadlines()))


def _deadlines(unswept: timedelta = timedelta()) -> dict[str, Any]:
    statuses = [(status, group[0], age) for group, age in DEADLINES for status in group]
    return {
        "statuses": [status for status, _since, _age in statuses],
        "sinces": [since for _status, since, _age in statuses],
        "ages": [age for _status, _since, age in statuses],
        "grace": GRACE + unswept,
        "settled": sorted(SETTLED_LINE),
        "from_waits": sorted(COUNT_FROM_WAITS),
    }


_FROM_A_DIFFERENCE = {
    DifferenceKind.MISSING_THERE: Invariant.ENTRY_THERE,
    DifferenceKind.MISSING_HERE: Invariant.ENTRY_KNOWN,
    DifferenceKind.DUPLICATE: Invariant.ENTRY_KNOWN,
    DifferenceKind.AMOUNT: Invariant.ENTRY_SAME,
    DifferenceKind.ACCOUNT: Invariant.ENTRY_SAME,
    DifferenceKind.OTHER: Invariant.ENTRY_SAME,
    DifferenceKind.SWAPPED: Invariant.ENTRY_SAME,
    DifferenceKind.WRONG_DEBIT: Invariant.ENTRY_SAME,
}


def check_against_ledger(
    entries: Iterable[StatementEntry],
    *,
    companies: Sequence[Company] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Violation]:
    """Compare the partner's statements (accounts.loyalty.statement) with our transactions.

    `entries` must be all entries of `companies` (None: all) since `since` (None: ever), read at
    `until` (None: while nothing moved). Transactions settled after `until` may be missing in it.
    """
    held = list(entries)
    facts = {
        "ids": [entry.transaction_id for entry in held],
        "kinds": [entry.kind for entry in held],
        "accounts": [entry.account_id for entry in held],
        "points": [entry.points for entry in held],
        "references": [entry.reference for entry in held],
        "originals": [entry.original_transaction_id or "" for entry in held],
        "moments": [entry.created_at for entry in held],
        "companies": None if companies is None else [company.pk for company in companies],
        "began": since,
        "since": None,
        "until": until,
    }
    found = [_violation(match) for match in compare(GIVEN, facts) if not _holds(match)]
    return [*found, *_ask(LEDGER_SUMS, {**facts, "since": since})]


def _holds(match: Match) -> bool:
    if match.verdict == UNANSWERED:  # an entry for a call without an answer yet is no violation
        return match.status != TransactionStatus.INTENDED
    return not match.is_difference


def _violation(match: Match) -> Violation:
    if match.verdict == DifferenceKind.MISSING_THERE:
        figures = f"{match.points_here} points are {match.status} here, without an entry"
        return Violation(Invariant.ENTRY_THERE, match.key, f"{figures} {match.theirs}")
    there = f"{match.kind} {match.entry} of {match.points_there} on {match.account_there}"
    if match.verdict == UNANSWERED:
        return Violation(Invariant.ENTRY_KNOWN, match.reference, f"{there} was never sent")
    invariant = _FROM_A_DIFFERENCE[DifferenceKind(match.verdict)]
    if invariant == Invariant.ENTRY_KNOWN:
        return Violation(invariant, match.reference, f"{there}: {match.verdict}")
    here = f"{match.status} {match.points_here} on {match.account_here}"
    return Violation(invariant, match.key, f"{there}, here {here}")


def _ask(rule: str, facts: dict[str, Any]) -> Iterator[Violation]:
    with connection.cursor() as cursor:
        cursor.execute(rule, facts)
        rows = cursor.fetchall()
    for invariant, subject, figures in rows:
        yield Violation(Invariant(invariant), subject, figures)


def _steps() -> Iterator[tuple[str, str, str]]:
    """All steps of all life cycles: what moves, the old status ("" for none) and the new one."""
    cycles: dict[EventSubject, LifeCycle] = {
        EventSubject.ORDER: ORDER,
        EventSubject.LINE: LINE,
        EventSubject.TRANSACTION: TRANSACTION,
    }
    for subject, cycle in cycles.items():
        for after in cycle.initial:
            yield subject.value, "", after
        for before, following in cycle.table.items():
            for after in following:
                yield subject.value, before, after
