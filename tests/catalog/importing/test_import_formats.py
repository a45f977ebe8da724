"""Each format that `import_products` reads, on small files of ours and on real ones if present."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import Workbook

from catalog.importing.reloadly import round_values
from catalog.models import Category, Family, Product, ProductType, StockStatus
from inventory.models import Inventory, StockMovement
from tests.catalog.importing.command import FIXTURES, run

pytestmark = pytest.mark.django_db
REAL = os.environ.get("REAL_CATALOGUES", "")
on_real_files = pytest.mark.skipif(
    not REAL, reason="REAL_CATALOGUES does not name a folder of real catalogues"
)


def product(sku: str) -> Product:
    return Product.objects.select_related("category", "family").get(sku=sku)


def stock_of(sku: str) -> int | None:
    shelf = Inventory.objects.filter(product__sku=sku).first()
    return shelf.quantity_available if shelf else None


def test_our_own_columns() -> None:
    done = run(FIXTURES / "portal.csv")
    assert done.ok, done.errors
    assert "4 created, 0 changed, 0 unchanged, stock taken of 3" in done.out
    pen = product("PEN-01")
    assert (pen.name, pen.points_cost, pen.brand) == ('Fountain pen "Kestrel"', 2400, "Kestrel")
    assert pen.description == "<p>Writes &amp; refills.</p>"
    assert pen.slug == "fountain-pen-kestrel"
    assert (stock_of("PEN-01"), pen.stock_status) == (12, StockStatus.IN_STOCK)
    small, large = product("MUG-S"), product("MUG-L")
    assert small.family == large.family == Family.objects.get(name="Enamel mug")
    assert small.description == "<p>Quarter of a litre.</p>"
    assert large.points_cost == 1200
    assert (small.is_card, large.is_card) == (True, False)
    assert (stock_of("MUG-L"), large.stock_status) == (0, StockStatus.OUT)
    ticket = product("0042")
    assert (ticket.product_type, ticket.minimum_tier, ticket.is_active) == (
        ProductType.VIRTUAL, "SILVER", False,
    )  # fmt: skip
    assert ticket.description == "<p>One person.</p><p>Any day.</p>"
    assert stock_of("0042") is None
    assert ticket.stock_status == StockStatus.IN_STOCK


def test_stock_that_is_imported_is_a_movement_like_any_other() -> None:
    run(FIXTURES / "portal.csv")
    moved = StockMovement.objects.get(product__sku="PEN-01")
    assert (moved.kind, moved.available_change, moved.reason) == ("RECEIVED", 12, "Import")


def test_our_own_columns_in_a_workbook(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["SKU", "Name", "Product type", "Price", "Category", "Stock", "Is active"])
    sheet.append([4711, "Desk lamp", "physical", 39.5, "Office", 3, True])
    sheet.append([None, None, None])
    book.save(tmp_path / "products.xlsx")
    done = run(tmp_path / "products.xlsx", "--points-per-unit", "100")
    assert done.ok, done.errors
    assert (product("4711").points_cost, stock_of("4711")) == (3950, 3)


def test_shopify() -> None:
    done = run(FIXTURES / "shopify.csv", "--points-per-unit", "100")
    assert done.ok, done.errors
    assert "4 created" in done.out
    assert "1 rows skipped" in done.out
    small, medium = product("HT-S"), product("HT-M")
    assert small.name == "Harbour tee, S / Sand"
    assert small.variant == "S / Sand"
    assert small.points_cost == 1950
    assert small.family == medium.family
    assert medium.description == '<p>Soft, "garden-dyed" cotton.</p>'
    assert (small.category.name, small.category.motif) == ("Shirts", "Apparel & Accessories")
    assert (stock_of("HT-S"), stock_of("HT-M")) == (7, 0)
    plans = product("kite-plans")
    assert (plans.product_type, plans.family, plans.variant) == (ProductType.VIRTUAL, None, "")
    assert plans.category.name == "Other"
    card = product("HGC-25")
    assert (card.product_type, card.is_active) == (ProductType.VIRTUAL, False)


def test_shopify_in_its_newer_names(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text(
        "Title,URL handle,Description,Vendor,Product category,Type,Published on online store,Status,"
        "SKU,Option1 name,Option1 value,Price,Inventory quantity,Requires shipping\n"
        "Basket,basket,Willow.,Weaver,Home > Storage,,TRUE,Active,BSK,,,12,4,TRUE\n"
    )
    done = run(path, "--points-per-unit", "10")
    assert "reading as shopify" in done.out
    assert (product("BSK").points_cost, product("BSK").category.name) == (120, "Storage")


def test_woocommerce() -> None:
    done = run(FIXTURES / "woocommerce.csv", "--points-per-unit", "100")
    assert done.ok, done.errors
    assert "4 created" in done.out
    assert "2 rows skipped" in done.out
    red, blue = product("LAMP-R"), product("LAMP-B")
    assert (red.name, red.points_cost, red.brand) == ("Reading lamp, Red", 2990, "Lumen")
    assert red.family == blue.family
    assert red.category.name == "Lighting"
    assert "Bends.<br>Stays bent." in red.description
    assert (stock_of("LAMP-R"), stock_of("LAMP-B")) == (5, 0)
    jam = product("JAM")
    assert (jam.points_cost, jam.category.name, stock_of("JAM")) == (650, "Food, drink", 0)
    lesson = product("WOO-15")
    assert (lesson.product_type, lesson.is_active) == (ProductType.VIRTUAL, False)


def test_reloadly_makes_families_of_values() -> None:
    done = run(FIXTURES / "reloadly.json", "--points-per-unit", "100")
    assert done.ok, done.errors
    cinema = product("RELOADLY-501-25")
    assert (cinema.name, cinema.points_cost) == ("Corner Cinema, 25 GBP", 3275)
    assert cinema.product_type == ProductType.VIRTUAL
    assert cinema.description == (
        "<p>Show it at the till.</p><p>Valid for a year.</p><p>Not for <b>popcorn</b> &amp; drinks.</p>"
    )
    assert cinema.family == product("RELOADLY-501-10").family
    values = Product.objects.filter(family__code="reloadly-502").order_by("points_cost")
    assert [(one.variant, one.points_cost) for one in values] == [
        ("5 EUR", 550), ("10 EUR", 1100), ("25 EUR", 2750), ("50 EUR", 5500), ("100 EUR", 11000),
    ]  # fmt: skip
    games = Product.objects.filter(family__name="Star Game").order_by("variant")
    assert [game.variant for game in games] == ["Chile, 59.99 USD", "Peru, 59.99 USD"]
    assert games.filter(is_card=True).count() == 1


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        ("5", "500", [5, 10, 25, 50, 100, 250, 500]),
        ("1", "2000", [1, 5, 10, 25, 100, 250, 500, 1000]),
        ("3", "4", [3, 4]),
        ("7.5", "7.5", [Decimal("7.5")]),
        ("0.01", "0.9", [Decimal("0.01"), Decimal("0.9")]),
        ("1000", "99999", [1000, 2500, 5000, 10000, 25000, 50000]),
    ],
)
def test_a_range_is_offered_in_round_values(low: str, high: str, values: list[object]) -> None:
    assert round_values(Decimal(low), Decimal(high)) == values


def test_books_without_a_header() -> None:
    done = run(FIXTURES / "oscar.csv", "--points-per-unit", "100")
    assert done.ok, done.errors
    dog = product("9990000000011")
    assert (dog.points_cost, dog.category.name, dog.category.motif) == (
        1299,
        "Sea stories",
        "Books",
    )
    assert dog.description.startswith('<p>A dog, a lamp and "one long winter" with "quotes"')
    assert product("9990000000028").points_cost == 1  # the lowest price is one point
    assert product("9990000000035").points_cost == 125_000
    assert stock_of("9990000000011") == 21


def test_saleor() -> None:
    done = run(FIXTURES / "saleor.json", "--points-per-unit", "100")
    assert done.ok, done.errors
    assert "3 created" in done.out
    assert "1 rows skipped" in done.out
    green = product("CAN-G")
    assert (green.name, green.points_cost, green.category.name) == (
        "Watering can, Green",
        2400,
        "Watering",
    )
    assert green.description == (
        "<h3>Rain, but yours</h3><p>Holds <b>nine</b> litres.</p>"
        "<ul><li>Steel</li><li>Rose included</li></ul>"
    )
    assert (stock_of("CAN-G"), stock_of("CAN-Z")) == (10, 0)
    bees = product("BEES")
    assert (bees.product_type, bees.is_active, stock_of("BEES")) == (
        ProductType.VIRTUAL,
        False,
        None,
    )


@pytest.mark.parametrize(
    "name",
    ["portal.csv", "shopify.csv", "woocommerce.csv", "reloadly.json", "oscar.csv", "saleor.json"],
)
def test_a_second_run_changes_nothing(name: str) -> None:
    first = run(FIXTURES / name, "--points-per-unit", "100")
    before = list(Product.objects.order_by("sku").values())
    second = run(FIXTURES / name, "--points-per-unit", "100", "--format", name.partition(".")[0])
    assert first.ok
    assert f"0 created, 0 changed, {len(before)} unchanged, stock taken of 0" in second.out
    assert list(Product.objects.order_by("sku").values()) == before


@on_real_files
def test_real_books() -> None:
    for path in sorted(Path(REAL).glob("oscar-books.*.csv")):
        done = run(path, "--points-per-unit", "100")
        assert done.ok, done.errors
    assert Product.objects.count() == 198  # 201 rows, of which three repeat others
    assert not Product.objects.filter(inventory=None).exists()
    assert not Product.objects.filter(description__contains="&amp;amp;").exists()


@on_real_files
@pytest.mark.parametrize(
    ("name", "products", "cards"),
    [("reloadly-gift-cards.json", 357, 33), ("saleor-sample-shop.json", 73, 32)],
)
def test_real_documents(name: str, products: int, cards: int) -> None:
    path = Path(REAL) / name
    done = run(path, "--points-per-unit", "100")
    assert done.ok, done.errors
    assert Product.objects.count() == products
    assert Product.objects.filter(is_card=True).count() == cards
    again = run(path, "--points-per-unit", "100")
    assert f"0 created, 0 changed, {products} unchanged" in again.out
    assert Category.objects.exists()
