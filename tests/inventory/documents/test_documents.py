"""A list of products is received, counted or adjusted as one document, wholly or not at all."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Barrier
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from openpyxl import Workbook

from accounts.models import User
from catalog.models import Product
from inventory import services as stock
from inventory.documents.lists import entries
from inventory.models import Inventory, StockDocument, StockMovement
from inventory.services import Want
from loyalty_portal.data.actor import SYSTEM
from redemption.invariants.checks import check_stock
from tests.catalog.factories import ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
PAGE = "/admin/inventory/stockdocument/write/{}/"


@pytest.fixture
def clerk() -> User:
    return staff("warehouse")


@pytest.fixture
def mug() -> Product:
    return ProductFactory.create(sku="MUG-1", name="Mug", in_stock=10)


@pytest.fixture
def pen() -> Product:
    return ProductFactory.create(sku="PEN-2", name="Pen", in_stock=5)


def on_shelf(product: Product) -> int:
    return Inventory.objects.get(product=product).on_shelf


def post(client: Client, way: str, lines: str, do: str = "write", **more: object) -> Any:
    given = {"token": uuid.uuid4(), "lines": lines, "do": do, "reason": "Yearly", **more}
    return client.post(PAGE.format(way), given)


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def seen_on(answer: Any) -> str:
    """The hidden field that says which numbers the page showed."""
    return answer.context["desk"].seen


def test_a_receipt_is_one_document_whose_movements_name_person_and_reason(
    clerk: User, mug: Product, pen: Product
) -> None:
    lines = "mug-1\t3\n\nPEN-2 12\n"  # capitals aside, and a space as well as a tab
    answer = post(browser(clerk), "receive", lines, reference="Note 77", reason="")
    document = StockDocument.objects.get()
    assert answer.status_code == 303
    assert answer["Location"].endswith(f"/{document.pk}/change/")
    assert (on_shelf(mug), on_shelf(pen)) == (13, 17)
    moved = document.movements.order_by("available_change")
    assert [(m.available_change, m.reason, m.by) for m in moved] == [
        (3, "Note 77", clerk),
        (12, "Note 77", clerk),
    ]
    page = text(browser(clerk).get(answer["Location"]))
    assert document.number in page
    assert "MUG-1" in page
    assert check_stock() == []


@pytest.mark.parametrize(
    ("way", "line", "why"),
    [
        ("receive", "CUP-9\t3", "No product has this SKU"),
        ("receive", f"{'9' * 4000}\t1", "This is no SKU: it has 4,000 characters"),
        ("receive", "PEN-2\t0", "Receive at least one piece"),
        ("receive", "PEN-2\t-4", "Receive at least one piece"),
        ("receive", "PEN-2\t1.5", "is no whole number"),
        ("receive", "PEN-2\t１２", "is no whole number"),
        ("receive", "PEN-2\tmany", "is no whole number"),
        ("receive", "PEN-2", "The number is missing"),
        ("receive", "PEN-2\t2000000000", "more than any shelf holds"),
        ("receive", "PEN-2\t999999999999", "more than any shelf holds"),
        ("receive", "PEN-2\t1000000000", "more than any shelf holds"),  # together with five
        ("receive", "PEN-2\t2\npen-2\t3", "stands in line 2 already"),
        ("count", "PEN-2\t-1", "A count cannot be below zero"),
        ("count", "PEN-2\t3", "4 pieces are held for orders; a count cannot be lower"),
        ("adjust", "PEN-2\t0", "An adjustment of zero changes nothing"),
        ("adjust", "PEN-2\t\u22122", "not that many pieces to take away: 1 are available"),
        ("receive", "FREE\t2", "is not counted, so its number cannot change"),
        ("receive", "CODE\t2", "is made on demand"),
    ],
)
def test_a_wrong_line_is_named_and_then_nothing_of_the_list_is_written(
    clerk: User, mug: Product, pen: Product, way: str, line: str, why: str
) -> None:
    stock.reserve(wants=[Want(pen.pk, 4, uuid.uuid4())], by=SYSTEM)
    stock.stop_counting(product=ProductFactory.create(sku="FREE"), reason="x", by=SYSTEM)
    ProductFactory.create(sku="CODE", virtual=True)
    before = StockMovement.objects.count()
    checked = post(browser(clerk), way, f"MUG-1\t11\n{line}", do="check")
    assert why in text(checked)
    assert "Book the" not in text(checked)
    refused = post(browser(clerk), way, f"MUG-1\t11\n{line}")
    assert refused.status_code == 422
    assert why in text(refused)
    assert f"MUG-1\t11\n{line[:20]}" in refused.content.decode()  # what was typed is kept
    assert (StockMovement.objects.count(), StockDocument.objects.count()) == (before, 0)
    assert check_stock() == []


def test_a_count_is_recorded_also_where_the_records_were_right(
    clerk: User, mug: Product, pen: Product
) -> None:
    stock.reserve(wants=[Want(pen.pk, 4, uuid.uuid4())], by=SYSTEM)
    post(browser(clerk), "count", "MUG-1\t10\nPEN-2\t7")
    changes = StockDocument.objects.get().movements.values_list("available_change", flat=True)
    assert sorted(changes) == [0, 2]
    assert (on_shelf(mug), on_shelf(pen)) == (10, 7)
    assert check_stock() == []


def test_a_form_that_is_sent_again_is_booked_once_whatever_it_says_then(
    clerk: User, mug: Product
) -> None:
    token, client = uuid.uuid4(), browser(clerk)
    first = post(client, "receive", "MUG-1\t3", token=token)
    again = post(client, "receive", "MUG-1\t8", token=token)
    assert again["Location"] == first["Location"]
    assert on_shelf(mug) == 13
    assert "nothing was booked again" in text(client.get(again["Location"]))


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_sent_ten_times_at_once_is_booked_once(clerk: User, mug: Product) -> None:
    token, start = uuid.uuid4(), Barrier(10)

    def press(_number: int) -> int:
        client = browser(clerk)
        start.wait()
        try:
            return post(client, "receive", "MUG-1\t3", token=token).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as hands:
        assert set(hands.map(press, range(10))) == {303}
    assert on_shelf(mug) == 13
    assert StockDocument.objects.count() == 1


def test_the_second_of_two_people_who_count_the_same_shelf_is_told_what_changed(
    clerk: User, mug: Product
) -> None:
    first, other = browser(clerk), staff("warehouse")
    page = post(first, "count", "MUG-1\t9", do="check")
    post(browser(other), "count", "MUG-1\t8")
    refused = post(first, "count", "MUG-1\t9", seen=seen_on(page))
    assert refused.status_code == 422
    assert "showed 10 on the shelf; now there are 8" in text(refused)
    assert str(other) in text(refused)
    assert on_shelf(mug) == 8
    # who has read it and books it all the same, counts
    post(first, "count", "MUG-1\t9", seen=seen_on(refused))
    assert on_shelf(mug) == 9


def test_what_changed_is_still_told_after_further_scans(clerk: User, mug: Product) -> None:
    ProductFactory.create(sku="PEN-2", in_stock=5)
    client = browser(clerk)
    page = post(client, "count", "MUG-1\t9", do="check")
    stock.receive(product=mug, quantity=5, reason="a parcel", by=SYSTEM)
    for _scan in range(2):
        page = post(client, "count", "MUG-1\t9", do="add", scan="PEN-2", seen=seen_on(page))
    assert "showed 10 on the shelf; now there are 15" in text(page)
    assert post(client, "count", "MUG-1\t9", seen=seen_on(page)).status_code == 422


def test_a_list_is_read_at_once_whatever_its_lines_look_like() -> None:
    """A search for the last separator that went back at each would take hours for the second."""
    endless = "A" + ";" * 400_000 + "!"
    lines = entries(f"MUG-1; 4\n{endless}\nMUG 2  -3\nMUG-3\n;5\n")
    assert [(line.sku, line.pieces) for line in lines] == [
        ("MUG-1", 4),
        (endless, None),
        ("MUG 2", -3),
        ("MUG-3", None),
        (";5", None),
    ]


def test_a_scan_adds_a_piece_and_one_of_something_else_adds_nothing(
    clerk: User, mug: Product
) -> None:
    client = browser(clerk)
    page = post(client, "receive", "", do="add", scan="mug-1")
    lines = page.context["desk"].text
    page = post(client, "receive", lines, do="add", scan=" MUG-1 ", pieces="6")
    assert page.context["desk"].text == "MUG-1\t7\n"
    assert "MUG-1 × 7" in text(page)
    for other in ("R-7KQ4M-2XDTP", "9" * 4_000, "\x00", "<script>", "MUG-1\t5"):
        page = post(client, "receive", "MUG-1\t7\n", do="add", scan=other)
        assert page.status_code == 422, other
        assert page.context["desk"].text == "MUG-1\t7\n"
        assert "<script>" not in page.context["desk"].said or "&lt;script&gt;" in text(page)
    page = post(client, "receive", "MUG-1\t7\n", do="add", scan="MUG-1", pieces="many")
    assert "whole number of pieces" in text(page)


def test_a_scan_by_the_script_is_answered_with_the_list_alone(clerk: User, mug: Product) -> None:
    answer = browser(clerk).post(
        PAGE.format("receive"),
        {"token": uuid.uuid4(), "lines": "", "do": "add", "scan": "MUG-1"},
        headers={"HX-Request": "true"},
    )
    assert answer.content.decode().lstrip().startswith("<section")


def test_a_count_and_an_adjustment_need_a_reason_and_keep_what_was_typed(
    clerk: User, mug: Product
) -> None:
    for way in ("count", "adjust"):
        page = post(browser(clerk), way, "MUG-1\t2", reason="")
        assert page.status_code == 422
        assert "Reason: This field is required." in text(page)
        assert page.context["desk"].text == "MUG-1\t2"
    assert on_shelf(mug) == 10


def sheet(*rows: tuple[object, ...]) -> SimpleUploadedFile:
    book, kept = Workbook(), BytesIO()
    page: Any = book.active
    for row in rows:
        page.append(row)
    book.save(kept)
    return SimpleUploadedFile("list.xlsx", kept.getvalue())


def test_a_file_joins_the_list_with_its_leading_zeros(clerk: User, mug: Product) -> None:
    ProductFactory.create(sku="00456", in_stock=1)
    client = browser(clerk)
    semicolons = SimpleUploadedFile("l.csv", "Qty;SKU\n5;00456\n".encode("utf-16"))
    for file in (semicolons, sheet(("SKU", "Quantity"), ("00456", 5)), sheet(("00456", 5))):
        page = post(client, "receive", "MUG-1\t2", do="check", file=file)
        assert page.context["desk"].text == "MUG-1\t2\n00456\t5\n"
        assert page.context["desk"].ready


def test_a_file_that_is_none_is_refused_in_a_sentence(clerk: User, mug: Product) -> None:
    client = browser(clerk)
    for content, why in (
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old workbook"),
        (b"PK\x03\x04nothing", "damaged"),
        (b"a\x00b", "NUL bytes"),
        (b'MUG-1;"5', "inside quotes"),
        ("".join(f"A{n}\t1\n" for n in range(20_001)).encode(), "more than 20,000"),
    ):
        page = post(
            client, "receive", "MUG-1\t2", do="check", file=SimpleUploadedFile("x", content)
        )
        assert page.status_code == 422, why
        assert why in text(page)
        assert page.context["desk"].text.strip() == "MUG-1\t2"


def test_who_may_not_move_stock_gets_no_page_and_books_nothing(mug: Product) -> None:
    for group in ("auditor", "fulfillment", "catalogue", "finance", "support"):
        client = browser(staff(group))
        assert client.get(PAGE.format("receive")).status_code == 403
        assert post(client, "receive", "MUG-1\t3").status_code == 403
    assert on_shelf(mug) == 10
    assert browser(staff("warehouse")).get(PAGE.format("steal")).status_code == 404


def test_a_list_of_more_than_twenty_thousand_lines_is_refused(clerk: User) -> None:
    unknown = "".join(f"NONE-{n}\t1\n" for n in range(20_001))
    page = post(browser(clerk), "receive", unknown)
    assert "A list has at most 20,000 lines" in text(page)
    assert not StockDocument.objects.exists()
