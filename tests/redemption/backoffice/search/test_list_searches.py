"""What staff find by the searches of the lists, and what they are told when that is too much."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Address
from fulfillment.models import Fulfillment
from loyalty_portal.admin_site import found
from redemption.models import Letter, RedemptionOrder
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return browser(staff("support"))


@pytest.fixture
def order() -> RedemptionOrder:
    seat = SeatFactory.create(
        company__name="Northwind Traders", user__email="mara@northwind.example", user__name="Mara"
    )
    made = confirmed_order((ProductFactory.create(sku="MUG-1"), 1), seat=seat)
    RedemptionOrder.objects.filter(pk=made.pk).update(reference="Project Kestrel")
    return made


def rows(client: Client, name: str, text: str) -> list[Any]:
    page = client.get(reverse(f"admin:{name}_changelist"), {"q": text})
    return list(page.context["cl"].result_list)


@pytest.mark.parametrize(
    "text", ["northwind", "traders north", "mara@north", "mara", "project kes", "PROJECT"]
)
def test_orders_are_found_by_company_person_and_reference(
    client: Client, order: RedemptionOrder, text: str
) -> None:
    confirmed_order((ProductFactory.create(), 1))
    assert rows(client, "redemption_redemptionorder", text) == [order]


def test_orders_and_what_is_theirs_are_found_by_their_number(
    client: Client, order: RedemptionOrder
) -> None:
    confirmed_order((ProductFactory.create(), 1))
    Letter.objects.create(order=order, kind="confirmed", key="one", to="mara@northwind.example")
    number = order.order_number
    for text in (number, number.replace("-", "").lower(), number[:5]):
        assert rows(client, "redemption_redemptionorder", text) == [order]
        for name in ("redemption_letter", "redemption_loyaltytransaction"):
            found_rows = rows(client, name, text)
            assert found_rows
            assert {row.order_id for row in found_rows} == {order.pk}
    packer = browser(staff("fulfillment"))
    assert rows(packer, "fulfillment_fulfillment", number) == list(
        Fulfillment.objects.filter(label=number)
    )
    assert rows(packer, "fulfillment_fulfillment", "mug-1") == list(
        Fulfillment.objects.filter(label=number)
    )


def test_an_address_is_found_by_its_words_and_its_company(client: Client) -> None:
    address = Address.objects.create(
        company=CompanyFactory.create(name="Northwind Traders"),
        recipient_name="Ada Lovelace",
        city="Berlin",
        postcode="10115",
    )
    Address.objects.create(company=CompanyFactory.create(), recipient_name="Bo", city="Bonn")
    for text in ("ada berlin", "10115", "northwind"):
        assert rows(client, "accounts_address", text) == [address]
    assert Address.objects.count() == 2


def test_who_finds_more_than_is_shown_is_told(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that three rows are too many
    monkeypatch.setattr(found, "MOST_FOUND", 2)
    seat = SeatFactory.create(company__name="Northwind Traders")
    for _each in range(3):
        confirmed_order((ProductFactory.create(), 1), seat=seat)
    there = reverse("admin:redemption_redemptionorder_changelist")
    told = "More is found than a search shows"
    assert told in client.get(there, {"q": "northwind"}).content.decode()
    assert told not in client.get(there, {"q": "nobody"}).content.decode()
