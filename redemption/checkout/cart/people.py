"""The page “Who gets it?” of one product in the cart: a row for each person."""

import re
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render, resolve_url
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from catalog.models import Product
from loyalty_portal.data.countries import name_of, names_in
from loyalty_portal.http.many_fields import with_many_fields
from loyalty_portal.http.responses import SeeOther
from redemption.checkout.cart import services
from redemption.checkout.cart.selectors import lines_of
from redemption.checkout.rows import (
    COLUMNS,
    LONGEST_NUMBER,
    PARCEL_ONLY,
    CellError,
    DraftRow,
    GivenRow,
    Reading,
    label_of,
    read_rows,
    same_people,
    saved_rows,
    texts_of,
    today_of,
    version_of,
)
from redemption.models import CartLine
from redemption.models.cart import MOST_ROWS
from redemption.saga.steps import RedemptionError

BLANK_ROWS = 3
MOST_BLANK = 50
MOST_FIELDS = (MOST_ROWS + MOST_BLANK) * len(COLUMNS) + 10
MOST_TWICE = 3  # people who are told to be in several rows
MOST_IN_SUMMARY = 10  # errors; each stands at its cell too
KINDS = {"quantity": "number", "recipient_email": "email", "send_on": "date"}
_CELL = re.compile(rf"(\d{{1,4}})-({'|'.join(COLUMNS)})")


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
    """A row of the form."""

    cells: list[Cell]

    @property
    def is_blank(self) -> bool:
        return not any(cell.value for cell in self.cells)


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """The one object of the page's template."""

    product: Product
    total: str
    seen: str  # the version of the saved rows that the page shows
    rows: list[PageRow]
    countries: tuple[str, ...]
    gaps: int  # cells that an order needs and that are still empty
    problem: str = ""  # why nothing was saved
    total_problem: str = ""  # what is wrong with the total
    errors: tuple[tuple[str, str], ...] = ()  # name of the field, sentence
    more_errors: int = 0


def too_much(request: HttpRequest, product_id: uuid.UUID) -> HttpResponse:
    """Say that a form was too large to be read."""
    return render(
        request,
        "redemption/checkout/too_much.html",
        {"most": MOST_ROWS, "product_id": product_id},
        status=413,
    )


@with_many_fields(MOST_FIELDS, otherwise=too_much)
@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_redeem)
def who_gets_it(request: PortalRequest, product_id: uuid.UUID) -> HttpResponse:
    """GET shows the rows of a product, POST saves them. Cells may stay empty until the order."""
    lines = lines_of(request.seat, product_id)
    if not lines:
        messages.error(request, _("This product is not in your cart any more."))
        return SeeOther(resolve_url("cart:detail"))
    if request.method == "POST":
        return _saved(request, lines)
    return _show(request, _page(request, lines))


def _show(request: PortalRequest, page: PeoplePage) -> HttpResponse:
    status = 422 if page.problem else 200
    return render(request, "redemption/checkout/people.html", {"page": page}, status=status)


def _page(request: PortalRequest, lines: list[CartLine]) -> PeoplePage:
    """The rows as they are saved, and some empty ones."""
    people = [line for line in lines if line.position is not None]
    reading = saved_rows(people, today=today_of(request.seat.company))
    asked = request.GET.get("blank", "")
    blank = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else BLANK_ROWS
    blank = max(0, min(blank, MOST_BLANK, MOST_ROWS - len(people)))
    texts = [*map(texts_of, people), *({} for _each in range(blank))]
    total = str(sum(line.quantity for line in lines))
    return _filled(lines, texts, reading, total)


