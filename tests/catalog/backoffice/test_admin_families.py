"""A family and its variants in one grid."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Family, Product
from catalog.pictures.images import encode_picture
from catalog.pictures.services import add_pictures
from loyalty_portal.data.actor import SYSTEM
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.catalog.pictures.making import picture
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
ADD = "/admin/catalog/family/add/"
Row = tuple[str, list[str], str, bool]


@pytest.fixture
def client() -> Client:
    return browser(staff("catalogue"))


def page_of(family: Family) -> str:
    return reverse("admin:catalog_family_change", args=[family.pk])


def grid(
    *rows: Row, stored: list[Product] | None = None, family: Family | None = None
) -> dict[str, Any]:
    """The grid's data: rows of SKU, values, points, whether active; the first ones are `stored`."""
    old = stored or []
    sent: dict[str, Any] = {"products-TOTAL_FORMS": len(rows), "products-INITIAL_FORMS": len(old)}
    for place, (sku, values, points, active) in enumerate(rows):
        start = f"products-{place}"
        sent |= {f"{start}-sku": sku, f"{start}-points_cost": points}
        sent |= {f"{start}-variant_{box}": value for box, value in enumerate(values)}
        if active:
            sent[f"{start}-is_active"] = "on"
        if place < len(old) and family:
            sent |= {f"{start}-id": str(old[place].pk), f"{start}-family": str(family.pk)}
    return sent


def shirts() -> list[Row]:
    return [
        (f"TEE-{size}{colour[0]}", [size, colour, ""], "1200", True)
        for size in ("S", "M", "L")
        for colour in ("Red", "Blue")
    ]


def test_a_family_of_six_is_made_on_one_page(client: Client) -> None:
    category = CategoryFactory.create()
    head = {
        "name": "T-shirt", "options": "Size / Colour", "code": "", "category": str(category.pk),
        "product_type": "PHYSICAL", "brand": "Loom", "minimum_tier": "SILVER",
        "description": "Soft.<script>",
    }  # fmt: skip
    answer = client.post(ADD, {**head, **grid(*shirts())}, follow=True)
    assert "gone: &lt;script&gt;" in answer.content.decode()
    family = Family.objects.get()
    assert (family.code, family.options) == ("t-shirt", "Size / Colour")
    made = list(family.products.order_by("variant_position"))
    assert [each.variant for each in made] == [
        "S / Red", "S / Blue", "M / Red", "M / Blue", "L / Red", "L / Blue"
    ]  # fmt: skip
    one = made[0]
    assert (one.name, one.brand, one.minimum_tier) == ("T-shirt, S / Red", "Loom", "SILVER")
    assert one.description == "<p>Soft.</p>"
    assert one.category == category
    assert [each.is_card for each in made].count(True) == 1
    again = client.post(ADD, {**head, **grid()})
    assert again.status_code == 302
    assert Family.objects.filter(code="t-shirt-2").exists()


def test_a_new_variant_takes_over_what_the_first_has(client: Client) -> None:
    family = FamilyFactory.create(name="Mug", options="Colour")
    red = ProductFactory.create(
        family=family, variant="Red", brand="Hearth", description="<p>A mug.</p>"
    )
    add_pictures(product=red, pictures=[encode_picture(picture())], by=SYSTEM)
    rows: list[Row] = [(red.sku, ["Red"], "1000", True), ("MUG-B", ["Blue"], "1100", False)]
    sent = {"name": "Mug", "options": "Colour", "code": family.code}
    answer = client.post(page_of(family), {**sent, **grid(*rows, stored=[red], family=family)})
    assert answer.status_code == 302
    blue = Product.objects.get(sku="MUG-B")
    assert (blue.name, blue.brand, blue.points_cost) == ("Mug, Blue", "Hearth", 1100)
    assert blue.category == red.category
    assert not blue.is_active
    assert blue.cover == Product.objects.get(pk=red.pk).cover != ""


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("RED", ["Blue"], "100", True), "There is a product with this SKU, capitals aside."),
        (("NEW", [""], "100", True), "Give its value for: Colour."),
        (("NEW", ["red"], "100", True), "Another variant has the same values."),
        (("NEW", ["Blue"], "0", True), "A product costs at least 1 point."),
        (("NEW", ["Blue"], "-5", True), "greater than or equal to 0"),
        (("NEW", ["Blue"], "99999999999", True), "less than or equal to 2147483647"),
        (("", ["Blue"], "100", True), "This field is required."),
        (("NEW", ["x" * 121], "100", True), "at most 120 characters"),
    ],
)
def test_a_wrong_cell_says_what_is_wrong_and_no_row_is_saved(
    client: Client, row: Row, said: str
) -> None:
    family = FamilyFactory.create(options="Colour")
    red = ProductFactory.create(sku="red", family=family, variant="Red")
    rows: list[Row] = [(red.sku, ["Red"], "555", True), row]
    sent = {"name": "Mug", "options": "Colour", "code": family.code}
    page = client.post(page_of(family), {**sent, **grid(*rows, stored=[red], family=family)})
    assert page.status_code == 200
    assert said in page.content.decode()
    assert list(Product.objects.values_list("points_cost", flat=True)) == [1000]


