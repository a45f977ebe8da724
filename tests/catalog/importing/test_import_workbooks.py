"""Workbooks as programs save them, files of unknown format, column maps and templates."""

import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from catalog.models import Product
from inventory.models import Inventory
from tests.catalog.importing.command import FIXTURES, PORTAL_HEADER, portal_file, run, template

pytestmark = pytest.mark.django_db
HEADER = ["SKU", "Name", "Product type", "Category", "Price", "Stock", "Variant", "Available from"]


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Path]:
    """Saves a workbook of these rows, after changing its first sheet."""

    def save(*rows: list[object], change: Callable[[Worksheet], None] | None = None) -> Path:
        book = Workbook()
        sheet = book.worksheets[0]
        for row in rows:
            sheet.append(row)
        if change:
            change(sheet)
        book.save(tmp_path / "goods.xlsx")
        return tmp_path / "goods.xlsx"

    return save


def goods(**cells: object) -> list[object]:
    first = {
        "SKU": "A", "Name": "Mug", "Product type": "PHYSICAL", "Category": "Ware", "Price": 5,
        "Stock": 3,
    }  # fmt: skip
    return [{**first, **cells}.get(name) for name in HEADER]


def skus() -> set[str]:
    return set(Product.objects.values_list("sku", flat=True))


@pytest.mark.parametrize(
    ("value", "number_format", "seen"),
    [
        (456, "00000", "00456"),
        (1234567, "00000", "1234567"),
        (456789, "000-000-000", "000-456-789"),
        (12, '"A"0000', "A0012"),
        (456, "General", "456"),
        (456, "0.00", "456"),
        (4006381333931, "0", "4006381333931"),
        (0.1 + 0.2, "General", "0.3"),
    ],
)
def test_a_number_reads_as_it_is_seen(
    workbook: Callable[..., Path], value: float, number_format: str, seen: str
) -> None:
    def shape(sheet: Worksheet) -> None:
        sheet["A2"].number_format = number_format

    done = run(workbook(HEADER, [value, *goods()[1:]], change=shape), "--points-per-unit", "100")
    assert done.ok, done.errors
    assert skus() == {seen}


def test_a_size_that_became_a_date_is_an_error_by_its_cell(workbook: Callable[..., Path]) -> None:
    row = goods(Variant=date(2026, 2, 1), **{"Available from": date(2026, 1, 31)})
    done = run(workbook(HEADER, row), "--points-per-unit", "100")
    assert not done.ok
    assert "row 2: variant: the cell G2 is a date or time (2026-02-01" in done.errors
    assert "1 error." in done.errors  # the date in the date column is correct


@pytest.mark.parametrize("column", ["SKU", "Name", "Category", "Price", "Stock"])
def test_a_date_where_none_belongs_is_an_error_by_its_cell(
    workbook: Callable[..., Path], column: str
) -> None:
    done = run(workbook(HEADER, goods(**{column: date(2026, 2, 1)})), "--points-per-unit", "100")
    place = f"{chr(ord('A') + HEADER.index(column))}2"
    assert f"the cell {place} is a date or time" in done.errors
    assert "is missing" not in done.errors


def test_a_formula_without_a_value_is_an_error_by_its_cell(workbook: Callable[..., Path]) -> None:
    done = run(workbook(HEADER, goods(Price="=10*2")), "--points-per-unit", "100")
    assert not done.ok
    assert "row 2: price: the cell E2 is a formula (=10*2) without a value" in done.errors


def test_an_error_of_a_spreadsheet_is_an_error_by_its_cell(workbook: Callable[..., Path]) -> None:
    done = run(workbook(HEADER, goods(Name="#N/A")), "--points-per-unit", "100")
    assert "row 2: name: the cell B2 says #N/A" in done.errors


def test_the_header_is_found_below_a_title_and_said(workbook: Callable[..., Path]) -> None:
    done = run(
        workbook(["Price list 2026"], [], ["valid until", "31.12.2026"], HEADER, goods()),
        "--points-per-unit",
        "100",
    )
    assert done.ok, done.errors
    assert "row 4: taken as the header, of the sheet 'Sheet'" in done.out
    assert skus() == {"A"}


