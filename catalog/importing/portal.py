"""Reads CSV or XLSX files with our own columns, or others with --map (docs/staff/importing.md)."""

from collections import Counter
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path

from catalog.importing.records import (
    UNCOUNTED,
    Found,
    ImportFileError,
    Record,
    Stock,
    Terms,
    Their,
)
from catalog.importing.sheets import Table, find_table, header_names, rows
from catalog.importing.texts import plain
from catalog.importing.values import MOST, Cells
from catalog.models import LONGEST_TERMS, MOST_DELIVERY_DAYS
from catalog.services import ProductData
from catalog.texts.words import slug_of

NEEDED = ("sku", "name", "product type", "category")
OPTIONAL = (
    "description",
    "points cost",
    "price",
    "brand",
    "validity",
    "usable at",
    "delivery days",
    "terms",
    "family",
    "family code",
    "options",
    "variant",
    "variant position",
    "image url",
    "minimum tier",
    "available from",
    "available until",
    "is active",
    "stock",
)


# The fields of a product that a file may leave out, and the columns that say something about each.
_COLUMNS_OF = {
    "description": ("description",),
    "brand": ("brand",),
    "validity": ("validity",),
    "usable_at": ("usable at",),
    "delivery_days": ("delivery days",),
    "terms": ("terms",),
    "family": ("family", "family code"),
    "family_name": ("family",),
    "family_options": ("options",),
    "variant": ("variant",),
    "variant_position": ("variant position",),
    "image_url": ("image url",),
    "minimum_tier": ("minimum tier",),
    "available_from": ("available from",),
    "available_until": ("available until",),
    "is_active": ("is active",),
}
# Values of `stock` for a product without a stock count.
NOT_COUNTED = {"uncounted", "not counted", "unlimited"}


def fits(header: list[str]) -> bool:
    return set(NEEDED) <= set(header) and bool({"points cost", "price"} & set(header))


def read(path: Path, terms: Terms) -> Found:
    """Read each row after the header as a record, or as the errors that it has."""
    table = _mapped(path, terms.columns) if terms.columns else _own(path)
    if table.remark:
        yield table.remark
    header = table.header
    constants = {name: their.constant for name, their in terms.columns.items() if their.constant}
    places: Counter[str] = Counter()
    for number, values in table.lines:
        if len(values) > len(header) and any(value.strip() for value in values[len(header) :]):
            cells = Cells(number, {})
            cells.error("row", f"has more cells than the header's {len(header)}")
        else:
            cells = Cells(
                number, dict(zip_longest(header, values[: len(header)], fillvalue="")) | constants
            )
            record = _record(cells, terms, places)
        if cells.errors:
            yield from cells.errors
        else:
            yield record


def _own(path: Path) -> Table:
    table = find_table(path, fits)
    if table is None:
        _check(header_names(next(rows(path), (0, []))[1]))
        raise ImportFileError("The header lacks our own columns.")
    _check(table.header)
    return table


def _mapped(path: Path, columns: Mapping[str, Their]) -> Table:
    """Find the table that has the mapped columns, rename them to ours and drop all others."""
    ours = {
        header_names([their.column])[0]: name for name, their in columns.items() if their.column
    }
    table = find_table(path, lambda header: set(ours) <= set(header))
    if table is None:
        first = next(rows(path), (0, []))[1]
        missing = [name for name in ours if name not in header_names(first)]
        raise ImportFileError(
            f"No row has all the columns that the map names. The first row, "
            f"{', '.join(filter(None, first))[:200]!r}, lacks {', '.join(missing)}."
        )
    _check_twice([name for name in table.header if name in ours])
    header = [ours.get(name, "") for name in table.header]
    return Table(
        table.sheet, table.row, header, ((row, cells[: len(header)]) for row, cells in table.lines)
    )


def _check(header: list[str]) -> None:
    missing = [name.replace(" ", "_") for name in NEEDED if name not in header]
    if not {"points cost", "price"} & set(header):
        missing.append("points_cost (or price)")
    if missing:
        raise ImportFileError(f"The header lacks {', '.join(missing)}.")
    unknown = [name for name in header if name and name not in NEEDED + OPTIONAL]
    if unknown:
        raise ImportFileError(f"The header has columns that are not known: {', '.join(unknown)}.")
    _check_twice(header)


def _check_twice(header: list[str]) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ImportFileError(f"The header has columns twice: {', '.join(twice)}.")


def _record(cells: Cells, terms: Terms, places: Counter[str]) -> Record:
    family = cells.text("family", longest=255)
    places[family] += 1
    place = cells.whole("variant position", low=0)
    start, end = cells.time("available from"), cells.time("available until")
    if start and end and start >= end:
        cells.error("available until", "must be after available_from")
    data = ProductData(
        sku=cells.text("sku", longest=100, required=True),
        name=cells.text("name", longest=255, required=True),
        product_type=cells.product_type("product type"),
        points_cost=_points(cells, terms),
        category=cells.text("category", longest=120, required=True),
        description=cells.description("description"),
        brand=cells.text("brand", longest=120),
        validity=cells.text("validity", longest=200),
        usable_at=cells.text("usable at", longest=300),
        delivery_days=cells.whole("delivery days", low=1, most=MOST_DELIVERY_DAYS),
        terms=cells.lines("terms", longest=LONGEST_TERMS),
        family=cells.text("family code", longest=120) or slug_of(family)[:120],
        family_name=family,
        family_options=cells.text("options", longest=255),
        variant=cells.text("variant", longest=120),
        variant_position=(places[family] if family else 0) if place is None else place,
        image_url=cells.text("image url", longest=500),
        minimum_tier=cells.tier("minimum tier"),
        available_from=start,
        available_until=end,
        is_active=cells.flag("is active", default=True),
        source="portal",
        unsaid=cells.lacking(_COLUMNS_OF),
    )
    return Record(cells.row, data, _stock(cells))


def _stock(cells: Cells) -> Stock | None:
    if plain(cells.raw("stock")).lower() in NOT_COUNTED:
        return UNCOUNTED
    pieces = cells.whole("stock", low=0)
    return None if pieces is None else Stock(pieces)


def _points(cells: Cells, terms: Terms) -> int:
    """The points from the `points` column or, if it is empty, from the price."""
    if cells.raw("points cost").strip() or not cells.raw("price").strip():
        points = cells.whole("points cost", low=1)
        if points is None and not cells.errors:
            cells.error("points_cost", f"is missing; write a whole number from 1 to {MOST:,}")
        return points or 1
    return cells.price("price", terms)
