"""The points statement of a company: a page of it, and the whole of it for a file."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.layout import Header
from accounts.models import AccountManager
from loyalty_portal.data.numbers import grouped
from loyalty_portal.data.times import exact
from redemption.analytics.drawing import ShownTable, shown_table
from redemption.analytics.spans import part_told
from redemption.analytics.tables import CellKind, ReportColumn, ReportRow, ReportTable
from redemption.books import asked as asking
from redemption.books import movements
from redemption.books.asked import StatementAsked, StatementForm
from redemption.books.movements import RowPlace, StatementRow, Sums
from redemption.layout.spending import Spending
from redemption.models import TransactionType
from redemption.orders.selectors import FilterOption

PAGE_SIZE = 50
FORMS = ("csv", "xlsx", "pdf")
_T = TransactionType


class Total(NamedTuple):
    """A line under the statement: what moved of one kind."""

    label: str
    number: int
    points: int


@dataclass(frozen=True, slots=True)
class Balances:
    """The account's balance before and after the statement's time; None where it is not told."""

    opening: int | None = None
    closing: int | None = None


@dataclass(frozen=True, slots=True)
class StatementPage:
    """The one object of the page's templates."""

    spending: Spending
    form: StatementForm
    asked: StatementAsked
    times: list[FilterOption]
    members: list[FilterOption]
    kinds: list[FilterOption]
    entries: list[StatementRow]
    totals: list[Total]
    balances: Balances
    chart: ShownTable
    files: list[str]  # the forms in which it can be taken along
    notes: list[str]  # what the balances stand on
    is_first: bool
    older: str  # the place after which the next page begins; "" on the last page

    @property
    def header(self) -> Header:
        return self.spending.header

    @property
    def number(self) -> int:
        """How many movements there are on all pages."""
        return sum(total.number for total in self.totals)

    @property
    def change(self) -> int:
        return sum(total.points for total in self.totals)


def statement_page(
    seat: AccountManager, spending: Spending, form: StatementForm, after: str
) -> StatementPage:
    """One page of the statement that the form asks for, the newest movement first."""
    form.full_clean()
    asked = form.asked()
    place = _place(after)
    rows = movements.movements(seat.company_id, asked)
    found = movements.newest(rows, place, PAGE_SIZE + 1)
    sums = movements.sums(rows)
    balances = balances_of(seat.company_id, spending, asked, sums)
    balance = balances.closing
    if balance is not None and place and found:
        # What is newer than this page moved after its first movement.
        balance -= movements.net_until(rows, place)
    shown = found[:PAGE_SIZE]
    older = _written(movements.place_of(shown[-1])) if len(found) > PAGE_SIZE else ""
    return StatementPage(
        spending=spending,
        form=form,
        asked=asked,
        times=_choices(asked.time, asking.times(), asked),
        members=_choices(str(asked.member or ""), _members(seat)),
        kinds=_choices(asked.kind, asking.KINDS.items()),
        entries=_with_balances(movements.told(shown), balance),
        totals=totals_of(sums),
        balances=balances,
        chart=_chart(rows, asked, balances),
        files=list(FORMS),
        notes=notes_of(spending, asked),
        is_first=place is None,
        older=older,
    )


def balances_of(
    company: UUID, spending: Spending, asked: StatementAsked, sums: dict[str, Sums]
) -> Balances:
    """Count back from the balance that the loyalty system told. Part of the movements has none."""
    if spending.account is None or not asked.is_whole:
        return Balances()
    closing = spending.account - movements.net_from(company, asked.span.end)
    return Balances(closing - sum(each.points for each in sums.values()), closing)


def notes_of(spending: Spending, asked: StatementAsked) -> list[str]:
    """What a reader must know of the balances."""
    if not asked.is_whole:
        return [_("Balances are told for the whole statement, not for one person or kind.")]
    known = spending.header.known
    if known is None:
        return [_("The loyalty system has not told us the balance yet, so none is told here.")]
    told = _(
        "Balances are counted back from the %(points)s points that the loyalty system told us at "
        "%(at)s."
    )
    facts = {"points": grouped(known.points), "at": exact(known.fetched_at)}
    ours = _(
        "The statement has what this portal took and gave back. What the loyalty system books by "
        "itself, such as points that are earned or expire, is not in it."
    )
    return [told % facts, ours]


def totals_of(sums: dict[str, Sums]) -> list[Total]:
    return [Total(str(_T(kind).label), *sums[kind]) for kind in _T.values if kind in sums]


def entries_of(company: UUID, asked: StatementAsked, opening: int | None) -> Iterator[StatementRow]:
    """The whole statement, the oldest movement first."""
    balance = opening
    for piece in movements.oldest(movements.movements(company, asked)):
        for entry in movements.told(piece):
            if balance is not None:
                balance += entry.points
            yield replace(entry, balance=balance)


def _with_balances(entries: list[StatementRow], newest: int | None) -> list[StatementRow]:
    """The entries with the balance after each. `newest` is that after the first of them."""
    balance, found = newest, []
    for entry in entries:
        found.append(replace(entry, balance=balance))
        if balance is not None:
            balance -= entry.points
    return found


def _chart(rows: movements.Rows, asked: StatementAsked, balances: Balances) -> ShownTable:
    span = asked.span
    grain = span.grain()
    parts = movements.by_part(rows, grain=grain, zone=span.zone)
    balance, lines = balances.opening, []
    for day in span.parts(grain):
        moved = parts.get(day, Counter())
        taken = -moved[_T.DEBIT] - moved[_T.CORRECTION]
        values = [part_told(day, grain), taken, moved[_T.CREDIT]]
        if balance is not None:
            balance += sum(moved.values())
            values.append(balance)
        lines.append(ReportRow(values))
    columns = [
        ReportColumn(_("Time"), CellKind.TEXT),
        ReportColumn(_("Taken"), CellKind.POINTS),
        ReportColumn(_("Given back"), CellKind.POINTS),
    ]
    if balance is not None:
        columns.append(ReportColumn(_("Balance at its end"), CellKind.POINTS))
    table = ReportTable("points", _("Points over time"), columns, lines, is_timeline=True)
    return shown_table(replace(table, drawn=len(columns) - 1 if balance is not None else 1), {})


def _choices(
    value: str, on_offer: Iterable[tuple[str, Any]], asked: StatementAsked | None = None
) -> list[FilterOption]:
    found = [FilterOption(key, str(label), key == value) for key, label in on_offer]
    if asked and not any(option.chosen for option in found):
        found.insert(0, FilterOption(asked.time, asked.label, True))
    return found


def _members(seat: AccountManager) -> list[tuple[str, object]]:
    """All members of the company, those who left too: their movements are in the statement."""
    seats = AccountManager.objects.filter(company=seat.company_id).select_related("user")
    return [(str(each.pk), each.user) for each in seats.order_by("user__name", "user__email")]


def _written(place: RowPlace) -> str:
    return f"{place.at.isoformat()}_{place.key.hex}"


def _place(written: str) -> RowPlace | None:
    """The place that an address names; None, which is the first page, for anything else."""
    at, _line, key = written.partition("_")
    try:
        moment: datetime | None = parse_datetime(at)
        return RowPlace(moment, UUID(key)) if moment and moment.tzinfo else None
    except ValueError:
        return None
