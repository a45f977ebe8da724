"""Shopify's product export, in its older and its newer column names.

Rows of one handle are one product: the first has its texts, each with a price is a variant, and
those with a picture alone are neither. Handles stand together, as Shopify writes them.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from django.utils.text import slugify

from catalog.importing.records import Found, ImportFileError, Record, Skipped, Terms
from catalog.importing.sheets import header_names, rows
from catalog.importing.values import Cells, plain
from catalog.models import ProductType
from catalog.services import ProductData

# The newer names, as the older ones.
RENAMED = {
    "url handle": "handle",
    "description": "body (html)",
    "published on online store": "published",
    "sku": "variant sku",
    "price": "variant price",
    "inventory quantity": "variant inventory qty",
    "requires shipping": "variant requires shipping",
    "product image url": "image src",
}
NO_CHOICE = "Default Title"


def fits(header: list[str]) -> bool:
    names = {RENAMED.get(name, name) for name in header}
    return {"handle", "title", "variant price"} <= names


def read(path: Path, terms: Terms) -> Found:
    """Each variant as a record; several of a handle are a family."""
    lines = rows(path)
    header = [RENAMED.get(name, name) for name in header_names(next(lines, (0, []))[1])]
    if not fits(header):
        raise ImportFileError("The header lacks Handle, Title or Variant Price.")
    cells = (Cells(number, dict(zip(header, values, strict=False))) for number, values in lines)
    for handle, group in groupby(cells, key=lambda one: plain(one.raw("handle"))):
        yield from _product(handle, group, terms)


def _product(handle: str, group: Iterable[Cells], terms: Terms) -> Found:
    first, *more = group
    if not handle:
        first.error("handle", "is missing")
    sold = [line for line in (first, *more) if _is_variant(line)]
    if not sold:
        first.error("variant price", "is missing")
    product = _product_of(first, family=handle if len(sold) > 1 else "")
    yield from first.errors
    bad = bool(first.errors)
    first.errors.clear()
    for line in (first, *more):
        if line not in sold:
            yield Skipped(line.row, "a further picture")
            continue
        record = _variant(line, product, terms)
        yield from line.errors
        if not (bad or line.errors):
            yield record


def _is_variant(line: Cells) -> bool:
    return bool(line.raw("variant price").strip() or line.raw("variant sku").strip())


def _product_of(first: Cells, *, family: str) -> ProductData:
    """What a product's first row says of all its variants; the rest is filled in by each."""
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
        family=f"shopify-{family}"[:120] if family else "",
        family_name=name if family else "",
        image_url=first.text("image src", longest=500),
        is_active=first.flag("status", default=True) and first.flag("published", default=True),
    )


def _variant(line: Cells, product: ProductData, terms: Terms) -> Record:
    chosen = [line.text(f"option{number} value", longest=100) for number in (1, 2, 3)]
    variant = " / ".join(one for one in chosen if one and one != NO_CHOICE)[:120]
    sku = line.text("variant sku", longest=100).lstrip("'")
    made_up = "-".join(filter(None, (plain(line.raw("handle")), slugify(variant))))
    if not line.flag("variant requires shipping", default=True):
        product = replace(product, product_type=ProductType.VIRTUAL)
    data = replace(
        product,
        sku=sku or made_up[:100],
        name=f"{product.name}, {variant}"[:255] if product.family else product.name,
        points_cost=line.price("variant price", terms),
        variant=variant if product.family else "",
    )
    stock = plain(line.raw("variant inventory qty"))
    # A shop that sells what it has not got counts below zero.
    pieces = 0 if stock.startswith("-") else line.whole("variant inventory qty", low=0)
    return Record(line.row, data, pieces)
