"""What the variants of a family differ by, named as the family names it: a size, a colour.

A family's options are one text, such as “Size / Colour”, and so are a variant's values, such as
“M / Red”. Where all variants have as many values as the family has options, each option is chosen
by itself. Otherwise the variants are one option.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from catalog.models import StockStatus, shelf_address
from catalog.selectors import Variant
from catalog.texts.words import AND

CHOOSE = "choose"  # in a query: nothing is chosen yet, but for the values that it names

Picks = tuple[str, ...]  # a value for each option; "" where none is chosen


class OptionValue(NamedTuple):
    """A value of an option, with the page on which it is chosen. `other`: what else is chosen does
    not come with it.
    """

    label: str
    href: str
    chosen: bool
    gone: bool
    other: bool


class VariantOption(NamedTuple):
    """One thing that variants differ by, and its values."""

    name: str
    values: list[OptionValue]


class Kin(NamedTuple):
    """The variants of a family in order, with their values for each of its options."""

    names: tuple[str, ...]
    rows: tuple[tuple[Picks, Variant], ...]

    def values(self, place: int) -> list[str]:
        """The values of one option, each once, in the order of the variants."""
        return list(dict.fromkeys(picks[place] for picks, _variant in self.rows))

    def read(self, query: Mapping[str, str]) -> Picks:
        """What a query has chosen; a value that no variant has is not chosen."""
        asked = [query.get(f"o{number}", "") for number, _name in enumerate(self.names, 1)]
        return tuple(
            value if value in self.values(place) else "" for place, value in enumerate(asked)
        )

    def with_picks(self, picks: Picks) -> list[Variant]:
        """The variants that have all the values that are chosen."""
        return [variant for own, variant in self.rows if _fits(own, picks)]


def _fits(own: Picks, picks: Picks) -> bool:
    return all(not pick or pick == value for value, pick in zip(own, picks, strict=True))


def family_of(options: str, variants: Sequence[Variant]) -> Kin:
    """Split the variants' values by the family's options."""
    names = tuple(name.strip() for name in options.split("/") if name.strip())
    parts = [tuple(one.variant.split(AND, len(names) - 1)) for one in variants] if names else []
    if len(names) > 1 and all(len(each) == len(names) and all(each) for each in parts):
        return Kin(names, tuple(zip(parts, variants, strict=True)))
    label = options if len(names) == 1 else ""
    return Kin(
        (label or _("Choose"),),
        tuple(((one.variant or one.name,), one) for one in variants),
    )


def options_shown(family: Kin, slug: str, picks: Picks) -> list[VariantOption]:
    """The options with links, on the page of the product with this slug."""
    return [
        VariantOption(
            name, [_value(family, slug, picks, place, value) for value in family.values(place)]
        )
        for place, name in enumerate(family.names)
    ]


def _value(family: Kin, slug: str, picks: Picks, place: int, value: str) -> OptionValue:
    wanted = (*picks[:place], value, *picks[place + 1 :])
    found = family.with_picks(wanted)
    if not found:
        wanted = tuple(value if each == place else "" for each in range(len(picks)))
    if found and all(wanted):
        shown = next((one for one in found if one.slug == slug), found[0])
        href = f"{shelf_address()}{shown.slug}/"
    else:
        href = choosing(slug, wanted)
    there = found or family.with_picks(wanted)
    return OptionValue(
        label=value,
        href=href,
        chosen=picks[place] == value,
        gone=all(one.stock_status == StockStatus.OUT for one in there),
        other=not found,
    )


def choosing(slug: str, picks: Picks = ()) -> str:
    """The address of the page on which only these values are chosen."""
    chosen = {f"o{number}": value for number, value in enumerate(picks, 1) if value}
    return f"{shelf_address()}{slug}/?{urlencode({CHOOSE: 1, **chosen})}"
