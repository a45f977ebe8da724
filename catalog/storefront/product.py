"""The page of one product: what its templates show, and rendered once for all companies of a tier.

The page of a family's product is kept a second time for those who come from the list: there no
size and no colour is chosen for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from catalog.freshness import remember
from catalog.models import Product, ProductPicture, StockStatus, shelf_address
from catalog.selectors import Filters, Variant, offered_product, pictures_of, variants
from catalog.storefront.forms import address
from catalog.storefront.options import CHOOSE, Family, Option, Picks, family_of, options_shown
from catalog.texts.words import safe_html
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.some import some_of
from loyalty_portal.fastpath.fragments import render_alone

MANY = 24  # variants; with more, the chosen ones stand first in a box that scrolls
SHOWN_SIDE, SMALL_SIDE = 640, 320  # pixels of pictures on the page, unless srcset is used
LARGEST_SIDE = 1280  # pixels of a picture that is looked at closely


class Shot(NamedTuple):
    """A picture on a product page. `addresses` and `small` are for the attribute `srcset`; `large`
    is for a close look.
    """

    address: str
    addresses: str
    small: str
    large: str
    alt: str


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Everything that the product page's templates show. Without `shots`, it shows `picture`.

    `choosing`: no variant is chosen yet, so `points` are those of the cheapest, and `ranged` says
    that others cost more.
    """

    product: Product
    picture: str
    shots: list[Shot]
    title: str
    brand_href: str
    description: SafeString
    options: list[Option]
    many: bool
    points: str
    ranged: bool
    choosing: bool
    gone: bool

    @property
    def says_what_you_get(self) -> bool:
        product = self.product
        said = product.validity or product.usable_at or product.terms
        return bool(said or product.delivery_days)


def product_page(
    product: Product,
    family: Sequence[Variant],
    pictures: Sequence[ProductPicture],
    picks: Picks | None = None,
) -> ProductPage:
    """Build the part of a product page that is the same for all companies of a tier. `picks`: what
    is chosen of the family's options; None: this product.
    """
    kin = _kin(product, family)
    costs = [product.points_cost]
    options: list[Option] = []
    if kin:
        own = next((each for each, one in kin.rows if one.slug == product.slug), None)
        chosen = picks if picks is not None else own or ("",) * len(kin.names)
        options = options_shown(kin, product.slug, chosen)
        if picks is not None:
            costs = [one.points_cost for one in kin.with_picks(picks)] or costs
    many = len(family) > MANY and len(options) == 1
    return ProductPage(
        product=product,
        picture=product.picture_url,
        shots=[_shot(each, place, product) for place, each in enumerate(pictures, 1)],
        title=product.family.name if product.family and kin else product.name,
        brand_href=f"{shelf_address()}{address(Filters(brands=(product.brand,)))}",
        description=safe_html(product.description),
        options=[_chosen_first(each) for each in options] if many else options,
        many=many,
        points=grouped(min(costs)),
        ranged=picks is not None and max(costs) > min(costs),
        choosing=picks is not None and bool(kin),
        gone=product.stock_status == StockStatus.OUT,
    )


def _kin(product: Product, family: Sequence[Variant]) -> Family | None:
    several = len(family) > 1 and product.family is not None
    return family_of(product.family.options, family) if product.family and several else None


def _chosen_first(option: Option) -> Option:
    return Option(option.name, sorted(option.values, key=lambda value: not value.chosen))


def _shot(picture: ProductPicture, place: int, product: Product) -> Shot:
    named = {"name": product.name, "place": place}
    return Shot(
        address=picture.address(SHOWN_SIDE),
        addresses=picture.addresses,
        small=picture.address(SMALL_SIDE),
        large=picture.address(LARGEST_SIDE),
        alt=picture.alt or _("%(name)s, picture %(place)s") % named,
    )


# --- Rendered ------------------------------------------------------------------------------------


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
    kin: Family | None


@dataclass(frozen=True, slots=True)
class RenderedChoice:
    """What stands in place of a product's offer while its variant is being chosen. `left`: the
    names of the options that are still to be chosen.
    """

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
        kin=_kin(product, family),
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
    kin = _kin(product, family) if product else None
    if product is None or kin is None or len(picks) != len(kin.names):
        return None  # it has changed since its page was kept
    page = product_page(product, family, [], picks)
    left = [name for name, pick in zip(kin.names, picks, strict=True) if not pick]
    return RenderedChoice(offer=render_alone("catalog/_offer.html", page=page), left=some_of(left))
