"""WooCommerce's product export. A variable product's row comes before those of its variations."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from catalog.importing.records import Found, ImportFileError, Record, Skipped, Terms
from catalog.importing.sheets import header_names, rows
from catalog.importing.values import Cells, plain
from catalog.models import ProductType
from catalog.services import ProductData

_COMMA = re.compile(r"(?<!\\),")  # a comma in a name is written "\,"


def fits(header: list[str]) -> bool:
    return {"type", "sku", "name", "regular price"} <= set(header)


def read(path: Path, terms: Terms) -> Found:
    """Simple products and variations as records; the variations of a product are a family."""
    lines = rows(path)
    header = header_names(next(lines, (0, []))[1])
    if not fits(header):
        raise ImportFileError("The header lacks Type, SKU, Name or Regular price.")
    choices = sum(re.fullmatch(r"attribute \d+ value\(s\)", name) is not None for name in header)
    parents: dict[str, ProductData] = {}
    for number, values in lines:
        cells = Cells(number, dict(zip(header, values, strict=False)))
        kinds = set(_list(cells.raw("type").lower()))
        if kinds & {"grouped", "external"}:
            yield Skipped(number, "a grouped or external product")
        elif "variable" in kinds:
            parent = _shared(cells)
            parents[plain(cells.raw("sku"))] = parents[f"id:{plain(cells.raw('id'))}"] = parent
            yield from cells.errors
            yield Skipped(number, "stands for its variations")
        else:
            record = _sold(cells, kinds, parents, range(1, choices + 1), terms)
            yield from cells.errors
            if not cells.errors:
                yield record


def _list(text: str) -> list[str]:
    return [plain(part).replace("\\,", ",") for part in _COMMA.split(text)]


def _shared(cells: Cells) -> ProductData:
    """What a row says that its variations share; family and name are for them."""
    shelves = [plain(part) for part in _list(cells.raw("categories"))[0].split(">")]
    name = cells.text("name", longest=200, required=True)
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
        is_active=cells.flag("published", default=True),
    )
    cells.errors += text.errors
    return data


def _sold(
    cells: Cells,
    kinds: set[str],
    parents: dict[str, ProductData],
    choices: Iterable[int],
    terms: Terms,
) -> Record:
    own = _shared(cells)
    if "variation" in kinds:
        data = _variation(cells, own, parents.get(plain(cells.raw("parent"))), choices)
    else:
        data = replace(own, family="", family_name="")
    code = plain(cells.raw("id"))
    data = replace(
        data,
        sku=cells.text("sku", longest=100) or (f"WOO-{code}" if code else ""),
        product_type=ProductType.VIRTUAL
        if kinds & {"virtual", "downloadable"}
        else ProductType.PHYSICAL,
        points_cost=cells.price("regular price", terms),
    )
    if not data.sku:
        cells.error("sku", "is missing")
    stock = plain(cells.raw("stock"))
    if stock == "parent":  # counted for all variations together, which is no number for one
        return Record(cells.row, data)
    pieces = 0 if stock.startswith("-") else cells.whole("stock", low=0)
    if pieces is None and stock == "" and plain(cells.raw("in stock?")) == "0":
        pieces = 0
    return Record(cells.row, data, pieces)


def _variation(
    cells: Cells, own: ProductData, parent: ProductData | None, choices: Iterable[int]
) -> ProductData:
    if parent is None:
        said = plain(cells.raw("parent"))[:40]
        cells.error("parent", f"{said!r} is not a variable product in a row above")
        return own
    chosen = [plain(cells.raw(f"attribute {number} value(s)")) for number in choices]
    variant = " / ".join(one for one in chosen if one)[:120]
    return replace(
        parent,
        name=f"{parent.name}, {variant}"[:255] if variant else parent.name,
        variant=variant,
        description=own.description or parent.description,
        image_url=own.image_url or parent.image_url,
        is_active=own.is_active and parent.is_active,
    )
