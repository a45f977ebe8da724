"""The programme's brand: any accent colour is adjusted to be readable."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, override_settings

from loyalty_portal.configuration import brand

ACCENTS = ["#000000", "#ffffff", "#ffff00", "#ff0000", "#254db1", "#7f7f7f", "#fcf9f5", "#161310"]


def rgb(colour: str) -> brand.Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def with_accent(accent: str) -> override_settings:
    return override_settings(BRAND={"name": "Northern Points", "accent": accent, "logo": ""})


@pytest.mark.parametrize("accent", ACCENTS)
def test_any_accent_stands_out_and_can_be_written_on(accent: str) -> None:
    with with_accent(accent):
        shown = brand.current()
    for colour, ink, ground in (
        (shown.accent, shown.on_accent, brand.PAPER),
        (shown.accent_dark, shown.on_accent_dark, brand.NIGHT),
    ):
        assert brand.contrast(rgb(colour), ground) >= 3
        assert brand.contrast(rgb(colour), rgb(ink)) >= 4.5


def test_an_accent_that_stands_out_already_is_left_alone() -> None:
    with with_accent("#B9573A"):
        assert brand.current().accent == "#b9573a"


def test_something_else_than_a_colour_never_reaches_the_stylesheet() -> None:
    with (
        with_accent("red;} body{display:none"),
        pytest.raises(ImproperlyConfigured, match="BRAND_ACCENT"),
    ):
        brand.current()


def test_browsers_keep_the_stylesheet_under_an_address_that_changes_with_the_colour(
    client: Client,
) -> None:
    with with_accent("#1f7a78"):
        answer = client.get("/brand.css")
        before = brand.current().version
    assert answer.headers["Content-Type"] == "text/css"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "--brand-accent: #1f7a78;" in answer.text
    with with_accent("#1f7a79"):
        assert brand.current().version != before
