"""How many rows an admin page has is part of what is sent, and is checked."""

from typing import Any

import pytest
from django.urls import reverse

from catalog.models import Product
from tests.accounts.factories import CompanyFactory, UserFactory
from tests.catalog.factories import FamilyFactory, ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
NUMBERS = ("99999", "1001", "-1", "x", "1\0", "9" * 30)


def page_with(rows: str) -> str:
    if rows == "products":
        return reverse("admin:catalog_family_change", args=[FamilyFactory.create().pk])
    if rows == "pictures":
        return reverse("admin:catalog_product_change", args=[ProductFactory.create().pk])
    return reverse("admin:accounts_company_change", args=[CompanyFactory.create().pk])


def posted(client: Any, there: str, **counts: str) -> str:
    sent = {
        f"{rows}-{count}": "0"
        for rows in ("products", "seats", "addresses", "pictures")
        for count in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    answer = client.post(there, {**sent, **counts})
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.parametrize("rows", ["products", "seats", "addresses", "pictures"])
def test_a_number_of_rows_that_no_page_has_is_refused_in_a_sentence(rows: str) -> None:
    there = page_with(rows)
    client = browser(UserFactory.create(superuser=True))
    for number in NUMBERS:
        for count in ("TOTAL_FORMS", "INITIAL_FORMS"):
            page = posted(client, there, **{f"{rows}-{count}": number})
            assert "The number of rows is missing or wrong" in page, (count, number)


def test_a_row_whose_boxes_were_not_sent_is_asked_for_them() -> None:
    there = page_with("products")
    counts = {"products-TOTAL_FORMS": "2", "products-INITIAL_FORMS": "2"}
    page = posted(browser(staff("catalogue")), there, **counts)
    assert "This field is required." in page
    assert not Product.objects.exists()


def test_a_page_of_rows_that_is_no_number_is_the_first_page() -> None:
    client = browser(staff("catalogue"))
    there = page_with("products")
    for odd in ("²", "9" * 5_000, "x", "-1"):
        assert client.get(there, {"products-page": odd}).status_code == 200
