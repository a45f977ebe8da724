"""The form of a product: pictures, description, copies, two people at once."""

import threading
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from catalog.backoffice.services import hold_key
from catalog.models import Product
from catalog.pictures.images import encode_picture
from catalog.pictures.services import add_pictures
from loyalty_portal.data.actor import SYSTEM
from tests.catalog.backoffice.test_admin_products import NO_ROWS, page_of, typed
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.catalog.pictures.making import picture, png_that_claims
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
ADD = "/admin/catalog/product/add/"


def new(**changes: Any) -> dict[str, Any]:
    """The data that the form for a new product sends."""
    return {
        **NO_ROWS, "name": "Mug", "sku": "MUG-1", "brand": "", "category": "",
        "product_type": "PHYSICAL", "is_active": "on", "points_cost": "900",
        "minimum_tier": "BRONZE", "family": "", "variant": "", "variant_position": "0",
        "description": "", "image_url": "", **changes,
    }  # fmt: skip


def file(name: str, data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="image/jpeg")


@pytest.fixture
def client() -> Client:
    return browser(staff("catalogue"))


def test_a_new_product_comes_with_its_pictures(client: Client) -> None:
    category = CategoryFactory.create()
    front, back = picture(), picture(colour="navy")
    files = [file("front.jpg", front), file("back.jpg", back)]
    answer = client.post(ADD, new(category=str(category.pk), new_pictures=files))
    assert answer.status_code == 302
    made = Product.objects.get(sku="MUG-1")
    assert [each.digest for each in made.pictures.all()] == [
        encode_picture(front).digest, encode_picture(back).digest
    ]  # fmt: skip
    assert made.cover == encode_picture(front).digest
    page = client.get(page_of(made)).content.decode()
    assert page.count('class="thumb"') == 2


def test_a_wrong_file_is_named_with_its_reason_and_nothing_is_saved(client: Client) -> None:
    product = ProductFactory.create()
    files = [file("fine.jpg", picture()), file("bomb.png", png_that_claims(50_000, 50_000)),
             file("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")]  # fmt: skip
    page = client.post(page_of(product), typed(product, name="Other", new_pictures=files))
    text = page.content.decode()
    assert "bomb.png: The picture has more than 40 million pixels. Save it smaller." in text
    assert "drawing.svg: SVG drawings are not taken: they can contain programs." in text
    assert "Choose the files again." in text
    assert Product.objects.get(pk=product.pk).name != "Other"
    assert not product.pictures.exists()


def test_pictures_are_ordered_told_and_taken_away(client: Client) -> None:
    product = ProductFactory.create()
    first, second = encode_picture(picture()), encode_picture(picture(colour="navy"))
    rows = add_pictures(product=product, pictures=[first, second], by=SYSTEM)
    sent = {
        "pictures-TOTAL_FORMS": "2", "pictures-INITIAL_FORMS": "2",
        "pictures-0-id": str(rows[0].pk), "pictures-0-product": str(product.pk),
        "pictures-0-alt": "A mug, seen from above", "pictures-0-position": "5",
        "pictures-1-id": str(rows[1].pk), "pictures-1-product": str(product.pk),
        "pictures-1-alt": "", "pictures-1-position": "1",
    }  # fmt: skip
    assert client.post(page_of(product), typed(product, **sent)).status_code == 302
    assert Product.objects.get(pk=product.pk).cover == second.digest
    assert product.pictures.get(digest=first.digest).alt == "A mug, seen from above"
    client.post(page_of(product), typed(product, **sent, **{"pictures-1-DELETE": "on"}))
    assert [each.digest for each in product.pictures.all()] == [first.digest]
    assert Product.objects.get(pk=product.pk).cover == first.digest


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://cdn.example/a.jpg", "//x/y"])
def test_a_foreign_address_is_refused_and_one_from_an_old_import_does_not_block(
    client: Client, address: str
) -> None:
    product = ProductFactory.create(image_url="https://old.example/a.jpg")
    page = client.post(page_of(product), typed(product, image_url=address, **_seen(product)))
    assert "A picture cannot be at another host." in page.content.decode()
    client.post(page_of(product), typed(product, name="Renamed", **_seen(product)))
    assert Product.objects.get(pk=product.pk).name == "Renamed"


def _seen(product: Product) -> dict[str, str]:
    return {"initial-image_url": product.image_url, "initial-name": product.name}


