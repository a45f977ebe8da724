"""What a page showed when its button was pressed, and what has changed since."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from catalog.models import Product
from loyalty_portal.data.texts.numbers import grouped

LONGEST = 50_000  # characters of the form field; a cart holds at most 50 products


@dataclass(frozen=True, slots=True)
class Shown:
    """`products`: name and points of each, by the product's id. `waits`: whether approval was
    needed.
    """

    products: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    waits: bool = False

    @classmethod
    def of(cls, products: Sequence[Product], *, waits: bool) -> "Shown":
        return cls({str(each.pk): (each.name, each.points_cost) for each in products}, waits)

    def written(self) -> str:
        """As text, for a hidden field of the form."""
        return json.dumps({"products": self.products, "waits": self.waits})

    @classmethod
    def read(cls, text: str) -> "Shown | None":
        """What the hidden field held. None when it was empty; an empty Shown when it cannot be
        read.
        """
        if not text:
            return None
        try:
            said = json.loads(text[:LONGEST])
            products = {
                key: (str(name), int(points)) for key, (name, points) in said["products"].items()
            }
            return cls(products, bool(said["waits"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return cls()

    def changes(self, products: Sequence[Product]) -> Iterator[str]:
        """One sentence for each product whose name or points have changed."""
        for product in {product.pk: product for product in products}.values():
            name, points = self.products.get(str(product.pk), ("", 0))
            facts = {
                "before": name,
                "product": product.name,
                "then": grouped(points),
                "now": grouped(product.points_cost),
            }
            if not name:
                yield _("“%(product)s” was not shown; it costs %(now)s points.") % facts
            elif name != product.name:
                yield _("“%(before)s” is now called “%(product)s”.") % facts
            if name and points != product.points_cost:
                yield _("“%(product)s” costs %(now)s points now, not %(then)s.") % facts


def read_points(text: str) -> int:
    """The points in a page's hidden field; -1, which no order costs, when it cannot be read."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else -1
