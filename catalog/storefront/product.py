"""What the page of one product shows.

Those who come from the list see a family's product with no size and no colour chosen for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from catalog.models import Product, ProductPicture, StockStatus, shelf_address
from catalog.selectors import Filters, Variant
from catalog.storefront.forms import address
from catalog.storefront.options import Kin, Picks, VariantOption, family_of, options_shown
from catalog.texts.words import safe_html
from loyalty_portal.data.texts.numbers import grouped

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
    options: list[VariantOption]
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
    kin = kin_of(product, family)
    costs = [product.points_cost]
    options: list[VariantOption] = []
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


def kin_of(product: Product, family: Sequence[Variant]) -> Kin | None:
    several = len(family) > 1 and product.family is not None
    return family_of(product.family.options, family) if product.family and several else None


def _chosen_first(option: VariantOption) -> VariantOption:
    return VariantOption(option.name, sorted(option.values, key=lambda value: not value.chosen))


def _shot(picture: ProductPicture, place: int, product: Product) -> Shot:
    named = {"name": product.name, "place": place}
    return Shot(
        address=picture.address(SHOWN_SIDE),
        addresses=picture.addresses,
        small=picture.address(SMALL_SIDE),
        large=picture.address(LARGEST_SIDE),
        alt=picture.alt or _("%(name)s, picture %(place)s") % named,
    )
