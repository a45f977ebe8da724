"""Renders the catalogue's pages once for all companies of a tier.

The list is found and read for each request, so that it is of this moment. Its texts are put
together from templates with placeholders, because a page takes Django some thousand template steps;
what a card, a filter or the results show only on a condition is a condition of the template. The
text of a card is kept by what it shows. Between two companies of a tier only "N points short"
differs, and between two seats the favourites: the text has placeholders for both on each card
(`Card.placeholder`, `Card.heart`), which each request fills.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import NamedTuple
from uuid import UUID

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from catalog.freshness import remember
from catalog.models import shelf_address
from catalog.search.finding import Suggestion, find_cards, suggestions
from catalog.selectors import (
    FamilyFacts,
    Filters,
    Row,
    offered_product,
    pictures_of,
    variants,
)
from catalog.storefront.cards import HEART, Card, Catalogue, PageLink, cards, catalogue
from catalog.storefront.forms import Asked, FacetOption, address
from catalog.storefront.options import CHOOSE, Kin, Picks, choosing
from catalog.storefront.product import kin_of, product_page
from loyalty_portal.configuration import brand
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.some import some_of
from loyalty_portal.fastpath.fragments import cached_fragment, cached_fragments, render_alone

# PostgreSQL text cannot contain NUL, so product data cannot forge a placeholder.
_PLACEHOLDER = re.compile(f"\x00([0-9]+|{HEART}[0-9a-f-]+)\x00")
_HEARTS = ('name="product" aria-pressed="false"', 'name="drop" aria-pressed="true"')
_FIGURE = "\x01"
_Keys = Collection[UUID]


@dataclass(frozen=True, slots=True)
class RenderedList:
    """A rendered list. `pieces` alternates text and what a placeholder holds."""

    title: str
    q: str
    address: str
    facets: SafeString
    keys: Sequence[UUID]  # of the products on its cards
    pieces: Sequence[str]
    lacking: tuple[str, str]  # the texts before and after N in "N points short"

    def results(self, spendable: int | None, favourites: Collection[UUID]) -> SafeString:
        """Fill the placeholders; `spendable` is in points, None when the balance is not known."""
        return _filled(self.pieces, self.lacking, spendable, favourites)


def _filled(
    pieces: Sequence[str], lacking: tuple[str, str], spendable: int | None, favourites: _Keys
) -> SafeString:
    filled, kept = list(pieces), {f"{HEART}{key}" for key in favourites}
    for place in range(1, len(filled), 2):
        held = filled[place]
        if held.startswith(HEART):
            filled[place] = _HEARTS[held in kept]
            continue
        short = 0 if spendable is None else int(held) - spendable
        filled[place] = grouped(short).join(lacking) if short > 0 else ""
    return mark_safe("".join(filled))  # noqa: S308 - what templates made, and figures


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
    return RenderedList(
        title=page.title,
        q=filters.q,
        address=shelf_address()
        + address(filters, page=filters.page, after=filters.after, before=filters.before),
        facets=_facets(page),
        keys=[card.key for card in page.cards],
        pieces=_PLACEHOLDER.split(_results(page)),
        lacking=_lacking(),
    )


def _lacking() -> tuple[str, str]:
    text = cached_fragment("catalog/_lacking.html", {}, {"points": _FIGURE})
    before, _, after = text.partition(_FIGURE)
    return before, after


def rendered_cards(
    rows: Sequence[Row],
    families: dict[UUID, FamilyFacts],
    *,
    spendable: int | None,
    favourites: Collection[UUID],
) -> SafeString:
    """The cards of a few products, for a place beside the list."""
    language, shown = get_language(), brand.current()
    made = [card._replace(eager=False) for card in cards(rows, families)]
    text = "".join([_card(card, language, shown) for card in made])
    return _filled(_PLACEHOLDER.split(text), _lacking(), spendable, favourites)


def heart_text(card: Card, *, on: bool, told: str) -> SafeString:
    """The heart of one card. `told`: what was just done, "" for nothing."""
    state = mark_safe(_HEARTS[on])  # noqa: S308 - ours
    values = {"key": str(card.key), "called": card.name, "state": state, "told": told}
    return cached_fragment("catalog/yours/_heart.html", {"told_now": bool(told)}, values)


def _kept_text(
    template: str, *, product: str, token: str, on: bool, told: str = "", refused: bool = False
) -> SafeString:
    """A button that keeps something. `told`: what was just done, or why it was refused."""
    conditions = {"on": on, "told_now": bool(told), "refused": refused}
    values = {"product": product, "csrf_token": token, "told": told}
    return cached_fragment(template, conditions, values)


# The button that makes a product a favourite, and that for a letter when it is in stock again.
favourite_text = partial(_kept_text, "catalog/yours/_favourite.html")
wish_text = partial(_kept_text, "catalog/yours/_wish.html")


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


def _facets(page: Catalogue) -> SafeString:
    """The filters, with a count for each choice."""
    typed, errors = page.asked.typed, page.asked.errors
    conditions = {
        "with_budget": page.with_budget,
        "within": page.filters.within_balance,
        "in_stock": page.filters.in_stock,
        "wrong_min": "min" in errors,
        "wrong_max": "max" in errors,
        "branded": bool(page.brands),
    }
    texts = {
        "shelves": _choices("category", page.shelves),
        "types": _choices("type", page.types),
        "brands": _choices("brand", page.brands),
        "min": typed.get("min", ""),
        "max": typed.get("max", ""),
        "error": errors.get("min") or errors.get("max", ""),
        "show": page.show,
    }
    return cached_fragment("catalog/_facets.html", conditions, texts)


def _choices(name: str, options: Iterable[FacetOption]) -> SafeString:
    """The choices of one filter. Those of brands are numbered, because a brand may be any text."""
    return cached_fragments(
        "catalog/_choice.html",
        (
            (
                {"name": name, "chosen": option.chosen},
                {
                    "value": option.value,
                    "key": f"{name}-{number if name == 'brand' else option.value}",
                    "label": option.label,
                    "finds": option.finds,
                },
            )
            for number, option in enumerate(options, 1)
        ),
    )


def _results(page: Catalogue) -> SafeString:
    """What stands beside the filters: the cards, and what is said and offered around them."""
    conditions = {
        "has_meant": bool(page.meant),
        "instead": page.instead,
        "has_cards": bool(page.cards),
        "has_chips": bool(page.chips),
        "is_narrowed": bool(page.filters.q or page.chips),
        "has_pages": bool(page.pages or page.before or page.after),
        "has_before": bool(page.before),
        "has_after": bool(page.after),
    }
    language, shown = get_language(), brand.current()
    shown_cards = "".join([_card(card, language, shown) for card in page.cards])
    texts = {
        "counted": page.counted,
        "title": page.title,
        "meant": page.meant,
        "meant_href": page.meant_href,
        "sorts": cached_fragment("catalog/_sorts.html", {"sorts": page.sorts}, {}),
        "chips": cached_fragments(
            "catalog/_chip.html",
            (({}, {"href": chip.href or "?", "label": chip.label}) for chip in page.chips),
        ),
        "cards": mark_safe(shown_cards),  # noqa: S308 - what templates made
        "pages": cached_fragments("catalog/_page_link.html", map(_page_link, page.pages)),
        "before": page.before,
        "after": page.after,
    }
    return cached_fragment("catalog/_results.html", conditions, texts)


def _page_link(link: PageLink) -> tuple[Mapping[str, bool], Mapping[str, str]]:
    conditions = {"gap": link.is_gap, "here": not link.href}
    return conditions, {"href": link.href, "label": link.label}


@lru_cache(maxsize=4_000)
def _card(card: Card, language: str, shown: brand.Brand) -> str:  # noqa: ARG001 - it differs by them
    conditions = {
        "eager": card.eager,
        "has_maker": bool(card.brand),
        "ranged": card.ranged,
        "has_choices": bool(card.choices),
        "virtual": card.virtual,
        "stock": card.stock,
    }
    texts = {
        "href": card.href,
        "picture": card.picture,
        "name": card.name,
        "maker": card.brand,
        "points": card.points,
        "choices": card.choices,
        "placeholder": card.placeholder,
        "key": str(card.key),
        "called": card.name,
        "state": card.heart,
    }
    return cached_fragment("catalog/_card.html", conditions, texts)


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
    slug = suggestion.key
    return choosing(slug) if suggestion.several else f"{shelf_address()}{slug}/"


# --- One product ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RenderedProduct:
    """The rendered page of one product, without the parts that differ between viewers. `kin`: its
    family, None for a product alone.
    """

    key: str
    address: str
    name: str
    pictures: SafeString
    gone: bool
    points_cost: int
    crumbs: SafeString
    offer: SafeString
    about: SafeString
    kin: Kin | None


@dataclass(frozen=True, slots=True)
class RenderedChoice:
    """What stands in place of a product's offer while its variant is being chosen. `left`: the
    names of the options that are still to be chosen.
    """

    title: str
    offer: SafeString
    left: str


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
        kin=kin_of(product, family),
    )


def rendered_choice(
    shown: RenderedProduct, query: Mapping[str, str], *, slug: str, tier_level: str
) -> RenderedChoice | None:
    """What stands in place of the offer while a variant is being chosen; None if none is: the
    query does not ask for it, or has chosen all.
    """
    if shown.kin is None or CHOOSE not in query:
        return None
    picks = shown.kin.read(query)
    if all(picks):
        return None
    return remember(
        "product-choice",
        RenderedChoice,
        (tier_level, slug, picks),
        lambda: _make_choice(slug, tier_level, picks),
        slug=slug,
    )


def _make_choice(slug: str, tier_level: str, picks: Picks) -> RenderedChoice | None:
    product = offered_product(slug=slug, tier_level=tier_level)
    family = variants(product=product, tier_level=tier_level) if product else []
    kin = kin_of(product, family) if product else None
    if product is None or kin is None or len(picks) != len(kin.names):
        return None  # it has changed since its page was kept
    page = product_page(product, family, [], picks)
    left = [name for name, pick in zip(kin.names, picks, strict=True) if not pick]
    return RenderedChoice(
        title=page.title,
        offer=render_alone("catalog/_offer.html", page=page),
        left=some_of(left),
    )
