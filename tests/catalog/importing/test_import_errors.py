"""Untidy files give clear errors by row, and nothing is imported in part."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Category, Family, Product
from inventory.models import Inventory, StockMovement
from tests.catalog.factories import ProductFactory
from tests.catalog.importing.command import (
    FIXTURES,
    PORTAL_HEADER,
    portal_file,
    run,
    swollen,
    workbook,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("A,Mug,PHYSICAL,abc,Kitchen", "row 3: points cost: 'abc' is not a number"),
        ("A,Mug,PHYSICAL,,Kitchen", "row 3: points_cost: is missing"),
        (
            "A,Mug,PHYSICAL,0,Kitchen",
            "row 3: points cost: must be between 1 and 2,147,483,647, not 0",
        ),
        ("A,Mug,PHYSICAL,-5,Kitchen", "must be between 1 and"),
        ("A,Mug,PHYSICAL,1e18,Kitchen", "'1e18' is not a number"),
        ("A,Mug,PHYSICAL,99999999999,Kitchen", "must be between 1 and"),
        ("A,Mug,PHYSICAL,1.5,Kitchen", "'1.5' is not a whole number"),
        ("A,Mug,PHYSICAL,1.500,Kitchen", "'1.500' can be read in two ways"),
        (
            "A,Mug,LIQUID,100,Kitchen",
            "row 3: product type: 'liquid' is neither PHYSICAL nor VIRTUAL",
        ),
        (",Mug,PHYSICAL,100,Kitchen", "row 3: sku: is missing"),
        ("A,,PHYSICAL,100,Kitchen", "row 3: name: is missing"),
        ("A,Mug,PHYSICAL,100,", "row 3: category: is missing"),
        (f"{'x' * 101},Mug,PHYSICAL,100,Kitchen", "row 3: sku: is longer than 100 characters"),
        (f"A,{'x' * 256},PHYSICAL,100,Kitchen", "row 3: name: is longer than 255 characters"),
        ("A,=1+1,PHYSICAL,100,Kitchen", "row 3: name: '=1+1' is a formula"),
        ("GOOD,Mug,PHYSICAL,100,Kitchen", "row 3: sku: 'GOOD' is in row 2 already"),
        ("A,Mug,PHYSICAL,100,Kitchen,surplus", "row 3: row: has more cells than the header's 5"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_written(tmp_path: Path, row: str, said: str) -> None:
    done = run(portal_file(tmp_path, "GOOD,Mug,PHYSICAL,100,Kitchen", row))
    assert not done.ok
    assert said in done.errors
    assert "1 error. Nothing was imported." in done.errors
    assert not Product.objects.exists()
    assert not Category.objects.exists()


def test_all_wrong_rows_are_listed_to_a_cap(tmp_path: Path) -> None:
    rows = [f"S{number},Mug,PHYSICAL,none,Kitchen" for number in range(60)]
    done = run(portal_file(tmp_path, *rows))
    assert "row 2: points cost: 'none' is not a number" in done.errors
    assert "row 51:" in done.errors
    assert "row 52:" not in done.errors
    assert "… and 10 more" in done.errors
    assert "60 errors. Nothing was imported." in done.errors


@pytest.mark.parametrize("late", [1500, 2500])
def test_an_error_far_down_undoes_the_batches_before_it(tmp_path: Path, late: int) -> None:
    rows = [f"S{number},Mug {number},PHYSICAL,100,Kitchen,5,Mugs" for number in range(late)]
    path = portal_file(
        tmp_path,
        *rows,
        "X,Mug,PHYSICAL,none,Kitchen,5,Mugs",
        header=PORTAL_HEADER + ",stock,family",
    )
    assert not run(path).ok
    for model in (Product, Category, Family, Inventory, StockMovement):
        assert not model.objects.exists()


def test_other_columns_have_their_errors_too(tmp_path: Path) -> None:
    header = (
        PORTAL_HEADER + ",stock,minimum_tier,is_active,available_from,available_until,description"
    )
    done = run(
        portal_file(
            tmp_path,
            "A,Mug,PHYSICAL,1,Kitchen,-1,GOLDEN,perhaps,31.12.2026,,",
            "B,Mug,PHYSICAL,1,Kitchen,2.5,,,2026-02-30,,",
            f"C,Mug,PHYSICAL,1,Kitchen,,,,2026-05-01,2026-04-01,{'x' * 20_001}",
            header=header,
        )
    )
    for said in (
        "row 2: stock: must be between 0",
        "row 2: minimum tier: 'GOLDEN' is none of BRONZE, SILVER, GOLD, PLATINUM",
        "row 2: is active: 'perhaps' is neither yes nor no",
        "row 2: available from: '31.12.2026' is not a date such as 2026-12-31",
        "row 3: stock: '2.5' is not a whole number",
        "row 3: available from: '2026-02-30' is not a date",
        "row 4: available until: must be after available_from",
        "row 4: description: is longer than 20,000 characters",
    ):
        assert said in done.errors


def test_what_one_gets_has_its_errors_too(tmp_path: Path) -> None:
    rows = [
        f"A,Mug,PHYSICAL,1,Kitchen,{'x' * 201},0,=1+1",
        f"B,Mug,PHYSICAL,1,Kitchen,,366,{'x' * 4_001}",
        "C,Mug,PHYSICAL,1,Kitchen,,soon,",
    ]
    header = PORTAL_HEADER + ",validity,delivery_days,terms"
    done = run(portal_file(tmp_path, *rows, header=header))
    for said in (
        "row 2: validity: is longer than 200 characters",
        "row 2: delivery days: must be between 1 and 365, not 0",
        "row 2: terms: '=1+1' is a formula; write the text itself",
        "row 3: delivery days: must be between 1 and 365, not 366",
        "row 3: terms: is longer than 4,000 characters",
        "row 4: delivery days: 'soon' is not a number",
    ):
        assert said in done.errors


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("sku,name,product_type", "Nearest is portal, which also needs category, points_cost"),
        (PORTAL_HEADER + ",colour,", "The header has columns that are not known: colour."),
        (PORTAL_HEADER + ",SKU", "The header has columns twice: sku."),
        ("a,b,c", "The columns are of no known format."),
    ],
)
def test_a_wrong_header_gets_a_sentence(tmp_path: Path, header: str, said: str) -> None:
    done = run(portal_file(tmp_path, "A,Mug,PHYSICAL,100,Kitchen", header=header))
    assert not done.ok
    assert said in done.errors


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\n\n,,\n", "The file is empty."),
        (PORTAL_HEADER.encode() + b"\n", "The file has no products."),
        (b"sku,name\nA,\x00\n", "This is no workbook and no text: it has NUL bytes in it."),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "no workbook and no text: it is a JPEG picture. CSV,"),
        (b"%PDF-1.7\n1 0 obj", "This is no workbook and no text: it is a PDF file."),
        (b"damaged\x00\x00xl/workbook.xml", "If its name ends in .xlsx, it is damaged."),
        (PORTAL_HEADER.encode() + b'\nA,"Mug', "Is a quote left open?"),
        (
            PORTAL_HEADER.encode() + b'\nA,"Mug"" x" y,PHYSICAL,1,K',
            "row 2: the quotes are not right",
        ),
        (
            PORTAL_HEADER.encode() + b"\nA," + b"x" * 10_000_000,
            "row 2: a cell is longer than 131,072",
        ),
        (b"PK\x03\x04 not a workbook", "The workbook cannot be opened"),
        (b"{not json", "This is not JSON as it should be"),
        (b"[" * 200_000, "This is not JSON as it should be"),
        (b'{"content": [NaN]}', "NaN is not a number"),
        (b'{"content": []}', "neither Reloadly's nor Saleor's: it is an object with content."),
        (b"[1, 2]", "neither Reloadly's nor Saleor's: it is a list of other things than objects."),
        (b'[{"id": 1, "title": "A"}]', "it is a list of objects with id, title."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "This is an old workbook (.xls)."),
    ],
)
def test_what_is_no_catalogue_gets_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    done = run(path, "--points-per-unit", "1")
    assert not done.ok
    assert said in done.errors
    assert "Nothing was imported." in done.errors


def test_a_workbook_that_unpacks_to_hundreds_of_megabytes_is_refused_unread(
    tmp_path: Path,
) -> None:
    path = tmp_path / "products.xlsx"
    path.write_bytes(swollen(workbook(list(PORTAL_HEADER.split(",")))))
    assert path.stat().st_size < 1_000_000
    done = run(path)
    assert not done.ok
    assert "it unpacks to 300 MB. Save it as CSV." in done.errors


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/workbook.xml"])
def test_a_workbook_that_is_damaged_inside_gets_a_sentence(tmp_path: Path, part: str) -> None:
    path = tmp_path / "products.xlsx"
    whole = io.BytesIO(workbook(list(PORTAL_HEADER.split(",")), ["A", "Mug", "PHYSICAL", 1, "K"]))
    with zipfile.ZipFile(whole) as book, zipfile.ZipFile(path, "w") as damaged:
        for name in book.namelist():
            raw = book.read(name)
            damaged.writestr(name, raw[: len(raw) // 2] if name == part else raw)
    done = run(path)
    assert not done.ok
    assert "The workbook cannot be opened" in done.errors


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("cp1252", ";"), ("utf-16", "\t"), ("utf-8", "|")],
)
def test_usual_encodings_and_separators_are_understood(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    path = tmp_path / "products.csv"
    lines = [PORTAL_HEADER.split(","), ["A", "Café – crème", "PHYSICAL", "100", "Küche"]]
    path.write_bytes("\r\n".join(delimiter.join(line) for line in lines).encode(encoding))
    assert run(path).ok
    found = Product.objects.select_related("category").get()
    assert (found.name, found.category.name) == ("Café – crème", "Küche")


@pytest.mark.parametrize("number", ["0", "-1", "abc", "NaN", "Infinity", "1e9"])
def test_points_per_unit_must_be_a_sensible_number(number: str) -> None:
    done = run(FIXTURES / "oscar.csv", f"--points-per-unit={number}")
    assert not done.ok
    assert "must be a number above 0" in done.errors


def test_prices_need_points_per_unit() -> None:
    done = run(FIXTURES / "oscar.csv")
    assert not done.ok
    assert "--points-per-unit 100" in done.errors
    assert not Product.objects.exists()


def test_cards_without_a_price_of_ours_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    path.write_text(
        '[{"denominationType": "FIXED", "productId": 1, "productName": "A", "recipientCurrencyCode": "INR",'
        '  "senderCurrencyCode": "USD", "fixedRecipientDenominations": [500]},'
        ' {"denominationType": "FIXED", "productId": 2, "productName": "B", "fixedRecipientDenominations": []},'
        ' {"denominationType": "RANGE", "productId": 3, "productName": "C", "minRecipientDenomination": 9,'
        '  "maxRecipientDenomination": 3}, 7, {"productName": null}, {"denominationType": "FIXED",'
        '  "productId": 6, "productName": "D", "fixedRecipientDenominations": [true, "x"]}]'
    )
    done = run(path, "--points-per-unit", "100")
    assert not done.ok
    assert "row 1: price: none is given in USD, only INR" in done.errors
    assert "row 2: fixedRecipientDenominations: is missing" in done.errors
    assert "row 3: minRecipientDenomination: 9 is above the maximum, 3" in done.errors
    assert "row 4: productName: is missing" in done.errors
    assert "row 5: productName: is missing" in done.errors
    assert "row 6: fixedRecipientDenominations: 'True' is not a number above 0" in done.errors


def test_a_variation_without_its_product_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "woo.csv"
    path.write_text("Type,SKU,Name,Regular price,Parent\nvariation,V,Lamp,5,NONE\n")
    done = run(path, "--points-per-unit", "1")
    assert "row 2: parent: 'NONE' is not a variable product of this file" in done.errors


def test_a_dry_run_says_what_would_happen_and_writes_nothing(tmp_path: Path) -> None:
    ProductFactory.create(
        sku="PEN-01", name="Old pen", points_cost=900, brand="", category__name="Pens"
    )
    before = list(Product.objects.values())
    done = run(FIXTURES / "portal.csv", "--dry-run")
    assert done.ok
    assert "new: MUG-S" in done.out
    assert "new categories: " in done.out
    assert (
        'change: PEN-01 (Fountain pen "Kestrel"): name Old pen → Fountain pen "Kestrel", '
        "points_cost 900 → 2400, description, brand nothing → Kestrel, category Pens → Stationery"
    ) in done.out
    assert "Would be 3 created, 1 changed, 0 unchanged, stock taken of 2" in done.out
    assert list(Product.objects.values()) == before
    assert not Family.objects.exists()


def test_what_differs_is_changed_and_its_address_stock_and_category_name_stay(
    tmp_path: Path,
) -> None:
    header = PORTAL_HEADER + ",stock"
    run(portal_file(tmp_path, "A,Mug,PHYSICAL,100,Kitchen,5", header=header))
    Category.objects.update(name="Kitchen and table")
    done = run(portal_file(tmp_path, "A,Beaker,PHYSICAL,150,Kitchen,99", header=header))
    assert "0 created, 1 changed, 0 unchanged, stock taken of 0" in done.out
    assert "changed: A (Beaker): name Mug → Beaker, points_cost 100 → 150\n" in done.out
    found: Any = Product.objects.get()
    assert (found.name, found.points_cost, found.slug) == ("Beaker", 150, "mug")
    assert found.inventory.quantity_available == 5
    assert Category.objects.get().name == "Kitchen and table"
    assert found.changes.count() >= 2  # the history has both


def test_a_sku_of_two_files_is_as_the_last_one_says_and_each_import_tells(tmp_path: Path) -> None:
    """Some books are in several of the real catalogues, each time with a price and a category."""
    shelves = {"Novels": 1799, "Hacking": 799}
    said = [
        run(portal_file(tmp_path, f"A,Snow Crash,PHYSICAL,{points},{shelf}")).out
        for shelf, points in [*shelves.items(), *shelves.items()]
    ]
    there = "changed: A (Snow Crash): points_cost 1799 → 799, category Novels → Hacking"
    back = "changed: A (Snow Crash): points_cost 799 → 1799, category Hacking → Novels"
    assert [there in out for out in said] == [False, True, False, True]
    assert [back in out for out in said] == [False, False, True, False]


def test_long_values_are_told_in_short_and_many_changes_by_number(tmp_path: Path) -> None:
    rows = [f"S{number},{'Mug ' * 40}{number},PHYSICAL,100,Kitchen" for number in range(22)]
    run(portal_file(tmp_path, *rows))
    done = run(portal_file(tmp_path, *(row.replace("Mug", "Cup") for row in rows)))
    assert done.out.count("changed: S") == 20
    assert f"name {'Mug ' * 14}Mug… → {'Cup ' * 14}Cup…" in done.out
    assert "… and 2 more changes" in done.out


def test_products_of_one_name_get_addresses_of_their_own(tmp_path: Path) -> None:
    run(
        portal_file(
            tmp_path,
            *(f"{sku},Mug,PHYSICAL,100,Kitchen" for sku in ("A/1", "A-1", "A 1", "日本")),
            "B,日本,PHYSICAL,100,日本",
        )
    )
    slugs = set(Product.objects.values_list("slug", flat=True))
    assert len(slugs) == 5
    assert "mug" in slugs
    assert all(slugs)


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(CommandError, match=r"There is no file /nowhere/x\.csv"):
        call_command("import_products", "/nowhere/x.csv")


@pytest.mark.parametrize(
    ("price", "points"),
    [
        ("17.99", 1799),
        ("17,99", 1799),
        ("1,299.00", 129_900),
        ("1.299,00", 129_900),
        ("1'299.00", 129_900),
        ("€ 17,99", 1799),
        ("USD 5", 500),
        ("5 EUR", 500),
        ("$0.004", 1),
    ],
)
def test_prices_are_read_as_people_write_them(tmp_path: Path, price: str, points: int) -> None:
    header = "sku;name;product_type;price;category"
    path = portal_file(tmp_path, f"A;Mug;PHYSICAL;{price};Kitchen", header=header)
    done = run(path, "--points-per-unit", "100")
    assert done.ok, done.errors
    assert Product.objects.get().points_cost == points


@pytest.mark.parametrize(
    "price", ["", "free", "0", "-3", "1.2.3,4", "1,299", "1.299", "99999999999"]
)
def test_prices_that_are_none_are_errors(tmp_path: Path, price: str) -> None:
    header = "sku;name;product_type;price;category"
    path = portal_file(tmp_path, f"A;Mug;PHYSICAL;{price};Kitchen", header=header)
    done = run(path, "--points-per-unit", "100")
    assert not done.ok
    assert "row 2: p" in done.errors
