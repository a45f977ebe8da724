"""Reads the book list of django-oscar's sandbox: CSV with nine columns and no header."""

from pathlib import Path

from catalog.importing.records import NOT_OF_SHOPS, Found, Record, Stock, Terms
from catalog.importing.sheets import rows
from catalog.importing.texts import plain
from catalog.importing.values import Cells, money
from catalog.models import ProductType
from catalog.services import ProductData

COLUMNS = ("class", "category", "upc", "title", "description", "partner", "sku", "price", "stock")
_UNSAID = (
    *(*NOT_OF_SHOPS, "brand", "family", "family_name", "family_options"),
    *("variant", "variant_position", "image_url", "is_active"),
)


def fits(first: list[str]) -> bool:
    """Whether the first row has nine cells that end with a price and a number of pieces."""
    if len(first) != len(COLUMNS):
        return False
    try:
        return money(first[7]) > 0 and plain(first[8]).isdigit()
    except ValueError:
        return False


def read(path: Path, terms: Terms) -> Found:
    """Read each row as a physical product with its stock."""
    for number, values in rows(path):
        cells = Cells(number, dict(zip(COLUMNS, values, strict=False)))
        if len(values) != len(COLUMNS):
            cells.error("row", f"has {len(values)} cells instead of {len(COLUMNS)}")
            yield from cells.errors
            continue
        shelves = [plain(part) for part in cells.raw("category").split(">")]
        if not shelves[-1]:
            cells.error("category", "is missing")
        data = ProductData(
            sku=cells.text("sku", longest=100, required=True),
            name=cells.text("title", longest=255, required=True),
            product_type=ProductType.PHYSICAL,
            points_cost=cells.price("price", terms),
            category=shelves[-1][:120],
            category_motif=shelves[0],
            description=cells.description("description"),
            source=f"oscar:{plain(cells.raw('sku'))}"[:300],
            unsaid=_UNSAID,
        )
        stock = cells.whole("stock", low=0)
        if cells.errors:
            yield from cells.errors
        else:
            yield Record(number, data, None if stock is None else Stock(stock))
