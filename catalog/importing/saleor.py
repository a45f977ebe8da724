"""Reads a Saleor shop from its Django fixture: objects of many models that refer to each other.

Prices and publication dates are those of the first channel, which is Saleor's default.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalog.importing.documents import load
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
from catalog.importing.texts import plain, rich
from catalog.importing.values import Cells
from catalog.models import ProductType
from catalog.services import ProductData

Fields = dict[str, Any]


def fits(document: object) -> bool:
    return isinstance(document, list) and any(
        isinstance(one, dict) and one.get("model") == "product.product" for one in document
    )


class _Shop:
    """The objects of a fixture, by model and key."""

    def __init__(self, objects: list[Any]) -> None:
        self._models: dict[str, dict[Any, Fields]] = defaultdict(dict)
        for one in objects:
            if isinstance(one, dict) and isinstance(one.get("fields"), dict):
                self._models[str(one.get("model"))][one.get("pk")] = one["fields"]
        channels = self._models["channel.channel"]
        self.channel = min(channels, key=str) if channels else None
        self.prices = {
            fields.get("variant"): fields.get("price_amount")
            for fields in self.here("product.productvariantchannellisting")
        }
        self.published = {
            fields.get("product"): bool(fields.get("is_published"))
            and fields.get("visible_in_listings") is not False
            for fields in self.here("product.productchannellisting")
        }
        self.stock: dict[Any, int] = defaultdict(int)
        for fields in self._models["warehouse.stock"].values():
            self.stock[fields.get("product_variant")] += int(fields.get("quantity") or 0)
        self.siblings: dict[Any, int] = defaultdict(int)
        for key, fields in self._models["product.productvariant"].items():
            if self.prices.get(key) is not None:
                self.siblings[fields.get("product")] += 1

    def here(self, model: str) -> Iterator[Fields]:
        """The channel listings of a model that belong to the default channel."""
        return (one for one in self._models[model].values() if one.get("channel") == self.channel)

    def get(self, model: str, key: object) -> Fields:
        return self._models[model].get(key, {})

    def shelves(self, key: object) -> list[str]:
        """The names of a category and of the categories above it."""
        names: list[str] = []
        while key is not None and len(names) < 10:
            category = self.get("product.category", key)
            names.insert(0, plain(str(category.get("name", ""))))
            key = category.get("parent")
        return names or [""]


def read(path: Path, terms: Terms) -> Found:
    """Read each variant that has a price as a record; `row` is its place in the list."""
    document = load(path)
    if not fits(document):
        raise ImportFileError("This is not a fixture of a Saleor shop.")
    shop = _Shop(document)
    for number, one in enumerate(document, start=1):
        if not isinstance(one, dict) or one.get("model") != "product.productvariant":
            continue
        if not isinstance(one.get("fields"), dict):
            yield RowError(number, "fields", "are missing")
        elif shop.prices.get(one.get("pk")) is None:
            yield Skipped(number, "a variant without a price in the first channel")
        else:
            yield from _variant(number, one.get("pk"), one["fields"], shop, terms)


def _variant(number: int, key: object, variant: Fields, shop: _Shop, terms: Terms) -> Found:
    product = shop.get("product.product", variant.get("product"))
    kind = shop.get("product.producttype", product.get("product_type"))
    shelves = shop.shelves(product.get("category"))
    several = shop.siblings[variant.get("product")] > 1
    cells = Cells(
        number,
        {
            "sku": str(variant.get("sku") or f"SALEOR-{key}"),
            "source": str(product.get("slug") or variant.get("product")),
            "product": str(product.get("name") or ""),
            "variant": str(variant.get("name") or ""),
            "price": _two_decimals(shop.prices[key]),
        },
    )
    name = cells.text("product", longest=200, required=True)
    choice = cells.text("variant", longest=50)
    shipped = kind.get("is_shipping_required", True)
    data = ProductData(
        sku=cells.text("sku", longest=100, required=True),
        name=f"{name}, {choice}" if several and choice else name,
        product_type=ProductType.PHYSICAL if shipped else ProductType.VIRTUAL,
        points_cost=cells.price("price", terms),
        category=(shelves[-1] or "Other")[:120],
        category_motif=" ".join(shelves),
        description=_description(product),
        family=f"saleor-{cells.raw('source')}"[:120] if several else "",
        family_name=name if several else "",
        variant=choice if several else "",
        variant_position=_position(variant) if several else 0,
        is_active=shop.published.get(variant.get("product"), False),
        source=f"saleor:{cells.raw('source')}"[:300],
        sku_is_ours=not variant.get("sku"),
        unsaid=(*NOT_OF_SHOPS, "brand", "family_options", "image_url"),
    )
    yield from cells.errors
    if not cells.errors:
        counted = Stock(max(0, shop.stock.get(key, 0)))
        yield Record(number, data, counted if variant.get("track_inventory", True) else UNCOUNTED)


def _position(variant: Fields) -> int:
    """The variant's sort order in its product, which Saleor counts from 0."""
    place = variant.get("sort_order")
    return place + 1 if isinstance(place, int) and 0 <= place < 10_000 else 0


def _two_decimals(price: object) -> str:
    """Round a Saleor price, which has three decimals such as "24.000", to two."""
    return re.sub(r"(\.\d\d)0$", r"\1", str(price))


def _description(product: Fields) -> str:
    """Convert a description from Editor.js blocks to HTML paragraphs, headings and lists."""
    said = product.get("description")
    blocks = said.get("blocks") if isinstance(said, dict) else None
    parts: list[str] = []
    for block in blocks if isinstance(blocks, list) else []:
        data = block.get("data") if isinstance(block, dict) else None
        if not isinstance(data, dict):
            continue
        if isinstance(data.get("items"), list):
            items = (f"<li>{item}</li>" for item in data["items"] if isinstance(item, str))
            parts.append(f"<ul>{''.join(items)}</ul>")
        elif isinstance(data.get("text"), str):
            tag = "h3" if block.get("type") == "header" else "p"
            parts.append(f"<{tag}>{data['text']}</{tag}>")
    return rich("".join(parts))
