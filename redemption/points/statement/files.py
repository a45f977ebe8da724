"""The statement as a file: CSV and XLSX for spreadsheets, PDF for the records.

Times are absolute, with their zone. A file has its whole time, the oldest movement first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Company
from fulfillment.desk.papers import LARGE, SMALL, WIDTH, Paper
from loyalty_portal.configuration import brand
from loyalty_portal.data.tables.cells import CSV_TYPE
from loyalty_portal.data.tables.exports import XLSX_TYPE, as_csv, as_xlsx
from loyalty_portal.data.tables.tables import CellKind, ReportColumn, ReportRow, ReportTable
from loyalty_portal.data.texts.numbers import grouped, signed
from loyalty_portal.data.texts.times import exact
from redemption.points.statement.asked import StatementAsked
from redemption.points.statement.movements import StatementRow, written_time
from redemption.points.statement.page import Balances, Total

PDF_TYPE = "application/pdf"
_T, _P = CellKind.TEXT, CellKind.POINTS
_WIDTHS = (38.0, 32.0, 62.0, 22.0, 26.0)  # millimetres: when, order, what for, points, balance


@dataclass(frozen=True, slots=True)
class WholeStatement:
    """A statement with all its movements, the oldest first."""

    company: Company
    asked: StatementAsked
    balances: Balances
    totals: Sequence[Total]
    notes: Sequence[str]
    entries: Iterator[StatementRow]

    @property
    def name(self) -> str:
        """The name of its file, without the ending."""
        span = self.asked.span
        return f"points-{span.first:%Y-%m-%d}-{span.last:%Y-%m-%d}"


def _table(whole: WholeStatement) -> ReportTable:
    columns = [
        ReportColumn(_("When"), _T),
        ReportColumn(_("Kind"), _T),
        ReportColumn(_("Order"), _T),
        ReportColumn(_("Your reference"), _T),
        ReportColumn(_("What for"), _T),
        ReportColumn(_("By"), _T),
        ReportColumn(_("Transaction at the loyalty system"), _T),
        ReportColumn(_("Points"), _P),
        ReportColumn(_("Balance"), _P),
    ]
    span = whole.asked.span
    rows = [_row(entry) for entry in whole.entries]
    if whole.balances.closing is not None:
        end = min(span.end, timezone.now())
        first = _edge(written_time(span.start), _("Opening balance"), whole.balances.opening)
        last = _edge(written_time(end), _("Closing balance"), whole.balances.closing)
        rows = [first, *rows, last]
    return ReportTable("points", _("Points"), columns, rows)


def _row(entry: StatementRow) -> ReportRow:
    return ReportRow(
        [
            written_time(entry.at),
            entry.kind,
            entry.order_number,
            entry.our_reference,
            entry.what,
            entry.by,
            entry.number,
            entry.points,
            entry.balance,
        ]
    )


def _edge(at: str, label: str, balance: int | None) -> ReportRow:
    return ReportRow([at, label, "", "", "", "", "", None, balance])


def statement_csv(whole: WholeStatement) -> bytes:
    """The statement as CSV; its first and last rows are the balances."""
    return as_csv(_table(whole))


def statement_xlsx(whole: WholeStatement) -> bytes:
    """The same as a workbook."""
    return as_xlsx(_table(whole))


class BookPaper(Paper):
    """A paper whose every page names the company and its number. Its fonts show wide scripts."""

    def __init__(self, title: str, company: str) -> None:
        super().__init__()
        self.title_of_all, self.company = title, company
        self.set_title(title)
        self.alias_nb_pages()
        self.add_page()

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font_size(SMALL)
        told = self.printable(f"{self.company} · {self.title_of_all}")
        self.cell(WIDTH - 20, 5, self._cut(told, WIDTH - 22))
        self.cell(20, 5, f"{self.page_no()}/{{nb}}", align="R")


def statement_pdf(whole: WholeStatement) -> bytes:
    """The statement to be filed: balances, movements, and sums at the end."""
    title = _("Points statement, %(time)s") % {"time": whole.asked.span.told}
    paper = BookPaper(title, whole.company.name)
    paper.say(brand.current().name, size=SMALL)
    paper.say(whole.company.name, size=LARGE)
    paper.say(title)
    made = _("Made on %(at)s; times are in %(zone)s.")
    facts = {"at": exact(timezone.now()), "zone": whole.asked.span.zone}
    paper.say(made % facts, size=SMALL)
    for note in whole.notes:
        paper.say(note, size=SMALL)
    paper.ln(4)
    _headings(paper)
    _balance(paper, _("Opening balance"), whole.balances.opening)
    for entry in whole.entries:
        if paper.will_page_break(14):
            paper.add_page()
            _headings(paper)
        _movement(paper, entry)
    paper.rule()
    for total in whole.totals:
        label = f"{total.label} ({grouped(total.number)})"
        paper.row([(154, label), (26, signed(total.points))], size=SMALL, numbers=1)
    _balance(paper, _("Closing balance"), whole.balances.closing)
    return bytes(paper.output())


def _headings(paper: Paper) -> None:
    words = (_("When"), _("Order"), _("What for"), _("Points"), _("Balance"))
    paper.row(list(zip(_WIDTHS, words, strict=True)), size=SMALL, numbers=2)
    paper.rule()


def _movement(paper: Paper, entry: StatementRow) -> None:
    cells = (
        written_time(entry.at),
        entry.order_number,
        ": ".join(part for part in (entry.kind, entry.what) if part),
        signed(entry.points),
        "" if entry.balance is None else grouped(entry.balance),
    )
    paper.row(list(zip(_WIDTHS, cells, strict=True)), size=SMALL, numbers=2)
    below = " · ".join(part for part in (entry.by, entry.our_reference) if part)
    paper.row([(70, entry.number), (110, below)], size=SMALL)


def _balance(paper: Paper, label: str, points: int | None) -> None:
    if points is not None:
        paper.row([(154, label), (26, grouped(points))], numbers=1)


class FileForm(NamedTuple):
    """How a form is written, and how many movements it takes at most."""

    write: Callable[[WholeStatement], bytes]
    content_type: str
    most: int


WRITERS = {
    "csv": FileForm(statement_csv, CSV_TYPE, 20_000),
    "xlsx": FileForm(statement_xlsx, XLSX_TYPE, 20_000),
    "pdf": FileForm(statement_pdf, PDF_TYPE, 2_000),
}
