"""Renders the catalogue's pages once for all companies of a tier, and caches the text.

A page of cards takes several queries and about a thousand template steps. Between two companies of
a tier only "N points short" differs. The cached text has a placeholder for it on each card
(`Card.placeholder`), which each request fills.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.utils.safestring import SafeString, mark_safe

from catalog.cards import Catalogue, cards, catalogue, product_page
from catalog.forms import Asked, address
from catalog.freshness import remember
from catalog.models import shelf_address
from catalog.selectors import (
    Facets,
    Row,
    Sort,
    card_rows,
    count_facets,
    family_facts,
    offered_product,
    pictures_of,
    variants,
)
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
    """Return the rendered list for the filters and the page in `asked`, from the cache if there.

    `budget`: the points for the filter "within our balance", None when the balance is not known.
    """
    filters = asked.filters
    if budget is None:
        filters = replace(filters, within_balance=False)
    limit = budget if filters.within_balance else None
    asked = replace(asked, filters=filters)
    return remember(
        "list",
        RenderedList,
        (tier_level, asked, limit, budget is None),
        lambda: _make_list(asked, tier_level, limit, with_budget=budget is not None),
    )


def listed(
    asked: Asked, tier_level: str, limit: int | None, *, with_budget: bool
) -> tuple[list[Row], Catalogue]:
    """One page of the list that companies of this tier see: its rows, and what the page shows.

    `limit`: the most points that a card may cost, None for any.
    """
    found = remember(
        "facets",  # the facets do not depend on page and sort, so all pages share them
        Facets,
        (tier_level, replace(asked.filters, page=1, sort=Sort.NAME), limit),
        lambda: count_facets(tier_level=tier_level, filters=asked.filters, budget=limit),
    )
    filters = replace(asked.filters, page=min(asked.filters.page, found.pages))
    rows = card_rows(tier_level=tier_level, filters=filters, budget=limit)
    families = family_facts(tier_level=tier_level, rows=rows)
    page = catalogue(
        asked=replace(asked, filters=filters),
        found=found,
        cards=cards(rows, families),
        with_budget=with_budget,
    )
    return rows, page


def _make_list(
    asked: Asked, tier_level: str, limit: int | None, *, with_budget: bool
) -> RenderedList:
    _rows, page = listed(asked, tier_level, limit, with_budget=with_budget)
    filters = page.filters
    before, _, after = render_alone("catalog/_lacking.html", points=_FIGURE).partition(_FIGURE)
    return RenderedList(
        title=page.title,
        q=filters.q,
        address=shelf_address() + address(filters, page=filters.page),
        facets=render_alone("catalog/_facets.html", catalogue=page),
        pieces=_PLACEHOLDER.split(render_alone("catalog/_results.html", catalogue=page)),
        lacking=(before, after),
    )


def rendered_product(*, slug: str, tier_level: str) -> RenderedProduct | None:
    """The rendered page of the product with this slug; None when this tier may not redeem it."""
    return remember(
        "product-page",
        RenderedProduct,
        (tier_level, slug),
        lambda: _make_product(slug, tier_level),
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
