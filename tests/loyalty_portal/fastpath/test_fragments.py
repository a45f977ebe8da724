"""Cached templates with placeholders: rendered once, filled each time."""

from pathlib import Path
from typing import Any

import pytest
from django.utils.autoreload import file_changed
from django.utils.safestring import mark_safe

from loyalty_portal.fastpath.fragments import (
    cached_fragment,
    cached_fragments,
    forget_held,
    held_value,
)

pytestmark = pytest.mark.both_ways


@pytest.fixture
def template(settings: Any, tmp_path: Path) -> Path:
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    return tmp_path / "part.html"


def test_values_fill_the_text_again_and_again_and_are_escaped(template: Path) -> None:
    template.write_text("<p title='{{ name }}'>{{ name }}: {{ head.points }}</p>{{ made }}")
    for name, shown in (
        ("A & B", "A &amp; B"),
        ("<i>'", "&lt;i&gt;&#x27;"),
        ("\0name\0", "\0name\0"),
    ):
        values = {"name": name, "head.points": "5", "made": mark_safe("<hr>")}
        assert cached_fragment("part.html", {}, values) == f"<p title='{shown}'>{shown}: 5</p><hr>"


def test_conditions_and_the_brand_decide_on_the_text(template: Path, settings: Any) -> None:
    template.write_text(
        "{% if many %}{{ count }} pieces{% else %}one{% endif %} · {{ brand.name }}"
    )
    settings.BRAND = {**settings.BRAND, "name": "Meridian"}
    assert cached_fragment("part.html", {"many": True}, {"count": "3"}) == "3 pieces · Meridian"
    assert cached_fragment("part.html", {"many": False}, {"count": "1"}) == "one · Meridian"
    settings.BRAND = {**settings.BRAND, "name": "Nordlys"}
    assert cached_fragment("part.html", {"many": True}, {"count": "4"}) == "4 pieces · Nordlys"


def test_a_developer_sees_a_template_as_it_is_now(template: Path, settings: Any) -> None:
    settings.DEBUG = True
    template.write_text("before {{ word }}")
    assert cached_fragment("part.html", {}, {"word": "x"}) == "before x"
    template.write_text("after {{ word }}")
    file_changed.send(sender=None, file_path=template)  # as runserver does when a file changes
    assert cached_fragment("part.html", {}, {"word": "x"}) == "after x"


def test_several_parts_of_one_template_stand_one_after_the_other(template: Path) -> None:
    template.write_text("{% if big %}<b>{{ word }}</b>{% else %}{{ word }}, {% endif %}")
    parts = [({"big": False}, {"word": "<one>"}), ({"big": True}, {"word": "two"})]
    assert cached_fragments("part.html", parts) == "&lt;one&gt;, <b>two</b>"
    assert cached_fragments("part.html", []) == ""


def test_a_value_is_held_until_it_is_forgotten(settings: Any) -> None:
    made = iter(range(10))
    first = held_value("number", seconds=60, make=lambda: next(made))
    second = held_value("number", seconds=60, make=lambda: next(made))
    assert (second == first) is settings.FASTPATH
    forget_held()
    assert held_value("number", seconds=0, make=lambda: next(made)) > second
    assert held_value("number", seconds=0, make=lambda: next(made)) > second + 1
