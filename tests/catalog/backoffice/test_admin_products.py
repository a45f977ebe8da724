"""Products, categories and families in the admin."""

from typing import Any

import pytest
from django.urls import reverse

from catalog.models import Category, Product, StockStatus
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
LIST = "/admin/catalog/product/"


def page_of(product: Product) -> str:
    return reverse("admin:catalog_product_change", args=[product.pk])


# What the form sends about the rows of pictures when there are none.
NO_ROWS = {"pictures-TOTAL_FORMS": "0", "pictures-INITIAL_FORMS": "0"}


def typed(product: Product, **changes: Any) -> dict[str, Any]:
    """The data that the form sends for `product` without pictures, with `changes`."""
    return {
        **NO_ROWS,
        "name": product.name, "sku": product.sku, "brand": product.brand,
        "category": str(product.category_id), "is_active": "on",
        "points_cost": product.points_cost, "minimum_tier": product.minimum_tier,
        "family": str(product.family_id or ""), "variant": product.variant,
        "variant_position": product.variant_position, "source": product.source,
        "description": product.description, "image_url": product.image_url, **changes,
    }  # fmt: skip


def test_a_new_product_gets_an_address_of_its_own() -> None:
    ProductFactory.create(name="Enamel teapot", slug="enamel-teapot")
    category = CategoryFactory.create()
    answer = browser(staff("catalogue")).post(
        reverse("admin:catalog_product_add"),
        {
            **NO_ROWS, "name": "Enamel teapot", "sku": "TEA-2", "category": str(category.pk), "is_active": "on",
            "product_type": "PHYSICAL", "points_cost": "3600", "minimum_tier": "BRONZE",
            "variant_position": "0",
        },
    )  # fmt: skip
    assert answer.status_code == 302
    made = Product.objects.get(sku="TEA-2")
    assert made.slug == "enamel-teapot-tea-2"
    assert made.is_card
    assert made.stock_status == StockStatus.OUT


def test_moving_a_product_between_families_keeps_one_card_in_each() -> None:
    old, new = FamilyFactory.create(), FamilyFactory.create()
    first = ProductFactory.create(family=old, points_cost=100, is_card=True)
    second = ProductFactory.create(family=old, points_cost=200, is_card=False)
    third = ProductFactory.create(family=new, points_cost=300, is_card=True)
    browser(staff("catalogue")).post(page_of(first), typed(first, family=str(new.pk)))
    cards = set(Product.objects.filter(is_card=True))
    assert cards == {first, second}
    assert third not in cards


def test_stock_status_type_card_and_address_cannot_be_posted() -> None:
    product = ProductFactory.create(in_stock=0)
    browser(staff("catalogue")).post(
        page_of(product),
        typed(
            product, name="Renamed", stock_status="IN_STOCK", product_type="VIRTUAL", is_card="",
            slug="elsewhere",
        ),
    )  # fmt: skip
    stored = Product.objects.get(pk=product.pk)
    assert stored.name == "Renamed"
    assert stored.stock_status == StockStatus.OUT
    assert (stored.product_type, stored.slug) == ("PHYSICAL", product.slug)
    assert stored.is_card


def test_a_cost_of_nothing_is_refused_with_a_sentence() -> None:
    product = ProductFactory.create()
    for cost in ("0", "-1", "1.5", "abc", "1e18", "99999999999"):
        page = browser(staff("catalogue")).post(page_of(product), typed(product, points_cost=cost))
        assert page.status_code == 200
        assert "Constraint" not in page.content.decode()
    page = browser(staff("catalogue")).post(page_of(product), typed(product, points_cost="0"))
    assert "A product costs at least 1 point." in page.content.decode()
    assert Product.objects.get(pk=product.pk).points_cost == product.points_cost


