"""The drawn pictures of products."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.artwork import FAMILIES, product_artwork

SVG = "{http://www.w3.org/2000/svg}"
CATEGORIES = [family for family, _ in FAMILIES]


@given(category=st.text(), key=st.text(), label=st.text())
def test_a_picture_is_well_formed_whatever_the_product_is_called(
    category: str, key: str, label: str
) -> None:
    picture = ElementTree.fromstring(product_artwork(category=category, key=key, label=label))
    assert picture.get("viewBox") == "0 0 640 480"


def test_a_product_always_has_the_same_picture() -> None:
    first, again = (product_artwork(category="Audio", key="AUD-1", label="Speaker") for _ in "12")
    assert first == again


@pytest.mark.parametrize("category", [*CATEGORIES, "something else"])
def test_the_products_of_a_category_do_not_all_look_alike(category: str) -> None:
    pictures = {product_artwork(category=category, key=f"SKU-{n}") for n in range(50)}
    assert len(pictures) > 25


def test_markup_in_a_label_stays_text() -> None:
    picture = product_artwork(category="Gift cards", key="G-1", label="<script>alert(1)</script>")
    assert "<script" not in picture


def test_a_gift_card_has_its_name_printed_on_it() -> None:
    picture = ElementTree.fromstring(
        product_artwork(category="Gift cards", key="G-1", label="Café & Söhne")
    )
    assert [text.text for text in picture.iter(f"{SVG}text")] == ["Café & Söhne"]


def test_a_long_name_is_shortened_to_what_the_card_can_bear() -> None:
    picture = ElementTree.fromstring(
        product_artwork(category="Gift cards", key="G-1", label="Nordic Outdoor Supply Company")
    )
    assert [text.text for text in picture.iter(f"{SVG}text")] == ["Nordic Outdoor Supply Com…"]


def test_the_picture_shows_what_the_product_is_called() -> None:
    named = {
        product_artwork(category="Electronics", key="E-1", label=label).partition("</title>")[2]
        for label in ("Compact camera", "Mirrorless cameras, silver", "The camera")
    }
    assert len(named) == 1
    other = product_artwork(category="Electronics", key="E-1", label="Laptop").partition("</title>")
    assert other[2] not in named
