"""Renders the catalogue's pages once for all companies of a tier.

The list is found and read for each request, so that it is of this moment. The text of a card is
kept by what it shows, because a page of them takes about a thousand template steps. Between two
companies of a tier only "N points short" differs: the text has a placeholder for it on each card
(`Card.placeholder`), which each request fills.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from catalog.cards import Card, Catalogue, catalogue, product_page
from catalog.forms import Asked, address
from catalog.freshness import remember
from catalog.models import shelf_address
from catalog.search.finding import Suggestion, find_cards, suggestions
from catalog.selectors import Filters, Row, offered_product, pictures_of, variants
from loyalty_portal.configuration import brand
from loyalty_portal.data.numbers import grouped
from loyalty_portal.fastpath.fragments import cached_fragment, render_alone

# PostgreSQL text cannot contain NUL, so product data cannot forge a placeholder.
_PLACEHOLDER = re.compile("\x00([0-9]+)\x00")
_FIGURE = "\x01"


@dataclass(frozen=True, slots=True)
class RenderedList:
    """A rendered list. `pieces` alternates text and the points of the card where the text ends."""

    title: str
    q: str
    address: str
    facets: SafeString
    pieces: Sequence[str]
    lacking: tuple[str, str]  # the texts before and after N in "N points short"

    def results(self, spendable: int | None) -> SafeString:
        """Fill the placeholders; `spendable` is in points, None when the balance is not known."""
        filled = list(self.pieces)
        for place in range(1, len(filled), 2):
            short = 0 if spendable is None else int(filled[place]) - spendable
            filled[place] = grouped(short).join(self.lacking) if short > 0 else ""
        return mark_safe("".join(filled))  # noqa: S308 - what templates made, and figures


@dataclass(frozen=True, slots=True)
class RenderedProduct:
    """The rendered page of one product, without the parts that differ between viewers."""

    key: str
    address: str
    name: str
    pictures: SafeString
    gone: bool
    points_cost: int
    crumbs: SafeString
    offer: SafeString
    about: SafeString


def tally_text(*, points_cost: int, quantity: int, spendable: int | None) -> SafeString:
    """Render what `quantity` pieces cost and how many points remain after it.

    `spendable` is in points, None when the balance is not known.
    """
    total = points_cost * quantity
    left = (spendable or 0) - total
    known = spendable is not None
    conditions = {"known": known, "short": known and left < 0, "several": quantity > 1}
    figures = {
        "spendable": grouped(spendable or 0),
        "quantity": str(quantity),
        "total": grouped(total),
        "left": grouped(abs(left)),
    }
    return cached_fragment("catalog/_tally.html", conditions, figures)


def rendered_list(*, asked: Asked, tier_level: str, budget: int | None) -> RenderedList:
    """Return the rendered list for the filters and the page in `asked`.

    `budget`: the points for the filter "within our balance", None when the balance is not known.
    """
    rows_and_page = listed(asked, tier_level, budget, with_budget=budget is not None)
    page = rows_and_page[1]
    filters = page.filters
    before, _, after = render_alone("catalog/_lacking.html", points=_FIGURE).partition(_FIGURE)
    shown = _with_cards(page)
    return RenderedList(
        title=page.title,
        q=filters.q,
        address=shelf_address()
        + address(filters, page=filters.page, after=filters.after, before=filters.before),
        facets=render_alone("catalog/_facets.html", catalogue=page),
        pieces=_PLACEHOLDER.split(shown),
        lacking=(before, after),
    )


def listed(
    asked: Asked, tier_level: str, budget: int | None, *, with_budget: bool
) -> tuple[Sequence[Row], Catalogue]:
    """One page of the list that companies of this tier see: its rows, and what the page shows.

    `budget`: the points for the filter "within our balance", None when they are not known.
    """
    filters = asked.filters
    if budget is None:
        filters = replace(filters, within_balance=False)
    limit = budget if filters.within_balance else None
    found = find_cards(tier_level=tier_level, filters=filters, budget=limit)
    filters = replace(filters, page=found.page)
    page = catalogue(asked=replace(asked, filters=filters), found=found, with_budget=with_budget)
    return found.rows, page


_CARDS = "\x02"  # where the cards stand in the text around them


def _with_cards(page: Catalogue) -> str:
    """The results with their cards. A card that shows the same as before is not rendered again."""
    around = render_alone("catalog/_results.html", catalogue=page, cards_here=_CARDS)
    language, shown = get_language(), brand.current()
    cards = "".join(_card(card, language, shown) for card in page.cards)
    return around.replace(_CARDS, cards)


@lru_cache(maxsize=4_000)
def _card(card: Card, language: str, shown: brand.Brand) -> str:  # noqa: ARG001 - it differs by them
    return render_alone("catalog/_card.html", card=card)


class Option(NamedTuple):
    """One suggestion: what it is called, what kind it is, and where it leads."""

    label: str
    kind: str
    href: str


def rendered_suggestions(typed: str, tier_level: str) -> SafeString:
    """The options of the search's list for what is typed; "" if there are none."""
    found = suggestions(tier_level=tier_level, typed=typed) if typed else []
    options = [Option(each.label, each.kind, _href(each)) for each in found]
    return render_alone("catalog/_suggestions.html", options=options) if options else SafeString("")


def _href(suggestion: Suggestion) -> str:
    match suggestion.kind:
        case "category":
            return shelf_address() + address(Filters(categories=(suggestion.key,)))
        case "brand":
            return shelf_address() + address(Filters(brands=(suggestion.key,)))
    return f"{shelf_address()}{suggestion.key}/"


def rendered_product(*, slug: str, tier_level: str) -> RenderedProduct | None:
    """The rendered page of the product with this slug; None when this tier may not redeem it."""
    return remember(
        "product-page",
        RenderedProduct,
        (tier_level, slug),
        lambda: _make_product(slug, tier_level),
        slug=slug,
    )


def _make_product(slug: str, tier_level: str) -> RenderedProduct | None:
    product = offered_product(slug=slug, tier_level=tier_level)
    if product is None:
        return None
    family = variants(product=product, tier_level=tier_level)
    page = product_page(product, family, pictures_of(product))
    shelf = f"{shelf_address()}?category={product.category.slug}"
    return RenderedProduct(
        key=str(product.pk),
        address=product.get_absolute_url(),
        name=product.name,
        pictures=render_alone("catalog/_pictures.html", page=page),
        gone=page.gone,
        points_cost=product.points_cost,
        crumbs=render_alone("catalog/_crumbs.html", shelf=shelf, category=product.category.name),
        offer=render_alone("catalog/_offer.html", page=page),
        about=render_alone("catalog/_about.html", page=page),
    )