def _filled(
    lines: list[CartLine], texts: Sequence[Mapping[str, str]], reading: Reading, total: str
) -> PeoplePage:
    product = lines[0].product
    wrong: dict[tuple[int, str], list[str]] = defaultdict(list)
    for error in reading.errors:
        wrong[error.row, error.column].append(error.detail)
    return PeoplePage(
        product=product,
        total=total,
        seen=version_of(lines),
        rows=[
            PageRow(list(_cells(product, number, text, wrong))) for number, text in enumerate(texts)
        ],
        countries=() if product.is_virtual else names_in(get_language() or "en"),
        gaps=sum(error.is_gap for error in reading.errors),
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
        value = text.get(column, "")
        yield Cell(
            name=f"{number}-{column}",
            column=column,
            label=label_of(column),
            kind=KINDS.get(column, "text"),
            value=name_of(value) if column == "country" else value,
            errors=wrong.get((number, column), []),
        )


def _saved(request: PortalRequest, lines: list[CartLine]) -> HttpResponse:
    product, said = lines[0].product, request.POST
    texts, seen = _texts(said), said.get("seen", "")[:64]
    removed = said.get("remove", "")[:5]
    if removed.isascii() and removed.isdigit():
        texts.pop(int(removed), None)
    kept = [text for _number, text in sorted(texts.items()) if any(text.values())]
    reading = read_rows(
        [GivenRow(product, text) for text in kept], today=today_of(request.seat.company)
    )
    total_problem = ""
    try:
        total = services.parse_quantity(said.get("total"))
    except RedemptionError as error:
        total, total_problem = 1, str(error)
    try:
        if reading.can_be_kept and not total_problem:
            rows = _shared_out(reading.rows, total) if said.get("do") == "share" else reading.rows
            services.replace_rows(
                seat=request.seat,
                product=product,
                rows=rows,
                total=total,
                seen=seen,
            )
            here = resolve_url("cart:people", product.pk)
            return _done(request, rows, total, here=here, is_whole=not reading.errors)
        problem = _("Please correct this. Nothing is saved yet.")
    except services.RowsChangedError as error:
        # Saving once more replaces what is saved now, as the sentence says.
        problem, seen = str(error), version_of(lines)
    except RedemptionError as error:
        problem = str(error)
    page = replace(
        _filled(lines, kept, reading, said.get("total", "")[:LONGEST_NUMBER]),
        seen=seen,
        total_problem=total_problem,
    )
    return _show(request, _refused(page, problem, reading.errors))


def _refused(page: PeoplePage, problem: str, errors: list[CellError]) -> PeoplePage:
    wrong = [error for error in errors if not error.is_gap]
    told = tuple(
        (f"{error.row}-{error.column}" if error.column else "", _in_summary(error))
        for error in wrong[:MOST_IN_SUMMARY]
    )
    more = len(wrong) - len(told)
    if page.total_problem:
        facts = {"column": _("Pieces in all"), "why": page.total_problem}
        told = (("total", _("%(column)s: %(why)s") % facts), *told)
    return replace(page, problem=problem, errors=told, more_errors=more, gaps=0)


def _in_summary(error: CellError) -> str:
    if not error.column:
        return error.detail
    facts = {
        "row": error.row + 1,
        "column": label_of(error.column),
        "why": error.detail,
    }
    return _("Row %(row)s, %(column)s: %(why)s") % facts


def _texts(said: QueryDict) -> dict[int, dict[str, str]]:
    """The cells of each row, by the number that the row had on the page."""
    texts: dict[int, dict[str, str]] = defaultdict(dict)
    for name, value in said.items():
        if found := _CELL.fullmatch(name):
            texts[int(found[1])][found[2]] = str(value).strip()
    return texts


def _shared_out(rows: list[DraftRow], total: int) -> list[DraftRow]:
    shares = services.share_out(total=total, people=len(rows))
    return [replace(row, quantity=share) for row, share in zip(rows, shares, strict=True)]


def _done(
    request: PortalRequest, rows: list[DraftRow], total: int, *, here: str, is_whole: bool
) -> HttpResponse:
    """Say what is saved, and stay on the page where something is still to do."""
    shared = sum(row.quantity for row in rows)
    facts = {"people": len(rows), "pieces": max(total, shared)}
    told = ngettext(
        "Saved: %(people)s person, %(pieces)s in all.",
        "Saved: %(people)s people, %(pieces)s in all.",
        len(rows),
    )
    messages.success(request, told % facts)
    if shared > total:
        messages.info(request, _("They get more than the cart had, so it has more now."))
    for sentence in _twice(rows):
        messages.info(request, sentence)
    if request.POST.get("do") == "more":
        return SeeOther(f"{here}?blank=10")
    goes_on = is_whole and "remove" not in request.POST and request.POST.get("do") != "share"
    return SeeOther(resolve_url("cart:detail") if goes_on else here)


def _twice(rows: list[DraftRow]) -> Iterator[str]:
    """Who is named more than once: the first few people, and how many more."""
    told = same_people(rows)
    yield from told[:MOST_TWICE]
    if (more := len(told) - MOST_TWICE) > 0:
        yield ngettext(
            "%(more)s more person is in several rows.",
            "%(more)s more people are in several rows.",
            more,
        ) % {"more": more}
