"""Our own columns (docs/importing.md), in CSV or XLSX."""

from pathlib import Path

from django.utils.text import slugify

from catalog.importing.records import Found, ImportFileError, Record, Terms
from catalog.importing.sheets import header_names, rows
from catalog.importing.values import MOST, Cells
from catalog.services import ProductData

NEEDED = ("sku", "name", "product type", "category")
OPTIONAL = (
    "description",
    "points cost",
    "price",
    "brand",
    "family",
    "variant",
    "image url",
    "minimum tier",
    "available from",
    "available until",
    "is active",
    "stock",
)


def fits(header: list[str]) -> bool:
    return {"sku", "product type"} <= set(header)


def read(path: Path, terms: Terms) -> Found:
    """Each row after the header as a record, or its errors."""
    lines = rows(path)
    _, first = next(lines, (0, []))
    header = header_names(first)
    _check(header)
    for number, values in lines:
        if len(values) > len(header) and any(value.strip() for value in values[len(header) :]):
            cells = Cells(number, {})
            cells.error("row", f"has more cells than the header's {len(header)}")
        else:
            cells = Cells(number, dict(zip(header, values, strict=False)))
            record = _record(cells, terms)
        if cells.errors:
            yield from cells.errors
        else:
            yield record


def _check(header: list[str]) -> None:
    missing = [name.replace(" ", "_") for name in NEEDED if name not in header]
    if not {"points cost", "price"} & set(header):
        missing.append("points_cost (or price)")
    if missing:
        raise ImportFileError(f"The header lacks {', '.join(missing)}.")
    unknown = [name for name in header if name and name not in NEEDED + OPTIONAL]
    if unknown:
        raise ImportFileError(f"The header has columns that are not known: {', '.join(unknown)}.")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ImportFileError(f"The header has columns twice: {', '.join(twice)}.")


def _record(cells: Cells, terms: Terms) -> Record:
    family = cells.text("family", longest=255)
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
        family=slugify(family)[:120],
        family_name=family,
        variant=cells.text("variant", longest=120),
        image_url=cells.text("image url", longest=500),
        minimum_tier=cells.tier("minimum tier"),
        available_from=start,
        available_until=end,
        is_active=cells.flag("is active", default=True),
    )
    return Record(cells.row, data, cells.whole("stock", low=0))


def _points(cells: Cells, terms: Terms) -> int:
    """The points as they are said, else the price in points."""
    if cells.raw("points cost").strip() or not cells.raw("price").strip():
        points = cells.whole("points cost", low=1)
        if points is None and not cells.errors:
            cells.error("points_cost", f"is missing; write a whole number from 1 to {MOST:,}")
        return points or 1
    return cells.price("price", terms)
