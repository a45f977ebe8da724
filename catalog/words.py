"""Words: how they stand in an address, and the order of sizes."""

import re
from collections.abc import Sequence

from anyascii import anyascii
from django.utils.text import slugify

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
AND = " / "  # stands between the options of a variant


def slug_of(text: str) -> str:
    """A text as it stands in an address, no letter lost: "L'Œuvre" is "loeuvre"."""
    return slugify(anyascii(text))


def in_order(variants: Sequence[str]) -> list[int]:
    """The places of these variants, such as "S / Red", in the order in which people expect them.

    What is a size (S, M, L; 36, 38; 64 GB, 128 GB) stands by its size, all else as it came.
    """
    parts = [variant.split(AND) for variant in variants]
    if len({len(each) for each in parts}) != 1:
        return list(range(len(variants)))
    ranks = [_ranks(values) for values in zip(*parts, strict=True)]
    return sorted(range(len(variants)), key=lambda place: [rank[place] for rank in ranks])


def _ranks(values: Sequence[str]) -> list[float]:
    """For each value of one option its place: by size if all are sizes, else as they came."""
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