def test_two_rows_with_one_sku_and_options_without_a_name_are_refused(client: Client) -> None:
    category = CategoryFactory.create()
    head = {"name": "Mug", "options": "Colour", "code": "", "category": str(category.pk)}
    twice: list[Row] = [("A", ["Red", "", ""], "1", True), ("a", ["Blue", "", ""], "1", True)]
    page = client.post(ADD, {**head, **grid(*twice)}).content.decode()
    assert "Another row has this SKU, capitals aside." in page
    more: list[Row] = [("A", ["Red", "XL", ""], "1", True)]
    page = client.post(ADD, {**head, **grid(*more)}).content.decode()
    assert "Name this option above first" in page
    page = client.post(ADD, {**head, "category": "", **grid(twice[0])}).content.decode()
    assert "Choose the category of the variants." in page
    assert not Family.objects.exists()


def test_a_variant_that_an_import_wrote_otherwise_stays_until_it_is_changed(client: Client) -> None:
    family = FamilyFactory.create(options="Size / Colour")
    odd = ProductFactory.create(family=family, variant="One size")
    sent = {"name": "Renamed", "options": "Size / Colour", "code": family.code}
    seen = {"initial-name": family.name, "initial-products-0-variant_0": "One size",
            "initial-products-0-variant_1": ""}  # fmt: skip
    rows: list[Row] = [(odd.sku, ["One size", ""], "1000", True)]
    data = {**sent, **seen, **grid(*rows, stored=[odd], family=family)}
    assert client.post(page_of(family), data).status_code == 302
    assert Product.objects.get(pk=odd.pk).variant == "One size"
    data["products-0-variant_0"] = "Large"
    page = client.post(page_of(family), data).content.decode()
    assert "Give its value for: Colour." in page


def test_two_people_who_edit_one_grid_keep_each_others_cells(client: Client) -> None:
    family = FamilyFactory.create(options="Colour")
    red = ProductFactory.create(family=family, variant="Red", points_cost=1000)
    seen = {"initial-products-0-sku": red.sku, "initial-products-0-points_cost": "1000",
            "initial-products-0-variant_0": "Red"}  # fmt: skip
    Product.objects.filter(pk=red.pk).update(points_cost=2000)  # a colleague
    rows: list[Row] = [(red.sku, ["Crimson"], "1000", True)]
    head = {"name": family.name, "options": "Colour", "code": family.code}
    sent = {**head, **seen, **grid(*rows, stored=[red], family=family)}
    assert client.post(page_of(family), sent).status_code == 302
    stored = Product.objects.get(pk=red.pk)
    assert (stored.points_cost, stored.variant) == (2000, "Crimson")
    Product.objects.filter(pk=red.pk).update(variant="Scarlet")
    page = client.post(page_of(family), {**sent, "products-0-variant_0": "Ruby",
                                         "initial-products-0-variant_0": "Crimson"})  # fmt: skip
    assert "from “Crimson” to “Scarlet”" in page.content.decode()
