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
from accounts.models import AccountManager, PartnersKind
from loyalty_portal.data.tables.drawing import ShownTable, shown_table
from loyalty_portal.data.tables.options import FilterOption
from loyalty_portal.data.tables.spans import part_told
from loyalty_portal.data.tables.tables import CellKind, ReportColumn, ReportRow, ReportTable
from redemption.models import TransactionType
from redemption.points.header.spending import Spending
from redemption.points.statement import asked as asking
from redemption.points.statement import movements
from redemption.points.statement.asked import StatementAsked, StatementForm
from redemption.points.statement.movements import MovementSource, RowPlace, StatementRow, Sums
from redemption.points.statement.notes import notes_of
from redemption.points.theirs import is_due

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
    asks_theirs: bool  # whether the page asks what the loyalty system booked by itself
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
    sources = movements.movements(seat.company_id, asked, spending.as_of)
    found = movements.newest(sources, place, PAGE_SIZE + 1)
    sums = movements.sums(sources)
    balances = balances_of(seat.company_id, spending, asked, sums)
    balance = balances.closing
    if balance is not None and place:
        # What the pages before have moved after this page's first movement.
        balance -= movements.net_until(sources, place)
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
        chart=_chart(sources, asked, balances, sums),
        files=list(FORMS),
        notes=notes_of(seat.company, spending, asked),
        asks_theirs=is_due(seat.company),
        is_first=place is None,
        older=older,
    )


def balances_of(
    company: UUID, spending: Spending, asked: StatementAsked, sums: dict[str, Sums]
) -> Balances:
    """Count back from the balance that the loyalty system told. Part of the movements has none."""
    if spending.account is None or not asked.is_whole:
        return Balances()
    closing = spending.account - movements.net_from(company, asked.span.end, spending.as_of)
    return Balances(closing - sum(each.points for each in sums.values()), closing)


def totals_of(sums: dict[str, Sums]) -> list[Total]:
    """The sums by kind: ours, and then those of the loyalty system."""
    return [Total(str(label), *sums[kind]) for kind, label in asking.KINDS.items() if kind in sums]


def entries_of(sources: list[MovementSource], opening: int | None) -> Iterator[StatementRow]:
    """The whole statement, the oldest movement first."""
    balance = opening
    for piece in movements.oldest(sources):
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


def _chart(
    sources: list[MovementSource], asked: StatementAsked, balances: Balances, sums: dict[str, Sums]
) -> ShownTable:
    """The movements over time, drawn as balances where these are told."""
    span = asked.span
    grain = span.grain()
    parts = movements.by_part(sources, grain=grain, zone=span.zone)
    theirs = [kind for kind in PartnersKind.values if kind in sums]
    columns: list[tuple[str, list[str], int]] = [
        (_("Taken"), [_T.DEBIT, _T.CORRECTION], -1),
        (_("Given back"), [_T.CREDIT], 1),
    ]
    columns += [(_("By the loyalty system"), theirs, 1)] if theirs else []
    balance, lines = balances.opening, []
    for day in span.parts(grain):
        moved = parts.get(day, Counter())
        values = [sign * sum(moved[kind] for kind in kinds) for _title, kinds, sign in columns]
        if balance is not None:
            balance += sum(moved.values())
            values.append(balance)
        lines.append(ReportRow([part_told(day, grain), *values]))
    titles = [title for title, _kinds, _sign in columns]
    if balance is not None:
        titles.append(_("Balance at its end"))
    shown = [ReportColumn(_("Time"), CellKind.TEXT)]
    shown += [ReportColumn(title, CellKind.POINTS) for title in titles]
    drawn = len(shown) - 1 if balance is not None else 1
    table = ReportTable("points", _("Points over time"), shown, lines, drawn, is_timeline=True)
    return shown_table(table, {})


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
