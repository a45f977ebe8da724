"""Reads Shopify's product export, with its older or newer column names.

Consecutive rows of one handle are one product: the first row has the texts, each row with a price
is a variant, and a row that has only a picture is skipped.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby, zip_longest
from pathlib import Path

from catalog.importing.records import (
    NOT_OF_SHOPS,
    UNCOUNTED,
    Found,
    ImportFileError,
    Record,
    RowError,
    Skipped,
    Stock,
    Terms,
)
from catalog.importing.sheets import find_table
from catalog.importing.texts import plain
from catalog.importing.values import Cells
from catalog.models import ProductType
from catalog.services import ProductData
from catalog.texts.words import AND, slug_of

# newer column names, and the older names they replace
RENAMED = {
    "url handle": "handle",
    "description": "body (html)",
    "published on online store": "published",
    "sku": "variant sku",
    "price": "variant price",
    "inventory quantity": "variant inventory qty",
    "inventory tracker": "variant inventory tracker",
    "requires shipping": "variant requires shipping",
    "product image url": "image src",
}
_COLUMNS_OF = {
    "description": ("body (html)",),
    "brand": ("vendor",),
    "family_options": ("option1 name",),
    "image_url": ("image src",),
    "is_active": ("status", "published"),
}
NO_CHOICE = "Default Title"
NEEDED = ("handle", "title", "variant price")
TRACKER = "variant inventory tracker"


def fits(header: list[str]) -> bool:
    return set(NEEDED) <= {RENAMED.get(name, name) for name in header}


def read(path: Path, terms: Terms) -> Found:
    """Read each variant as a record; several variants of a handle become a family."""
    table = find_table(path, fits)
    if table is None:
        raise ImportFileError("The header lacks Handle, Title or Variant Price.")
    if table.remark:
        yield table.remark
    header = [RENAMED.get(name, name) for name in table.header]
    lines = table.lines
    cells = (
        Cells(number, dict(zip_longest(header, values[: len(header)], fillvalue="")))
        for number, values in lines
    )
    for handle, group in groupby(cells, key=lambda one: plain(one.raw("handle"))):
        yield from _product(handle, group, terms)


def _product(handle: str, group: Iterable[Cells], terms: Terms) -> Found:
    first, *more = group
    if not handle:
        first.error("handle", "is missing")
    sold = [line for line in (first, *more) if _is_variant(line)]
    if not sold:
        first.error("variant price", "is missing")
    product = _product_of(first, handle, is_family=len(sold) > 1)
    yield from first.errors
    bad = bool(first.errors)
    first.errors.clear()
    for line in (first, *more):
        if line not in sold:
            yield Skipped(line.row, "a further picture")
            continue
        record = _variant(line, replace(product, variant_position=sold.index(line) + 1), terms)
        yield from line.errors
        if bad and line is not first:
            yield RowError(line.row, "handle", f"belongs to row {first.row}, which is wrong")
        elif not (bad or line.errors):
            yield record


def _is_variant(line: Cells) -> bool:
    return bool(line.raw("variant price").strip() or line.raw("variant sku").strip())


def _product_of(first: Cells, handle: str, *, is_family: bool) -> ProductData:
    """The data from a product's first row that all its variants share."""
    shelves = [plain(part) for part in first.raw("product category").split(">")]
    name = first.text("title", longest=200, required=True)
    gift_card = first.flag("gift card", default=False)
    return ProductData(
        sku="",
        name=name,
        product_type=ProductType.VIRTUAL if gift_card else ProductType.PHYSICAL,
        points_cost=1,
        category=(plain(first.raw("type")) or shelves[-1] or "Other")[:120],
        category_motif=shelves[0],
        description=first.description("body (html)"),
        brand=first.text("vendor", longest=120),
        family=f"shopify-{handle}"[:120] if is_family else "",
        family_name=name if is_family else "",
        family_options=_options(first) if is_family else "",
        image_url=first.text("image src", longest=500),
        is_active=first.flag("status", default=True) and first.flag("published", default=True),
        source=f"shopify:{handle}"[:300],
        unsaid=(*NOT_OF_SHOPS, *first.lacking(_COLUMNS_OF)),
    )


def _options(first: Cells) -> str:
    """The names of the options that the variants differ by, such as "Size / Colour"."""
    numbers = [number for number in (1, 2, 3) if plain(first.raw(f"option{number} value"))]
    return AND.join(first.text(f"option{number} name", longest=80) for number in numbers)


def _variant(line: Cells, product: ProductData, terms: Terms) -> Record:
    chosen = [line.text(f"option{number} value", longest=100) for number in (1, 2, 3)]
    variant = AND.join(one for one in chosen if one and one != NO_CHOICE)[:120]
    sku = line.text("variant sku", longest=100).lstrip("'")
    made_up = "-".join(filter(None, (plain(line.raw("handle")), slug_of(variant))))
    if not line.flag("variant requires shipping", default=True):
        product = replace(product, product_type=ProductType.VIRTUAL)
    data = replace(
        product,
        sku=sku or made_up[:100],
        sku_is_ours=not sku,
        name=f"{product.name}, {variant}"[:255] if product.family else product.name,
        points_cost=line.price("variant price", terms),
        variant=variant if product.family else "",
        variant_position=product.variant_position if product.family else 0,
    )
    return Record(line.row, data, _stock(line))


def _stock(line: Cells) -> Stock | None:
    if line.has(TRACKER) and not plain(line.raw(TRACKER)):
        return UNCOUNTED  # the number in the file is left over from when Shopify still counted it
    if plain(line.raw("variant inventory qty")).startswith("-"):
        return Stock(0)  # a shop that sells more than it has shows a negative number
    pieces = line.whole("variant inventory qty", low=0)
    return None if pieces is None else Stock(pieces)
