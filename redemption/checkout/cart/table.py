"""The page “Who gets it?” of a product in the cart, made from texts: rows, cells, errors."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from catalog.models import Product
from loyalty_portal.data.countries import name_of, names_in
from redemption.checkout.cart.selectors import InBook, book_of
from redemption.checkout.pasted import columns_for
from redemption.checkout.rows import (
    ASKS_MAIL,
    ASKS_PARCEL,
    COLUMNS,
    LONGEST_NUMBER,
    PARCEL_ONLY,
    CellError,
    Reading,
    label_of,
    version_of,
)
from redemption.models import CartLine
from redemption.models.orders import signed

MOST_IN_SUMMARY = 10  # errors; each stands at its cell too
KINDS = {
    "quantity": "number",
    "recipient_email": "email",
    "send_on": "date",
    "asks": "checkbox",
}
TYPED = KINDS.keys() - {"asks"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A field of the form. `errors` are sentences."""

    name: str
    column: str
    label: str
    kind: str  # type of the input
    value: str
    errors: list[str]


@dataclass(frozen=True, slots=True)
class PageRow:
    """A row of the form. `sent`: its message as the recipient gets it; "" without one."""

    number: int  # in the names of its cells; it stays while the page changes
    cells: list[Cell]
    sent: str

    @property
    def is_blank(self) -> bool:
        return not any(cell.value for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Tools:
    """What is entered above the rows and is not in them yet."""

    pasted: str = ""  # a table
    message: str = ""  # this and the next two: to be written into each row
    send_on: str = ""
    asks: bool = False
    chosen: frozenset[str] = frozenset()  # keys of the address book

    @property
    def are_for_all(self) -> bool:
        return bool(self.message or self.send_on or self.asks)


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """The one object of the page's templates."""

    product: Product
    total: str
    seen: str  # the version of the saved rows that the page shows
    rows: list[PageRow]
    countries: tuple[str, ...]
    book: list[InBook]  # people of the address book who can get the product
    signature: str  # who the messages are from
    shared: int  # pieces that the rows get
    gaps: int  # cells that an order needs and that are still empty
    columns: str  # the order of the columns of a pasted table without names
    tools: Tools = Tools()
    told: tuple[str, ...] = ()  # what was just done to the rows, which are not saved
    focus: int | None = None  # number of the row to type in next
    problem: str = ""  # why nothing was saved
    total_problem: str = ""  # what is wrong with the total
    errors: tuple[tuple[str, str], ...] = ()  # name of the field, sentence
    more_errors: int = 0

    @property
    def pasted(self) -> str:
        """A table that is not read, for the part that the address book has too."""
        return self.tools.pasted

    @property
    def left(self) -> int:
        """Pieces that nobody gets yet."""
        return max(0, int(self.total) - self.shared) if self.total.isdecimal() else 0


def filled(
    lines: list[CartLine],
    texts: Sequence[Mapping[str, str]],
    reading: Reading,
    total: str,
    *,
    numbers: Sequence[int] = (),
) -> PeoplePage:
    """The page with these texts in its cells. `lines`: the saved rows of the product; `numbers`: of
    the texts' rows, from 0 if there are none.
    """
    product, seat = lines[0].product, lines[0].cart.seat
    numbers = numbers or range(len(texts))
    wrong: dict[tuple[int, str], list[str]] = defaultdict(list)
    for error in reading.errors:
        wrong[numbers[error.row], error.column].append(error.detail)
    given = [row for row, text in zip(reading.rows, texts, strict=False) if any(text.values())]
    return PeoplePage(
        product=product,
        total=total[:LONGEST_NUMBER],
        seen=version_of(lines),
        rows=[
            PageRow(
                number,
                list(_cells(product, number, text, wrong)),
                signed(text.get("message", ""), seat),
            )
            for number, text in zip(numbers, texts, strict=True)
        ],
        countries=() if product.is_virtual else names_in(get_language() or "en"),
        book=book_of(seat, by_mail=product.is_virtual),
        signature=seat.signature,
        shared=sum(row.quantity for row in given),
        gaps=sum(error.is_gap for error in reading.errors),
        columns=", ".join(map(label_of, columns_for(by_mail=product.is_virtual))),
    )


def _cells(
    product: Product,
    number: int,
    text: Mapping[str, str],
    wrong: Mapping[tuple[int, str], list[str]],
) -> Iterator[Cell]:
    for column in COLUMNS:
        if column in PARCEL_ONLY and product.is_virtual:
            continue
        if column == "send_on" and not (product.is_virtual or text.get(column)):
            continue
        value, errors = text.get(column, ""), wrong.get((number, column), [])
        yield Cell(
            name=f"{number}-{column}",
            column=column,
            label=_asks(product) if column == "asks" else label_of(column),
            # A browser would not show a date or a number that it cannot read.
            kind="text" if errors and column in TYPED else KINDS.get(column, "text"),
            value=name_of(value) if column == "country" else value,
            errors=errors,
        )


def _asks(product: Product) -> str:
    return str(ASKS_MAIL if product.is_virtual else ASKS_PARCEL)


def refused(page: PeoplePage, problem: str, errors: list[CellError]) -> PeoplePage:
    """The page with a summary of what is wrong; nothing was saved."""
    wrong = [error for error in errors if not error.is_gap]
    told = tuple((_name_of(page, error), _in_summary(error)) for error in wrong[:MOST_IN_SUMMARY])
    more = len(wrong) - len(told)
    if page.total_problem:
        facts = {"column": _("Pieces in all"), "why": page.total_problem}
        told = (("total", _("%(column)s: %(why)s") % facts), *told)
    return replace(page, problem=problem, errors=told, more_errors=more, gaps=0)


def _name_of(page: PeoplePage, error: CellError) -> str:
    return f"{page.rows[error.row].number}-{error.column}" if error.column else ""


def _in_summary(error: CellError) -> str:
    if not error.column:
        return error.detail
    facts = {
        "row": error.row + 1,
        "column": label_of(error.column),
        "why": error.detail,
    }
    return _("Row %(row)s, %(column)s: %(why)s") % facts
