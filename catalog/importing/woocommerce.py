"""Reads WooCommerce's product export: products and their variations, in any order."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from catalog.importing.records import (
    NOT_OF_SHOPS,
    UNCOUNTED,
    Found,
    ImportFileError,
    Record,
    Remark,
    Skipped,
    Stock,
    Terms,
)
from catalog.importing.sheets import Table, find_table
from catalog.importing.texts import plain
from catalog.importing.values import Cells
from catalog.models import ProductType
from catalog.services import ProductData
from catalog.texts.words import AND

_COMMA = re.compile(r"(?<!\\),")  # a comma inside a name is written "\,"


NEEDED = ("type", "sku", "name", "regular price")
_COLUMNS_OF = {
    "description": ("description", "short description"),
    "brand": ("brands",),
    "image_url": ("images",),
    "is_active": ("published", "visibility in catalog"),
}
IN_STOCK = {"1", "backorder"}


def fits(header: list[str]) -> bool:
    return set(NEEDED) <= set(header)


@dataclass(slots=True)
class _Parent:
    """A variable product with the data that its variations share. `is_wrong`: its row has
    errors.
    """

    row: int
    data: ProductData
    options: list[str]
    is_wrong: bool
    variations: int = 0


# The variable products of the file, by SKU and by "id:" plus their id.
_Parents = dict[str, _Parent]


def read(path: Path, terms: Terms) -> Found:
    """Read simple products and variations as records; variations of a product form a family."""
    first = _table(path)
    parents: _Parents = {}
    numbers = [number for number in range(1, 100) if f"attribute {number} value(s)" in first.header]
    for cells in _rows(first):
        if "variable" in _kinds(cells):
            parent = _parent(cells, numbers)
            for key in (plain(cells.raw("sku")), f"id:{plain(cells.raw('id'))}"):
                parents[key] = parent
    table = _table(path)  # a second pass, because a variation may stand above its product
    if table.remark:
        yield table.remark
    for cells in _rows(table):
        yield from _product(cells, parents, numbers, terms)


def _table(path: Path) -> Table:
    table = find_table(path, fits)
    if table is None:
        raise ImportFileError("The header lacks Type, SKU, Name or Regular price.")
    return table


def _rows(table: Table) -> Iterator[Cells]:
    header = table.header
    for number, values in table.lines:
        yield Cells(number, dict(zip_longest(header, values[: len(header)], fillvalue="")))


def _kinds(cells: Cells) -> set[str]:
    return set(_list(cells.raw("type").lower()))


def _parent(cells: Cells, numbers: Sequence[int]) -> _Parent:
    data = _shared(cells)
    options = [plain(cells.raw(f"attribute {number} name")) for number in numbers]
    return _Parent(cells.row, data, options, is_wrong=bool(cells.errors))


def _product(cells: Cells, parents: _Parents, numbers: Sequence[int], terms: Terms) -> Found:
    kinds = _kinds(cells)
    if kinds & {"grouped", "external"}:
        yield Skipped(cells.row, "a grouped or external product")
        return
    if "variable" in kinds:
        _shared(cells)
        yield from cells.errors
        yield Skipped(cells.row, "stands for its variations")
        return
    record = _sold(cells, kinds, parents, numbers, terms)
    yield from cells.errors
    if not cells.errors:
        yield record
        if plain(cells.raw("stock")) == "parent" and record.stock is None:
            yield Remark(
                cells.row,
                "its stock is counted for all variations together, which is no number for one: "
                "it is out of stock until it is counted on its stock page",
            )


def _list(text: str) -> list[str]:
    return [plain(part).replace("\\,", ",") for part in _COMMA.split(text)]


def _shared(cells: Cells, *, is_variation: bool = False) -> ProductData:
    """Read the columns that a product and its variations have in common."""
    shelves = [plain(part) for part in _list(cells.raw("categories"))[0].split(">")]
    name = cells.text("name", longest=200, required=not is_variation)
    code = plain(cells.raw("sku")) or plain(cells.raw("id"))
    description = cells.raw("description") or cells.raw("short description")
    text = Cells(cells.row, {"description": description.replace("\\n", "\n")})
    data = ProductData(
        sku="",
        name=name,
        product_type=ProductType.PHYSICAL,
        points_cost=1,
        category=(shelves[-1] or "Other")[:120],
        category_motif=shelves[0],
        description=text.description("description"),
        brand=(_list(cells.raw("brands"))[0])[:120],
        family=f"woocommerce-{code}"[:120],
        family_name=name,
        image_url=(_list(cells.raw("images"))[0])[:500],
        is_active=cells.flag("published", default=True)
        and plain(cells.raw("visibility in catalog")).lower() != "hidden",
        source=f"woocommerce:{plain(cells.raw('id')) or code}"[:300],
        unsaid=(*NOT_OF_SHOPS, *cells.lacking(_COLUMNS_OF)),
    )
    cells.errors += text.errors
    return data


def _sold(
    cells: Cells, kinds: set[str], parents: _Parents, numbers: Sequence[int], terms: Terms
) -> Record:
    own = _shared(cells, is_variation="variation" in kinds)
    if "variation" in kinds:
        data = _variation(cells, own, parents.get(plain(cells.raw("parent"))), numbers)
    else:
        data = replace(own, family="", family_name="")
    code, sku = plain(cells.raw("id")), cells.text("sku", longest=100)
    data = replace(
        data,
        sku=sku or (f"WOO-{code}"[:100] if code else ""),
        sku_is_ours=not sku,
        product_type=ProductType.VIRTUAL
        if kinds & {"virtual", "downloadable"}
        else ProductType.PHYSICAL,
        points_cost=cells.price("regular price", terms),
    )
    if not data.sku and not cells.errors:
        cells.error("sku", "is missing")
    return Record(cells.row, data, _stock(cells))


def _stock(cells: Cells) -> Stock | None:
    """The row's stock; None when the stock is counted for all variations together."""
    said, available = plain(cells.raw("stock")), plain(cells.raw("in stock?")).lower()
    if said == "parent":
        return None if available != "0" else Stock(0)
    if said.startswith("-"):
        return Stock(0)
    pieces = cells.whole("stock", low=0)
    if pieces is not None:
        return Stock(pieces)
    if available in IN_STOCK and not said:
        return UNCOUNTED
    return Stock(0) if available == "0" else None


def _variation(
    cells: Cells, own: ProductData, parent: _Parent | None, numbers: Sequence[int]
) -> ProductData:
    if parent is None:
        said = plain(cells.raw("parent"))[:40]
        cells.error("parent", f"{said!r} is not a variable product of this file")
        return own
    if parent.is_wrong:
        cells.error("parent", f"is row {parent.row}, which is wrong")
        return own
    parent.variations += 1
    chosen = [cells.text(f"attribute {number} value(s)", longest=100) for number in numbers]
    names = [
        plain(cells.raw(f"attribute {number} name")) or there
        for number, there in zip(numbers, parent.options, strict=True)
    ]
    named = [name for name, value in zip(names, chosen, strict=True) if value and name]
    variant = AND.join(one for one in chosen if one)[:120]
    data = parent.data
    return replace(
        data,
        name=f"{data.name}, {variant}"[:255] if variant else data.name,
        family_options=AND.join(named)[:255],
        variant=variant,
        variant_position=parent.variations,
        description=own.description or data.description,
        image_url=own.image_url or data.image_url,
        is_active=own.is_active and data.is_active,
    )