def test_a_description_is_cleaned_told_and_kept_as_it_is_shown(client: Client) -> None:
    product = ProductFactory.create()
    harmful = (
        "<p>Fine</p><script>alert(1)</script><img src=x onerror=y><a href='javascript:1'>go</a>"
    )
    answer = client.post(page_of(product), typed(product, description=harmful), follow=True)
    stored = Product.objects.get(pk=product.pk).description
    assert stored == "<p>Fine</p>go"
    text = answer.content.decode()
    assert "gone: &lt;script&gt;, &lt;img&gt;, src, onerror, &lt;a&gt;, href." in text
    plain = client.post(page_of(product), typed(product, description="One\n\nTwo < 3"), follow=True)
    assert Product.objects.get(pk=product.pk).description == "<p>One</p><p>Two &lt; 3</p>"
    assert "was cleaned" not in plain.content.decode()
    long = client.post(page_of(product), typed(product, description="x" * 20_001))
    assert "longer than 20,000 characters" in long.content.decode()


def test_the_preview_shows_what_is_typed_as_the_portal_would_and_saves_nothing(
    client: Client,
) -> None:
    product = ProductFactory.create(name="Mug", points_cost=900)
    there = reverse("admin:catalog_product_preview", args=[product.pk])
    sent = typed(product, name="Better mug", points_cost="1234", description="<b>Big</b><script>")
    page = client.post(there, sent).content.decode()
    assert "<h1>Better mug</h1>" in page
    assert "<b>1,234</b>" in page
    assert "<b>Big</b>" in page
    assert "Nothing was saved" in page
    assert "gone: &lt;script&gt;" in page
    assert Product.objects.get(pk=product.pk).name == "Mug"
    fresh = client.post(reverse("admin:catalog_product_preview_new"), new(points_cost="much"))
    assert "<h1>Mug</h1>" in fresh.content.decode()
    assert client.get(there).status_code == 405
    assert browser(staff("finance")).post(there, sent).status_code == 403


def test_a_copy_is_filled_in_and_saved_under_its_own_sku_with_the_pictures(client: Client) -> None:
    product = ProductFactory.create(name="Mug", brand="Hearth", description="<p>Blue</p>")
    add_pictures(product=product, pictures=[encode_picture(picture())], by=SYSTEM)
    there = f"{ADD}?copy={product.pk}"
    assert f'href="{there}"' in client.get(page_of(product)).content.decode()
    page = client.get(there).content.decode()
    for said in (
        'value="Hearth"',
        "&lt;p&gt;Blue&lt;/p&gt;",
        f'name="copied_from" value="{product.pk}"',
    ):
        assert said in page
    assert product.sku not in page
    sent = new(sku="MUG-COPY", category=str(product.category_id), copied_from=str(product.pk))
    assert client.post(ADD, sent).status_code == 302
    copy = Product.objects.get(sku="MUG-COPY")
    assert copy.picture_url == Product.objects.get(pk=product.pk).picture_url
    for wrong in ("none", "00000000-0000-0000-0000-000000000000", ""):
        assert client.get(ADD, {"copy": wrong}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_who_add_one_sku_at_once_the_second_reads_a_sentence(client: Client) -> None:
    category = CategoryFactory.create()
    answers: list[str] = []

    def second() -> None:
        sent = new(sku="mug-1", category=str(category.pk))
        answers.append(browser(people).post(ADD, sent).content.decode())
        connection.close()

    people = staff("catalogue")
    with transaction.atomic():
        hold_key("sku", "MUG-1")
        ProductFactory.create(sku="MUG-1", category=category)
        other = threading.Thread(target=second)
        other.start()
        other.join(0.5)
        assert not answers  # it waits until the first is done
    other.join()
    assert "There is a product with this SKU, capitals aside." in answers[0]
    assert Product.objects.count() == 1


def test_who_only_looks_sees_the_pictures_and_no_buttons_for_them() -> None:
    product = ProductFactory.create()
    add_pictures(product=product, pictures=[encode_picture(picture())], by=SYSTEM)
    client = browser(staff("auditor"))
    page = client.get(page_of(product)).content.decode()
    assert 'class="thumb"' in page
    assert 'name="new_pictures"' not in page
    assert client.post(page_of(product), typed(product)).status_code == 403
    assert "?copy=" not in page
    assert client.get(f"{ADD}?copy={product.pk}").status_code == 403
