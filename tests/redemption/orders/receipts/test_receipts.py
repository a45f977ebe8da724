"""Receipts of orders, and the list of orders with its sums and files."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from openpyxl import load_workbook

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from redemption.checkout.approvals.deciding import approve
from redemption.models import RedemptionOrder, TransactionType
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.fulfillment.desk.test_papers import texts
from tests.redemption.factories import paid, placed, settle
from tests.redemption.pages import said
from tests.redemption.points.statement.test_statement import failed_line, words

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000, company__name="Northwind", user__name="Ada")


@pytest.fixture
def book() -> Product:
    return ProductFactory.create(name="Bicycles", sku="BIKE-1", points_cost=1_500)


def approved(seat: AccountManager, book: Product, approver: AccountManager) -> RedemptionOrder:
    """An order that somebody approved, whose points were taken."""
    seat.company.approval_threshold = 100
    seat.company.save()
    order = placed(seat, (book, 2), reference="PO 4711")
    approve(order=order, by=Actor.in_seat(approver))
    settle(order.transactions.get())
    order.refresh_from_db()
    return order


def receipt(client: Client, order: RedemptionOrder) -> tuple[str, str]:
    """The words of the page, and those of the PDF."""
    address = f"/orders/{order.order_number}/receipt/"
    return words(said(client.get(address))), texts(client.get(f"{address}pdf/").content)


def test_a_receipt_says_who_ordered_what_for_whom_who_approved_and_what_was_taken(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    grace = SeatFactory.create(company=seat.company, owner=True, user__name="Grace Hopper")
    order = approved(seat, book, grace)
    number = order.transactions.get().external_transaction_id
    for told in receipt(client_for(seat), order):
        for fact in ("Northwind", "Ada", "PO 4711", "Grace Hopper", "Bicycles", "BIKE-1", number):
            assert fact in told
        for fact in ("Ada Byron", "Invalidenstr. 43", "10115 Berlin", "−3,000", "UTC"):
            assert fact in told
        assert "points may still move" in told
        assert " ago" not in told.replace("Last asked", "")


def test_a_receipt_says_what_went_back(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    failed_line(order)
    settle(order.transactions.get(transaction_type=TransactionType.CREDIT))
    order.refresh_from_db()
    page, paper = receipt(client_for(seat), order)
    assert "Given back" in page
    assert "+3,000" in page
    assert "Cost 0" in page
    assert "+3,000" in paper
    assert "points may still move" not in page


def test_an_order_whose_points_were_not_taken_says_so(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    page, _paper = receipt(client_for(seat), order)
    assert "No points have moved." in page
    assert "Approved by" not in page


def test_receipts_of_others_are_not_found(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    theirs = paid(SeatFactory.create(), (book, 1))
    client = client_for(seat)
    for address in ("receipt/", "receipt/pdf/"):
        assert client.get(f"/orders/{theirs.order_number}/{address}").status_code == 404
    assert "Receipt" in said(client_for(seat).get(f"/orders/{paid(seat, (book, 1))}/"))


def test_the_list_is_taken_along_as_it_is_narrowed(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    colleague = SeatFactory.create(company=seat.company, user__name="Grace")
    ours = [paid(seat, (book, 1), reference='=HYPERLINK("x")'), placed(seat, (book, 2))]
    grace = paid(colleague, (book, 4))
    theirs = paid(SeatFactory.create(), (book, 1))
    client = client_for(seat)

    rows = list(csv.reader(io.StringIO(client.get("/orders/file/csv/").content.decode())))
    assert {row[0] for row in rows[1:]} == {each.order_number for each in (*ours, grace)}
    assert theirs.order_number not in str(rows)
    by_order = {row[0]: row for row in rows[1:]}
    assert by_order[ours[0].order_number][-3:] == ["1500", "1500", "0"]
    assert by_order[ours[1].order_number][-3:] == ["3000", "0", "0"]
    assert by_order[ours[0].order_number][3].startswith("\t=")
    assert "1 × Bicycles" in by_order[ours[0].order_number][4]

    taken = TrailEntry.objects.get(kind=TrailKind.EXPORTED)
    assert (taken.by_id, taken.what, taken.facts["format"]) == (seat.user_id, "Orders", "csv")
    narrowed = client.get(f"/orders/file/csv/?by={colleague.pk}").content.decode()
    assert grace.order_number in narrowed
    assert ours[0].order_number not in narrowed
    assert client.get("/orders/file/pdf/").status_code == 404


def test_the_sums_are_told_by_member_and_month(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    colleague = SeatFactory.create(company=seat.company, user__name="Grace")
    paid(seat, (book, 1))
    failed = paid(seat, (book, 2))
    failed_line(failed)
    settle(failed.transactions.get(transaction_type=TransactionType.CREDIT))
    placed(colleague, (book, 4))
    paid(SeatFactory.create(), (book, 3))
    client = client_for(seat)

    told = words(said(client.get("/orders/sums/")))
    assert "Ada 2 4,500 4,500 3,000 1,500" in told
    assert "Grace 1 6,000 0 0 0" in told
    assert told.count("In all 3 10,500 4,500 3,000 1,500") == 2
    assert "Ada 2" not in words(said(client.get(f"/orders/sums/?by={colleague.pk}")))
    assert "In all 0 0 0 0 0" in words(said(client.get("/orders/sums/?q=zeppelin")))

    book_of_all: Any = load_workbook(io.BytesIO(client.get("/orders/file/xlsx/").content))
    assert book_of_all.sheetnames == ["Orders", "By member", "By month"]
    assert "f" not in {cell.data_type for row in book_of_all["Orders"].iter_rows() for cell in row}
    assert [cell.value for cell in book_of_all["By member"][4]][:3] == ["In all", 3, 10_500]


def test_a_list_that_is_too_long_for_a_file_says_so(
    client_for: SignIn, seat: AccountManager, book: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: 20,000 orders would take long
    monkeypatch.setattr("redemption.orders.receipts.views.MOST_ORDERS", 1)
    paid(seat, (book, 1))
    paid(seat, (book, 1))
    client = client_for(seat)
    answer = client.get("/orders/file/csv/?status=open", follow=True)
    assert answer.redirect_chain == [("/orders/sums/?status=open", 303)]
    assert "A file takes at most 1 orders." in said(answer)
    assert re.search(r'href="/orders/sums/\??"', said(client.get("/orders/")))
