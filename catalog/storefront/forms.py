"""Reads the catalogue's filters from a query string, and writes a query string for filters.

People type, share and edit addresses, so an invalid value never fails: it does not filter, and a
value that was typed into a field shows an error there.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from catalog.models import ProductType
from catalog.selectors import COUNT_CAP, PAGE_SIZE, Filters, Sort, search_words

LONGEST_TEXT = 100
MOST_POINTS = 2_147_483_647  # the largest value of the points column
MOST_PIECES = 1_000  # the cart's limit for one product
MOST_CHOICES = 20  # in one filter
LAST_PAGE = -(-COUNT_CAP // PAGE_SIZE)
_PLACE = re.compile(r"[0-9a-f]{1,16}(?:-[0-9a-f]{1,16}){0,5}")
_UNSEEN = dict.fromkeys(range(32), " ")
# matches thousands as people group them: 5000, 5,000, 5.000, 5 000, 5'000
_WHOLE = re.compile(r"\d{1,10}|\d{1,3}(?:[.,\s’']\d{3}){1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of a request, with the fields that had an invalid value: typed text and error."""

    filters: Filters
    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class FacetOption(NamedTuple):
    """One value of a filter. `finds` is the number of products it would show, "" if not counted."""

    value: str
    label: str
    finds: str
    chosen: bool


def read_filters(query: QueryDict) -> Asked:
    """Read the filters in a query string. Never raises."""
    q = _text(query.get("q", ""))
    if not search_words(q):
        q = ""
    typed = {name: _text(query.get(name, "")) for name in ("min", "max")}
    points: dict[str, int | None] = {}
    errors: dict[str, str] = {}
    for name, value in typed.items():
        points[name] = _points(value)
        if value and points[name] is None:
            errors[name] = _("Enter whole points, such as 5000.")
    low, high = points["min"], points["max"]
    if low is not None and high is not None and low > high:
        errors["max"] = _("“To” must not be less than “from”.")
    types = _choices(each.upper() for each in query.getlist("type"))
    after, before = _place(query.get("after", "")), _place(query.get("before", ""))
    filters = Filters(
        q=q,
        categories=_choices(query.getlist("category")),
        product_types=tuple(each for each in types if each in ProductType.values),
        brands=_choices(query.getlist("brand")),
        points_from=low,
        points_to=None if "max" in errors else high,
        within_balance=query.get("within") == "1",
        in_stock=query.get("stock") == "1",
        sort=_sort(query.get("sort", ""), q),
        page=_page(query.get("page", ""), far=bool(after or before)),
        after=after,
        before="" if after else before,
    )
    return Asked(filters, typed, errors)


@functools.cache
def sorts_offered(
    chosen: Sort,
    *,
    searched: bool,
    language: str,  # noqa: ARG001 - the labels differ by it
) -> tuple[FacetOption, ...]:
    """The sorts of the list, the usual first. `searched`: it is of what words find."""
    offered = {
        Sort.BEST: _("Best match"),
        Sort.NAME: _("Name"),
        Sort.CHEAPEST: _("Points, low to high"),
        Sort.DEAREST: _("Points, high to low"),
        Sort.NEWEST: _("Newest"),
        Sort.POPULAR: _("Most redeemed"),
    }
    if not searched:
        del offered[Sort.BEST]
    # The first sort is the default: its value in the address is empty, with or without a search.
    first = next(iter(offered))
    return tuple(
        FacetOption("" if sort is first else sort.value, label, "", sort is chosen)
        for sort, label in offered.items()
    )


def address(filters: Filters, **changes: Any) -> str:
    """The query string ("" or "?…") for `filters` with `changes`; default values are left out."""

    def wanted(name: str) -> Any:
        return changes[name] if name in changes else getattr(filters, name)

    q, sort, page = wanted("q"), wanted("sort"), changes.get("page", 1)
    usual = Sort.BEST if q else Sort.NAME
    said = (
        ("q", q),
        *(("category", each) for each in wanted("categories")),
        *(("type", each.lower()) for each in wanted("product_types")),
        *(("brand", each) for each in wanted("brands")),
        ("min", wanted("points_from")),
        ("max", wanted("points_to")),
        ("within", "1" if wanted("within_balance") else ""),
        ("stock", "1" if wanted("in_stock") else ""),
        ("sort", "" if sort in {usual, Sort.BEST} else sort.value),
        ("page", page if page > 1 else ""),
        ("after", changes.get("after", "")),
        ("before", changes.get("before", "")),
    )
    query = urlencode([each for each in said if each[1] or each[1] == 0])
    return f"?{query}" if query else ""


def _text(value: str) -> str:
    return " ".join(value[: 4 * LONGEST_TEXT].translate(_UNSEEN).split())[:LONGEST_TEXT].strip()


def _choices(values: Iterable[str]) -> tuple[str, ...]:
    """The values that were chosen in one filter, each once."""
    texts = dict.fromkeys(_text(value) for value in values)
    return tuple(text for text in texts if text)[:MOST_CHOICES]


def _place(value: str) -> str:
    return value if _PLACE.fullmatch(value) else ""


def _points(value: str) -> int | None:
    if not _WHOLE.fullmatch(value):
        return None
    points = int(re.sub(r"\D", "", value))
    return points if points <= MOST_POINTS else None


def _sort(value: str, q: str) -> Sort:
    usual = Sort.BEST if q else Sort.NAME
    try:
        sort = Sort(value)
    except ValueError:
        return usual
    return usual if sort is Sort.BEST else sort


def _page(value: str, *, far: bool) -> int:
    """The number of the page. `far`: a place says where it begins, so that it may be any."""
    if not (value.isascii() and value.isdigit()) or len(value) > 6:
        return 1
    return max(int(value), 1) if far else min(max(int(value), 1), LAST_PAGE)


def typed_quantity(query: Mapping[str, str]) -> str:
    """The quantity as typed if it is invalid, to be shown with the error; "" if it is valid."""
    value = query.get("quantity", "1")
    digits = value.isascii() and value.isdigit() and len(value) <= 4
    fine = digits and 1 <= int(value) <= MOST_PIECES
    return "" if fine else value[:12]


def read_quantity(query: Mapping[str, str]) -> int:
    """The quantity for which the product page shows points; 1 if the typed value is invalid."""
    value = query.get("quantity", "")
    if not (value.isascii() and value.isdigit()) or len(value) > 4:
        return 1
    return min(max(int(value), 1), MOST_PIECES)
