"""One search finds orders, products, companies and people by whatever staff have before them."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fulfillment.models import Fulfillment, Shipment, VirtualCode
from loyalty_portal.data.encrypted_field import fingerprint
from redemption.models import RedemptionOrder
from tests.accounts.factories import CompanyFactory, UserFactory
from tests.catalog.factories import ProductFactory
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
SEARCH = "/admin/search/"


def page_of(order: RedemptionOrder) -> str:
    return reverse("admin:redemption_redemptionorder_change", args=[order.pk])


def searched(text: str, *groups: str) -> Any:
    return browser(staff(*(groups or ("support",)))).post(SEARCH, {"q": text})


@pytest.fixture
def order() -> RedemptionOrder:
    """An order with a parcel under way and a code, beside another order."""
    confirmed_order((ProductFactory.create(), 1))
    made = confirmed_order(
        (ProductFactory.create(name="Teapot"), 1), (ProductFactory.create(virtual=True), 1)
    )
    RedemptionOrder.objects.filter(pk=made.pk).update(reference="PO 4711")
    made.items.update(recipient_name="Zoë Quince", recipient_email="zoe@quince.example")
    of_order = Fulfillment.objects.filter(label=made.order_number)
    Shipment.objects.create(
        fulfillment=of_order.get(channel="DESK"),
        quantity=1,
        carrier="UPS",
        tracking_number="1Z999AA10123456784",
    )
    virtual = of_order.get(channel="PARTNER")
    Fulfillment.objects.filter(pk=virtual.pk).update(partner_id="ful_8812")
    VirtualCode.objects.create(
        fulfillment=virtual, position=1, code="GIFT-77QX", fingerprint=fingerprint("GIFT-77QX")
    )
    made.refresh_from_db()
    return made


def test_an_exact_number_leads_straight_to_its_order(order: RedemptionOrder) -> None:
    debit = order.transactions.get()
    for text in (
        order.order_number,
        order.order_number.replace("-", "").lower(),
        order.order_number[2:].replace("-", " "),
        "po 4711",
        "Zoe@Quince.example",
        "1z999aa1 0123456784",
        "ful_8812",
        "GIFT-77QX",
        debit.external_transaction_id,
    ):
        answer = searched(text)
        assert (answer.status_code, answer.headers.get("Location")) == (303, page_of(order)), text


def test_the_beginnings_of_words_list_what_has_them(order: RedemptionOrder) -> None:
    for text in ("quin zo", "zoe@qu", "PO 47"):
        answer = searched(text)
        assert answer.status_code == 200, text
        assert page_of(order) in answer.content.decode(), text


def test_products_companies_and_people_are_found_too() -> None:
    product = ProductFactory.create(name="Copper kettle", sku="KET-9")
    company = CompanyFactory.create(name="Harbour Freight Lines", loyalty_account_id="acct-551")
    person = UserFactory.create(name="Imogen Farrow", email="imogen@harbour.example")
    for text, row in (
        ("ket-9", product),
        ("acct-551", company),
        ("harbour freight lines", company),
        ("imogen@harbour.example", person),
    ):
        there = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        answer = searched(text)
        assert (answer.status_code, answer.headers.get("Location")) == (303, there), text
    page = searched("harb").content.decode()
    assert "Harbour Freight Lines" in page
    page = searched("copper").content.decode()
    assert "Copper kettle" in page
    page = searched("farrow").content.decode()
    assert "Imogen Farrow" in page


def test_staff_find_only_what_they_may_see(order: RedemptionOrder) -> None:
    company = CompanyFactory.create(name="Harbour Freight Lines")
    assert company.name not in searched("harbour", "fulfillment").content.decode()
    parcel = Fulfillment.objects.get(label=order.order_number, channel="DESK")
    there = reverse("admin:fulfillment_desk_parcel", args=[parcel.pk])
    assert searched("1Z999AA10123456784", "fulfillment").headers["Location"] == there
    assert "Nothing was found" in searched(order.order_number, "catalogue").content.decode()
    assert browser(staff()).post(SEARCH, {"q": "x"}).status_code == 200


def test_the_desk_opens_the_parcel_of_an_order_by_its_number() -> None:
    order = confirmed_order((ProductFactory.create(), 1), (ProductFactory.create(), 2))
    lines = Fulfillment.objects.filter(label=order.order_number)
    pages = {reverse("admin:fulfillment_desk_parcel", args=[line.pk]) for line in lines}
    assert searched(order.order_number, "warehouse").headers["Location"] in pages


def test_what_is_exact_is_found_among_many_that_begin_alike() -> None:
    others = [
        *ProductFactory.create_batch(15, name="Kettle for KET-9"),
        *CompanyFactory.create_batch(15, name="Harbour Freight Lines North"),
    ]
    assert others
    product = ProductFactory.create(name="Kettle", sku="KET-9")
    company = CompanyFactory.create(name="Harbour Freight Lines")
    orders = [confirmed_order((ProductFactory.create(), 1)) for _each in range(13)]
    for number, each in enumerate(orders, 10):
        RedemptionOrder.objects.filter(pk=each.pk).update(reference=f"PO 7{number}")
    RedemptionOrder.objects.filter(pk=orders[-1].pk).update(reference="PO 7")
    for text, there in (
        ("ket-9", reverse("admin:catalog_product_change", args=[product.pk])),
        ("harbour freight lines", reverse("admin:accounts_company_change", args=[company.pk])),
        ("po 7", page_of(orders[-1])),
    ):
        answer = searched(text)
        assert (answer.status_code, answer.headers.get("Location")) == (303, there), text


@pytest.mark.parametrize(
    "text", ["", "  ", "' :* & |", "\0", "-", "x" * 4_000, "%", "\\", "’", "1" * 300, "🫖"]
)
def test_any_text_gets_a_page(text: str, order: RedemptionOrder) -> None:
    answer = searched(text)
    assert answer.status_code == 200
    if len(text) > 200:
        assert "Searched for the first 200 characters only." in answer.content.decode()


def test_a_search_is_never_in_an_address() -> None:
    client = browser(staff("support"))
    assert client.get(SEARCH, {"q": "zoe@quince.example"}).status_code == 200
    assert "zoe@" not in client.get(SEARCH, {"q": "zoe@quince.example"}).content.decode()
    assert 'method="post"' in client.get("/admin/").content.decode()


def test_a_search_asks_as_many_questions_for_many_hits_as_for_one(order: RedemptionOrder) -> None:
    client = browser(staff("support"))
    client.post(SEARCH, {"q": "zoe@qu"})
    with CaptureQueriesContext(
        connection,
    ) as one:
        client.post(SEARCH, {"q": "zoe@qu"})
    for _each in range(3):
        made = confirmed_order((ProductFactory.create(), 1))
        made.items.update(recipient_email="zoe@quay.example")
    with CaptureQueriesContext(connection) as many:
        client.post(SEARCH, {"q": "zoe@qu"})
    assert len(many) == len(one)
