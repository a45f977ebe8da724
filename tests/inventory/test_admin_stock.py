"""Stock in the admin changes only by forms with a reason."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from catalog.models import Product, StockStatus
from inventory.models import Inventory, MovementKind, StockMovement
from tests.catalog.factories import ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


def stock_of(product: Product) -> Inventory:
    return Inventory.objects.get(product=product)


def address(stock: Inventory, verb: str) -> str:
    return reverse("admin:inventory_inventory_do", args=[stock.pk, verb])


def page_of(stock: Inventory) -> str:
    return reverse("admin:inventory_inventory_change", args=[stock.pk])


def seen(stock: Inventory) -> int:
    return stock.quantity_available + stock.quantity_reserved


def test_received_pieces_are_added_with_the_name_of_who_did_it() -> None:
    stock, clerk = stock_of(ProductFactory.create(in_stock=10)), staff("warehouse")
    answer = browser(clerk).post(
        address(stock, "receive"), {"seen": 10, "quantity": 5, "reason": "Note 77"}
    )
    assert (answer.status_code, answer["Location"]) == (303, page_of(stock))
    assert stock_of(stock.product).quantity_available == 15
    movement = StockMovement.objects.get(reason="Note 77")
    assert (movement.kind, movement.available_change, movement.by) == (
        MovementKind.RECEIVED,
        5,
        clerk,
    )


def test_a_count_sets_the_number_and_writes_the_difference_down() -> None:
    stock = stock_of(ProductFactory.create(in_stock=10))
    page = browser(staff("warehouse")).post(
        address(stock, "count"), {"seen": 10, "quantity": 7, "reason": "Yearly count"}, follow=True
    )
    assert stock_of(stock.product).quantity_available == 7
    assert "-3" in page.content.decode()
    assert StockMovement.objects.get(reason="Yearly count").available_change == -3


def test_an_adjustment_below_zero_is_refused_and_keeps_what_was_typed() -> None:
    stock = stock_of(ProductFactory.create(in_stock=2))
    page = browser(staff("warehouse")).post(
        address(stock, "adjust"), {"seen": 2, "quantity": -5, "reason": "Water damage"}
    )
    assert page.status_code == 422
    assert "not that many pieces" in page.content.decode()
    assert 'value="Water damage"' in page.content.decode()
    assert stock_of(stock.product).quantity_available == 2


def test_an_adjustment_needs_a_reason() -> None:
    stock = stock_of(ProductFactory.create(in_stock=2))
    page = browser(staff("warehouse")).post(
        address(stock, "adjust"), {"seen": 2, "quantity": -1, "reason": " "}
    )
    assert page.status_code == 422
    assert stock_of(stock.product).quantity_available == 2


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "abc", "1e18", "9" * 30, ""])
def test_no_such_number_of_pieces_can_be_received(number: str) -> None:
    stock = stock_of(ProductFactory.create(in_stock=10))
    page = browser(staff("warehouse")).post(
        address(stock, "receive"), {"seen": 10, "quantity": number}
    )
    assert page.status_code == 422
    assert stock_of(stock.product).quantity_available == 10


def test_no_more_can_be_received_than_fits_with_what_is_there() -> None:
    stock = stock_of(ProductFactory.create(in_stock=1_000_000_000))
    client = browser(staff("warehouse"))
    page = client.post(
        address(stock, "receive"), {"seen": 1_000_000_000, "quantity": 1_000_000_000}
    )
    assert page.status_code == 422
    assert "more than any shelf holds" in page.content.decode()
    assert stock_of(stock.product).quantity_available == 1_000_000_000


def test_a_shelf_that_changed_meanwhile_is_told_with_who_changed_it() -> None:
    stock, other = stock_of(ProductFactory.create(in_stock=10)), staff("warehouse")
    browser(other).post(address(stock, "count"), {"seen": 10, "quantity": 8, "reason": "Mine"})
    page = browser(staff("warehouse")).post(
        address(stock, "count"), {"seen": 10, "quantity": 9, "reason": "Also mine"}
    )
    assert page.status_code == 422
    assert "it showed 10, now there are 8" in page.content.decode()
    assert str(other) in page.content.decode()


def test_numbers_cannot_be_written_by_posting_to_the_stocks_page() -> None:
    stock = stock_of(ProductFactory.create(in_stock=10))
    tampered = {"quantity_available": "999", "quantity_reserved": "0", "low_stock_at": "1"}
    client = browser(staff("warehouse"))
    assert client.post(page_of(stock), tampered).status_code == 405
    again = client.post(
        reverse("admin:inventory_inventory_add"), {"product": str(stock.product_id), **tampered}
    )
    assert again.status_code == 200  # the product has an inventory row already
    assert stock_of(stock.product).quantity_available == 10


def test_a_product_taken_into_stock_begins_with_nothing_whatever_is_posted() -> None:
    product = ProductFactory.create(virtual=True)
    browser(staff("warehouse")).post(
        reverse("admin:inventory_inventory_add"),
        {"product": str(product.pk), "low_stock_at": "3", "quantity_available": "999"},
    )
    stock = stock_of(product)
    assert (stock.quantity_available, stock.low_stock_at) == (0, 3)
    product.refresh_from_db()
    assert product.stock_status == StockStatus.OUT


def test_the_low_mark_decides_what_the_shelf_says() -> None:
    stock = stock_of(ProductFactory.create(in_stock=10))
    browser(staff("warehouse")).post(address(stock, "low_mark"), {"low_stock_at": 10})
    assert Product.objects.get(pk=stock.product_id).stock_status == StockStatus.LOW


def test_a_form_sent_twice_is_received_once() -> None:
    stock, client = stock_of(ProductFactory.create(in_stock=10)), browser(staff("warehouse"))
    answers = [
        client.post(address(stock, "receive"), {"seen": 10, "quantity": 5}).status_code
        for _press in range(2)
    ]
    assert answers == [303, 422]
    assert stock_of(stock.product).quantity_available == 15


@pytest.mark.django_db(transaction=True)
def test_a_form_sent_ten_times_at_once_is_received_once() -> None:
    stock, user = stock_of(ProductFactory.create(in_stock=10)), staff("warehouse")
    start = Barrier(10)

    def press(_number: int) -> int:
        client = browser(user)
        start.wait()
        try:
            return client.post(address(stock, "receive"), {"seen": 10, "quantity": 5}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as people:
        answers = sorted(people.map(press, range(10)))
    assert answers == [303] + [422] * 9
    assert stock_of(stock.product).quantity_available == 15


def test_who_may_only_look_sees_no_forms_and_is_refused() -> None:
    stock = stock_of(ProductFactory.create(in_stock=10))
    for group in ("auditor", "fulfillment", "catalogue"):
        client = browser(staff(group))
        assert "/do/" not in client.get(page_of(stock)).content.decode()
        answer = client.post(address(stock, "receive"), {"seen": 10, "quantity": 5})
        assert answer.status_code == 403
    assert seen(stock_of(stock.product)) == 10


def test_who_may_not_look_may_not_move_either() -> None:
    stock = stock_of(ProductFactory.create(in_stock=10))
    client = browser(staff("finance"))
    assert client.get(page_of(stock)).status_code == 403
    assert client.post(address(stock, "receive"), {"seen": 10, "quantity": 5}).status_code == 403


def test_low_and_empty_shelves_are_found_by_the_filter() -> None:
    for name, pieces in (("Plenty", 50), ("Scarce", 2), ("Gone", 0)):
        ProductFactory.create(name=name, in_stock=pieces)
    client = browser(staff("warehouse"))
    for status, found in (("LOW", "Scarce"), ("OUT", "Gone")):
        page = client.get("/admin/inventory/inventory/", {"product__stock_status__exact": status})
        shown = page.content.decode()
        assert [name for name in ("Plenty", "Scarce", "Gone") if name in shown] == [found]


def test_movements_and_reservations_are_for_reading() -> None:
    ProductFactory.create(in_stock=10)
    movement = StockMovement.objects.get()
    client = browser(staff("warehouse"))
    page = reverse("admin:inventory_stockmovement_change", args=[movement.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"available_change": 99}).status_code == 403
    assert client.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("kind", ["inventory", "stockmovement", "reservation"])
def test_lists_of_fifty_take_few_queries(kind: str, django_assert_max_num_queries: Any) -> None:
    ProductFactory.create_batch(50)
    client, there = browser(staff("warehouse")), reverse(f"admin:inventory_{kind}_changelist")
    client.get(there)
    with django_assert_max_num_queries(13):
        assert client.get(there).status_code == 200


def test_counting_is_stopped_and_started_on_the_page_of_the_product() -> None:
    stock, clerk = stock_of(ProductFactory.create(in_stock=10)), browser(staff("warehouse"))
    clerk.post(address(stock, "stop_counting"), {"seen": 10, "reason": "Ordered when wanted"})
    assert not stock_of(stock.product).is_tracked
    page = clerk.get(page_of(stock)).content.decode()
    assert "can always be redeemed" in page
    assert address(stock, "count") not in page
    assert "Not counted" in page
    refused = clerk.post(
        address(stock, "receive"), {"seen": 0, "quantity": 5, "reason": ""}
    ).content.decode()
    assert "is not counted, so its number cannot change" in refused
    clerk.post(address(stock, "start_counting"), {"seen": 0, "quantity": 8, "reason": "Shelf"})
    assert (stock_of(stock.product).is_tracked, seen(stock_of(stock.product))) == (True, 8)
    kinds = StockMovement.objects.filter(product=stock.product).values_list("kind", flat=True)
    assert sorted(kinds) == ["ADJUSTED", "ADJUSTED", "RECEIVED"]