def test_a_window_that_never_opens_is_refused_with_a_sentence() -> None:
    product = ProductFactory.create()
    window = {
        "available_from_0": "2027-01-02", "available_from_1": "10:00",
        "available_until_0": "2027-01-02", "available_until_1": "10:00",
    }  # fmt: skip
    page = browser(staff("catalogue")).post(page_of(product), typed(product, **window))
    assert "This must be after “available from”." in page.content.decode()
    assert Product.objects.get(pk=product.pk).available_from is None


def test_the_preview_shows_a_description_without_what_could_do_harm() -> None:
    product = ProductFactory.create(
        description="<p>Fine</p><script>alert(1)</script><img src=x onerror=y>"
    )
    page = browser(staff("catalogue")).get(page_of(product)).content.decode()
    preview = page.split('class="prose-preview">')[1].split("</div>")[0]
    assert "<p>Fine</p>" in preview
    assert "script" not in preview
    assert "onerror" not in preview


def test_products_are_found_by_words_of_their_name_and_by_sku() -> None:
    ProductFactory.create(name="Walnut desk organiser", sku="MR-1000")
    ProductFactory.create(name="Enamel teapot", sku="MR-2000")
    client = browser(staff("catalogue"))
    for words in ("desk waln", "MR-1000", "mr 1000"):
        page = client.get(LIST, {"q": words}).content.decode()
        assert "Walnut desk organiser" in page
        assert "Enamel teapot" not in page


def test_products_are_filtered_by_stock_and_type() -> None:
    ProductFactory.create(name="Plenty", in_stock=50)
    ProductFactory.create(name="Scarce", in_stock=2)
    ProductFactory.create(name="Coupon", virtual=True)
    client = browser(staff("catalogue"))
    low = client.get(LIST, {"stock_status__exact": "LOW"}).content.decode()
    virtual = client.get(LIST, {"product_type__exact": "VIRTUAL"}).content.decode()
    assert "Scarce" in low
    assert "Plenty" not in low
    assert "Coupon" in virtual
    assert "Scarce" not in virtual


def test_a_product_is_switched_off_never_deleted() -> None:
    product = ProductFactory.create()
    client = browser(staff("catalogue"))
    address = reverse("admin:catalog_product_delete", args=[product.pk])
    assert client.post(address, {"post": "yes"}).status_code == 403


def test_a_category_that_holds_products_stays() -> None:
    product, empty = ProductFactory.create(), CategoryFactory.create()
    client = browser(staff("catalogue"))
    for category in (product.category, empty):
        client.post(reverse("admin:catalog_category_delete", args=[category.pk]), {"post": "yes"})
    assert list(Category.objects.all()) == [product.category]


def test_the_list_of_fifty_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    ProductFactory.create_batch(50)
    client = browser(staff("catalogue"))
    client.get(LIST)
    with django_assert_max_num_queries(12):
        assert client.get(LIST).status_code == 200


def test_a_familys_page_leads_to_its_products() -> None:
    family = FamilyFactory.create(name="Mugs")
    mug, other = (
        ProductFactory.create(family=family, name="Mug, <red>"),
        ProductFactory.create(name="Lamp"),
    )
    page = browser(staff("catalogue")).get(reverse("admin:catalog_family_change", args=[family.pk]))
    assert page_of(mug) in page.content.decode()
    assert "Mug, &lt;red&gt;" in page.content.decode()
    assert page_of(other) not in page.content.decode()


def test_a_sku_that_differs_by_capitals_only_is_refused() -> None:
    ProductFactory.create(sku="tea-2")
    product = ProductFactory.create()
    page = browser(staff("catalogue")).post(page_of(product), typed(product, sku="TEA-2"))
    assert "There is a product with this SKU, capitals aside." in page.content.decode()


def test_a_name_that_nobody_can_see_is_refused() -> None:
    product = ProductFactory.create()
    page = browser(staff("catalogue")).post(page_of(product), typed(product, name="\u200f\u3164"))
    assert "only characters that nobody can see" in page.content.decode()
