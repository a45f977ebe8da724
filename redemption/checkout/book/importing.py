"""The page on which a table of addresses is read, shown with an error at each wrong cell, and kept.

Nothing is kept before every cell is right. The table stays in the page between its steps.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render, resolve_url
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from loyalty_portal.data.countries import name_of, names_in
from loyalty_portal.data.recipient import FIELDS
from loyalty_portal.http.many_fields import with_many_fields
from loyalty_portal.http.responses import SeeOther
from redemption.checkout.book.services import add_new
from redemption.checkout.bulk import sheets
from redemption.checkout.cart.table import Cell, PageRow
from redemption.checkout.pasted import cells_of, read_lines
from redemption.checkout.rows import label_of, read_address
from redemption.checkout.selectors import MOST_ADDRESSES
from redemption.saga.steps import RedemptionError

MOST_IN_SUMMARY = 10  # errors; each stands at its cell too
MOST_FIELDS = MOST_ADDRESSES * len(FIELDS) + 20
LONGEST_PASTED = 1_000_000  # characters that are shown again when they could not be read
_CELL = re.compile(rf"(\d{{1,4}})-({'|'.join(FIELDS)})")
Texts = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class ImportPage:
    """The one object of the page's templates. Without rows it asks for the table."""

    rows: list[PageRow]
    countries: tuple[str, ...]
    columns: str  # the order of the columns of a table without names
    problem: str = ""
    errors: tuple[tuple[str, str], ...] = ()  # name of the field, sentence
    more_errors: int = 0
    pasted: str = ""
    focus: int | None = None


def too_much(request: HttpRequest) -> HttpResponse:
    """Say that the form was too large to be read."""
    return _show(request, _empty(_too_many()), status=413)


@with_many_fields(MOST_FIELDS, otherwise=too_much)
@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_redeem)
def import_addresses(request: PortalRequest) -> HttpResponse:
    """GET asks for a table. POST reads one and shows it, or keeps what the page shows."""
    if request.method != "POST":
        return _show(request, _empty())
    if request.POST.get("do") == "keep" or "remove" in request.POST:
        return _kept(request)
    try:
        texts = _read(request)
    except RedemptionError as error:
        pasted = request.POST.get("pasted", "")[:LONGEST_PASTED]
        return _show(request, _empty(str(error), pasted), status=422)
    return _show(request, _page(texts))


def _read(request: PortalRequest) -> Texts:
    """The rows of the file, or else of what was pasted."""
    sent = request.FILES.get("file")
    if isinstance(sent, UploadedFile):
        if (sent.size or 0) > sheets.LARGEST_FILE:
            raise RedemptionError(sheets.too_large())
        lines = [cells for _number, cells in sheets.lines_of(sent.read())]
    else:
        lines = cells_of(request.POST.get("pasted", ""))
    return read_lines(lines, columns=FIELDS, most=MOST_ADDRESSES)


def _kept(request: PortalRequest) -> HttpResponse:
    removed = request.POST.get("remove", "")[:5]
    texts = _typed(request.POST, without=removed)
    page = _page(texts)
    if "remove" in request.POST or not texts:
        return _show(request, page if texts else _empty())
    if page.errors:
        return _show(request, page, status=422)
    recipients = [read_address(text)[0] for text in texts]
    try:
        new = add_new(company=request.seat.company, recipients=recipients)
    except RedemptionError as error:
        return _show(request, _page(texts, str(error)), status=422)
    told = ngettext("%(new)s address is kept.", "%(new)s addresses are kept.", new) % {"new": new}
    if known := len(texts) - new:
        told += " " + ngettext(
            "%(known)s was in the book already.", "%(known)s were in the book already.", known
        ) % {"known": known}
    messages.success(request, told)
    return SeeOther(resolve_url("addresses:list"))


def _typed(said: QueryDict, *, without: str) -> Texts:
    """The cells of each row that is not blank, in the order of the page, but for one."""
    texts: dict[int, dict[str, str]] = defaultdict(dict)
    for name, value in said.items():
        if found := _CELL.fullmatch(name):
            texts[int(found[1])][found[2]] = str(value).strip()
    if without.isascii() and without.isdigit():
        texts.pop(int(without), None)
    return [text for _number, text in sorted(texts.items()) if any(text.values())]


def _page(texts: Texts, problem: str = "") -> ImportPage:
    """The rows with what is wrong with their cells."""
    rows: list[PageRow] = []
    errors: list[tuple[str, str]] = []
    for number, text in enumerate(texts):
        wrong: dict[str, list[str]] = defaultdict(list)
        for column, _code, detail in read_address(text)[1]:
            wrong[column].append(detail)
            facts = {"row": number + 1, "column": label_of(column), "why": detail}
            errors.append((f"{number}-{column}", _("Row %(row)s, %(column)s: %(why)s") % facts))
        rows.append(PageRow(number, [_cell(number, column, text, wrong) for column in FIELDS], ""))
    if errors and not problem:
        problem = _("Please correct this. Nothing is kept yet.")
    return ImportPage(
        rows=rows,
        countries=names_in(get_language() or "en"),
        columns="",
        problem=problem,
        errors=tuple(errors[:MOST_IN_SUMMARY]),
        more_errors=max(0, len(errors) - MOST_IN_SUMMARY),
    )


def _cell(
    number: int, column: str, text: Mapping[str, str], wrong: Mapping[str, list[str]]
) -> Cell:
    value = text.get(column, "")
    return Cell(
        name=f"{number}-{column}",
        column=column,
        label=label_of(column),
        kind="text",
        value=name_of(value) if column == "country" else value,
        errors=wrong.get(column, []),
    )


def _empty(problem: str = "", pasted: str = "") -> ImportPage:
    columns = ", ".join(map(label_of, FIELDS))
    return ImportPage([], (), columns, problem=problem, pasted=pasted)


def _too_many() -> str:
    told = _("At most %(most)s addresses fit. Take a part of the table, and the others after it.")
    return told % {"most": MOST_ADDRESSES}


def _show(request: HttpRequest, page: ImportPage, *, status: int = 200) -> HttpResponse:
    return render(request, "redemption/book/import.html", {"page": page}, status=status)