def test_the_header_is_found_below_a_title_in_a_csv_file_too(tmp_path: Path) -> None:
    path = tmp_path / "goods.csv"
    path.write_text(
        f"Nordwind, price list, 2026\n\n{PORTAL_HEADER.replace(',', ';')}\n"
        "A;Mug, blue;PHYSICAL;5;Ware\n"
    )
    done = run(path)
    assert done.ok, done.errors
    assert "row 3: taken as the header" in done.out
    assert Product.objects.get().name == "Mug, blue"


def test_products_are_found_on_the_second_sheet_and_said(tmp_path: Path) -> None:
    book = Workbook()
    book.worksheets[0].append(["Cover page"])
    sheet = book.create_sheet("Goods")
    sheet.append(HEADER)
    sheet.append(goods())
    book.save(tmp_path / "goods.xlsx")
    done = run(tmp_path / "goods.xlsx", "--points-per-unit", "100")
    assert done.ok, done.errors
    assert "row 1: taken as the header, of the sheet 'Goods'" in done.out
    assert skus() == {"A"}


def test_a_sheet_that_is_shown_comes_before_a_hidden_one(tmp_path: Path) -> None:
    book = Workbook()
    old = book.worksheets[0]
    new = book.create_sheet("New")
    old.sheet_state = "hidden"
    for sheet, sku in ((old, "OLD"), (new, "NEW")):
        sheet.append(HEADER)
        sheet.append(goods(SKU=sku))
    book.active = 1
    book.save(tmp_path / "goods.xlsx")
    run(tmp_path / "goods.xlsx", "--points-per-unit", "100")
    assert skus() == {"NEW"}


def test_a_sheet_that_is_larger_than_it_says_is_read_whole(
    workbook: Callable[..., Path], tmp_path: Path
) -> None:
    path, other = workbook(HEADER, goods()), tmp_path / "other.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            text = source.read(name)
            target.writestr(name, text.replace(b'ref="A1:H2"', b'ref="A1:A1"'))
    done = run(other, "--points-per-unit", "100")
    assert done.ok, done.errors
    assert skus() == {"A"}


# Files of no known format


def test_an_unknown_format_is_told_with_what_was_read_and_no_nearest(tmp_path: Path) -> None:
    """Such as Magento's export, of which half the columns have names of our own format."""
    header = "sku,store_view_code,attribute_set_code,product_type,categories,name,price,qty"
    done = run(portal_file(tmp_path, "A,,Default,simple,Default/Ware,Mug,5,3", header=header))
    assert not done.ok
    for said in (
        "The columns are of no known format.",
        "In row 1 stands: sku, store_view_code, attribute_set_code",
        "portal, shopify and woocommerce (CSV or XLSX with a header)",
        "--map FILE",
        "--template FILE",
        "Nothing was imported.",
    ):
        assert said in done.errors
    assert "Nearest" not in done.errors
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("header", "nearest"),
    [
        ("sku\tname", "portal, which also needs product_type, category, points_cost (or price)."),
        ("sku,price,stock,brand", "portal, which also needs name, product_type, category."),
        ("ID,Type,SKU,Name,Published,Tags", "woocommerce, which also needs regular_price."),
        ("Name,Price of it,Colour", ""),
        ("sku", ""),
    ],
)
def test_the_nearest_format_is_the_one_with_the_largest_share_of_columns(
    tmp_path: Path, header: str, nearest: str
) -> None:
    separator = "\t" if "\t" in header else ","
    row = separator.join("x" for _ in header.split(separator))
    done = run(portal_file(tmp_path, row, header=header))
    assert (f"Nearest is {nearest}" if nearest else "") in done.errors
    assert ("Nearest is" in done.errors) is bool(nearest)


