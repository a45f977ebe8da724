"""Makes slugs from texts, cleans HTML and reads text out of it, and orders variants by size."""

import functools
import re
from collections.abc import Sequence
from html import unescape

import nh3
from anyascii import anyascii
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

ALLOWED_TAGS = {"p", "br", "ul", "ol", "li", "strong", "b", "em", "i", "h3", "h4"}
REMEMBERED = 2_000  # characters: a longer description is cleaned each time

_SIZES = {
    size: place
    for place, sizes in enumerate(
        (
            "3xs xxxs",
            "2xs xxs",
            "xs x-small extra-small",
            "s small",
            "m medium",
            "l large",
            "xl x-large extra-large",
            "2xl xxl xx-large",
            "3xl xxxl xxx-large",
            "4xl xxxxl",
            "5xl",
            "6xl",
        )
    )
    for size in sizes.split()
}
_NUMBER = re.compile(r"(\d{1,9}(?:[.,]\d{1,3})?)\s*(\D{0,12})")
AND = " / "  # separates the options in a variant's name


_TAG = re.compile(r"<[^>]*>")
LONGEST_READ = 20_000  # characters of a description that the search reads


def plain_text(text: str) -> str:
    """The words of simple HTML, for the search."""
    short = text[:LONGEST_READ]
    return unescape(_TAG.sub(" ", short)) if "<" in short or "&" in short else short


def slug_of(text: str) -> str:
    """Make a slug in which no letter is lost: "L'Œuvre" becomes "loeuvre"."""
    return slugify(anyascii(text))


def in_order(variants: Sequence[str]) -> list[int]:
    """Sort variants such as "S / Red" as people expect, and return their indexes in that order.

    Sizes (S, M, L; 36, 38; 64 GB, 128 GB) are sorted by size, all other values stay in their order.
    """
    parts = [variant.split(AND) for variant in variants]
    if len({len(each) for each in parts}) != 1:
        return list(range(len(variants)))
    ranks = [_ranks(values) for values in zip(*parts, strict=True)]
    return sorted(range(len(variants)), key=lambda place: [rank[place] for rank in ranks])


def _ranks(values: Sequence[str]) -> list[float]:
    """A sort key for each value of one option: by size if all are sizes, else by first use."""
    named = [_SIZES.get(re.sub(r"\s+", "-", value.strip().lower())) for value in values]
    known = [float(place) for place in named if place is not None]
    if len(known) == len(values):
        return known
    numbers = [_NUMBER.fullmatch(value.strip()) for value in values]
    sizes = [(float(one[1].replace(",", ".")), one[2].strip()) for one in numbers if one]
    if len(sizes) == len(values) and len({unit for _, unit in sizes}) == 1:
        return [number for number, _ in sizes]
    first = {value: place for place, value in reversed(list(enumerate(values)))}
    return [float(first[value]) for value in values]


def safe_html(text: str) -> SafeString:
    """Clean a product's description so that it is safe to show, whatever its source."""
    return _remembered(text) if len(text) <= REMEMBERED else _cleaned(text)


def _cleaned(text: str) -> SafeString:
    return mark_safe(nh3.clean(text, tags=ALLOWED_TAGS, attributes={}, link_rel=None))  # noqa: S308


# A list over the API cleans up to a hundred descriptions, which takes as long as reading them.
_remembered = functools.lru_cache(maxsize=1_000)(_cleaned)
