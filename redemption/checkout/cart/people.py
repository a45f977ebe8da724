"""The page “Who gets it?” of one product in the cart: a row for each person."""

import re
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import date
from itertools import count, islice

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from loyalty_portal.http.many_fields import with_many_fields
from loyalty_portal.http.responses import SeeOther
from redemption.checkout.cart import services
from redemption.checkout.cart.selectors import MOST_IN_BOOK, from_book, lines_of
from redemption.checkout.cart.table import PeoplePage, Tools, filled, refused
from redemption.checkout.pasted import read_pasted
from redemption.checkout.rows import (
    COLUMNS,
    DraftRow,
    GivenRow,
    Reading,
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
MOST_FIELDS = (MOST_ROWS + BLANK_ROWS) * len(COLUMNS) + MOST_IN_BOOK + 20
MOST_TWICE = 3  # people who are told to be in several rows
LONGEST_PASTED = 1_000_000  # characters that are shown again
Texts = list[dict[str, str]]
_CELL = re.compile(rf"(\d{{1,6}})-({'|'.join(COLUMNS)})")


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
    """GET shows the rows of a product, POST saves them, or changes what the page shows. Cells may
    stay empty until the order.
    """
    lines = lines_of(request.seat, product_id)
    if not lines:
        messages.error(request, _("This product is not in your cart any more."))
        return SeeOther(resolve_url("cart:detail"))
    if request.method != "POST":
        return _show(request, _page(request, lines))
    do = _asked_for(request.POST)
    return _changed(request, lines, do) if do in CHANGES else _saved(request, lines)


def _asked_for(said: QueryDict) -> str:
    """What to do. Who saves while something waits in a tool gets it into the rows first."""
    do = said.get("do", "")
    if do not in {"", "save"} or "remove" in said:
        return do
    return next((name for name, fields in USED_BY.items() if any(map(said.get, fields))), do)


def _show(request: PortalRequest, page: PeoplePage) -> HttpResponse:
    status = 422 if page.problem else 200
    return render(request, "redemption/checkout/people.html", {"page": page}, status=status)


def _page(request: PortalRequest, lines: list[CartLine]) -> PeoplePage:
    """The rows as they are saved, and some empty ones."""
    people = [line for line in lines if line.position is not None]
    reading = saved_rows(people, today=today_of(request.seat.company))
    blank = min(BLANK_ROWS, MOST_ROWS - len(people))
    texts: Texts = [*map(texts_of, people), *({} for _each in range(blank))]
    return filled(lines, texts, reading, str(sum(line.quantity for line in lines)))


# --- What changes the page, and saves nothing ----------------------------------------------

# What is done to the rows with the rest of the form: the rows, and a sentence about it.
Change = Callable[[PortalRequest, Texts, bool], tuple[Texts, str]]


def _add(_request: PortalRequest, texts: Texts, _by_mail: bool) -> tuple[Texts, str]:
    return texts, ""  # a blank row, which is added to the others


def _paste(request: PortalRequest, texts: Texts, by_mail: bool) -> tuple[Texts, str]:
    read = read_pasted(request.POST.get("pasted", ""), by_mail=by_mail)
    told = ngettext("%(rows)s row is read.", "%(rows)s rows are read.", len(read))
    return [*texts, *read], told % {"rows": len(read)}


def _from_book(request: PortalRequest, texts: Texts, by_mail: bool) -> tuple[Texts, str]:
    found = from_book(request.seat, request.POST.getlist("book"), by_mail=by_mail)
    if not found:
        raise RedemptionError(_("Choose somebody from the address book first."))
    told = ngettext("%(people)s person is added.", "%(people)s people are added.", len(found))
    return [*texts, *found], told % {"people": len(found)}


def _for_all(request: PortalRequest, texts: Texts, by_mail: bool) -> tuple[Texts, str]:
    names = ("message", "asks", *(["send_on"] if by_mail else []))
    said = {name: request.POST.get(f"all-{name}", "").strip() for name in names}
    given = {name: text for name, text in said.items() if text}
    if not given:
        raise RedemptionError(_("Write a message or choose a day first."))
    if not texts:
        raise RedemptionError(_("Name somebody first; then it is written into each row."))
    return [{**text, **given} for text in texts], _("It is written into each row.")


CHANGES: dict[str, Change] = {"add": _add, "paste": _paste, "book": _from_book, "all": _for_all}
USED_BY = {
    "paste": ("pasted",),
    "book": ("book",),
    "all": ("all-message", "all-send_on", "all-asks"),
}  # fields of the tools above the rows


def _changed(request: PortalRequest, lines: list[CartLine], do: str) -> HttpResponse:
    """Show the rows as they are typed, with one change. Nothing is saved.

    Each row keeps its number, also a blank one, in which somebody may be typing meanwhile; the
    blank ones come last.
    """
    said, typed, adds = request.POST, _typed(request.POST), do == "add"
    kept = {number: text for number, text in typed.items() if any(text.values())}
    blank, fresh = (
        [number for number in typed if number not in kept],
        count(max(typed, default=-1) + 1),
    )
    texts, problem, told = list(kept.values()), "", ""
    try:
        texts, told = CHANGES[do](request, texts, lines[0].product.is_virtual)
        if adds and len(texts) + len(blank) < MOST_ROWS:
            blank.append(next(fresh))
        if (rows := len(texts) + (adds and not blank)) > MOST_ROWS:
            facts = {"most": MOST_ROWS, "count": rows}
            raise RedemptionError(
                _("At most %(most)s rows fit into one order; these are %(count)s.") % facts
            )
    except RedemptionError as error:
        texts, problem, told = list(kept.values()), str(error), ""
    blank = blank[: MOST_ROWS + BLANK_ROWS - len(texts)]
    reading = _read(lines, texts, today_of(request.seat.company))
    page = filled(
        lines,
        [*texts, *({} for _each in blank)],
        reading,
        said.get("total", ""),
        numbers=[*kept, *islice(fresh, len(texts) - len(kept)), *blank],
    )
    page = replace(
        page,
        seen=said.get("seen", "")[:64],
        tools=_unused(said, () if problem else USED_BY.get(do, ())),
        told=_told(told, reading),
        focus=blank[0] if adds and blank else None,
    )
    if problem:
        return _show(request, refused(page, problem, []))
    if reading.can_be_kept or adds:
        return _show(request, page)
    why = _("Please correct this. Nothing is saved yet.")
    return _show(request, refused(page, why, reading.errors))


def _unused(said: QueryDict, used: Collection[str]) -> Tools:
    """What is entered above the rows, without the fields that were just used."""

    def text(name: str) -> str:
        return "" if name in used else said.get(name, "")[:LONGEST_PASTED]

    return Tools(
        pasted=text("pasted"),
        message=text("all-message"),
        send_on=text("all-send_on"),
        asks=bool(text("all-asks")),
        chosen=frozenset(() if "book" in used else said.getlist("book")),
    )


def _told(done: str, reading: Reading) -> tuple[str, ...]:
    if not done:
        return ()
    return (done, _("Nothing is saved yet: check the rows, then save."), *_twice(reading.rows))


# --- Saving ----------------------------------------------------------------------------------


def _saved(request: PortalRequest, lines: list[CartLine]) -> HttpResponse:
    product, said = lines[0].product, request.POST
    kept, seen = _kept(said, without=said.get("remove", "")[:5]), said.get("seen", "")[:64]
    reading = _read(lines, kept, today_of(request.seat.company))
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
        filled(lines, kept, reading, said.get("total", "")), seen=seen, total_problem=total_problem
    )
    return _show(request, refused(page, problem, reading.errors))


def _read(lines: list[CartLine], texts: Texts, today: date) -> Reading:
    return read_rows([GivenRow(lines[0].product, text) for text in texts], today=today)


def _typed(said: QueryDict) -> dict[int, dict[str, str]]:
    """The cells of each row of the page, by the row's number, in the order of the page."""
    rows: dict[int, dict[str, str]] = {}
    for name, value in said.items():
        if found := _CELL.fullmatch(name):
            rows.setdefault(int(found[1]), {})[found[2]] = str(value).strip()
    return rows


def _kept(said: QueryDict, *, without: str = "") -> Texts:
    """The cells of each row that is not blank; one row may be removed, by its number."""
    rows = _typed(said)
    if without.isascii() and without.isdigit():
        rows.pop(int(without), None)
    return [text for text in rows.values() if any(text.values())]


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