def test_the_nearest_format_may_be_a_shop_s(tmp_path: Path) -> None:
    done = run(portal_file(tmp_path, "mug,Mug,5", header="Handle,Title,Cost"))
    assert "Nearest is shopify, which also needs variant_price." in done.errors


# Maps


def mapped(folder: Path, *lines: str) -> str:
    path = folder / "theirs.map"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


THEIRS = ("# Nordwind's price list", "sku = Article no.", "name = Description", "category = Group")


def test_a_map_brings_in_what_has_no_format(tmp_path: Path) -> None:
    path = portal_file(
        tmp_path, "00456,Mug,Ware,4.50,blue", header="Article no.,Description,Group,Net,Remark"
    )
    the_map = mapped(tmp_path, *THEIRS, "price = Net", 'product_type = "PHYSICAL"', 'stock="12"')
    done = run(path, "--map", the_map, "--points-per-unit", "100")
    assert done.ok, done.errors
    assert "reading as portal by the map" in done.out
    stored = Product.objects.get()
    assert (stored.sku, stored.name, stored.points_cost) == ("00456", "Mug", 450)
    assert Inventory.objects.get().quantity_available == 12


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("sku",), "Line 1 of the map is not like: sku = the name of their column."),
        (("colour = Farbe",), "Line 1 of the map: 'colour' is no column of ours. Ours are sku,"),
        (("sku = A", "sku = B"), "Line 2 of the map names sku again."),
        (("sku = A", "name = B"), "The map lacks product_type, category, points_cost (or price)."),
        (
            (*THEIRS, "price = Group", 'product_type = "PHYSICAL"'),
            "The map uses a column of theirs twice: Group.",
        ),
        (
            (*THEIRS, "price = Brutto", 'product_type = "PHYSICAL"'),
            (
                "No row has all the columns that the map names. The first row, 'Article no., "
                "Description, Group, Net', lacks brutto."
            ),
        ),
    ],
)
def test_a_map_that_does_not_fit_gets_a_sentence(
    tmp_path: Path, lines: tuple[str, ...], said: str
) -> None:
    path = portal_file(tmp_path, "1,Mug,Ware,4", header="Article no.,Description,Group,Net")
    done = run(path, "--map", mapped(tmp_path, *lines), "--points-per-unit", "100")
    assert not done.ok
    assert said in done.errors


def test_a_map_is_for_files_without_a_format_of_their_own(tmp_path: Path) -> None:
    done = run(FIXTURES / "shopify.csv", "--map", mapped(tmp_path, *THEIRS), "--format", "shopify")
    assert "--map is for files of no format of their own" in done.errors


# Templates


@pytest.mark.parametrize("name", ["goods.csv", "goods.xlsx"])
def test_a_template_that_is_filled_in_comes_in(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert "written" in template(path).out
    row = {"sku": "00456", "name": "Mug", "product_type": "PHYSICAL", "category": "Ware"}
    row |= {"points_cost": "900", "variant": "1/2", "stock": "uncounted"}
    if name.endswith("csv"):
        header = path.read_text("utf-8-sig").strip()
        path.write_text(
            header + "\n" + ",".join(row.get(each, "") for each in header.split(",")) + "\n"
        )
    else:
        book = load_workbook(path)
        sheet = book["Products"]
        for place, cell in enumerate(next(sheet.iter_rows(max_row=1)), 1):
            # A text column keeps leading zeros and 1/2.
            assert sheet.cell(2, place).number_format == "@"
            sheet.cell(2, place).value = row.get(str(cell.value))
        book.save(path)
    done = run(path)
    assert done.ok, done.errors
    assert "reading as portal" in done.out
    assert skus() == {"00456"}


def test_a_template_replaces_no_file_and_has_a_known_ending(tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text("mine")
    assert "is there already" in template(tmp_path / "goods.csv").errors
    assert "must end in .csv or .xlsx" in template(tmp_path / "goods.txt").errors
    assert (tmp_path / "goods.csv").read_text() == "mine"


def test_an_import_without_a_file_says_what_to_do() -> None:
    done = run(None)
    assert "Say which file, or --template FILE" in done.errors
