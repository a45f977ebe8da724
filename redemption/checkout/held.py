"""Whether a problem of a partner holds an order up.

The pages that offer redeeming or approving ask this, and so do the services that place and approve.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts import loyalty
from catalog.models import Product
from fulfillment import partner as fulfillment
from loyalty_portal.data.texts.some import some_of
from redemption.incidents.partners import who_rejects_us

_PARTNERS = frozenset({loyalty.PARTNER, fulfillment.PARTNER})


@dataclass(frozen=True, slots=True)
class PartnerTrouble:
    """The current problems of the partners. `points`: why no points can be taken, "" if they can.

    `deliveries`: whether the Fulfillment partner rejects our credentials.
    """

    points: str
    deliveries: bool

    def holds(self, products: Iterable[Product]) -> str:
        """Why an order of these products cannot go ahead, naming the affected lines; "" when it
        can.

        Problems with points hold every order, problems with deliveries only those with a virtual
        line.
        """
        if self.points or not self.deliveries:
            return self.points  # `products` may be a query, which is not made then
        lines = list({product.pk: product for product in products}.values())
        virtual = [product.name for product in lines if product.is_virtual]
        if not virtual:
            return ""
        names = some_of(f"“{name}”" for name in virtual)
        if len(virtual) == len(lines):
            why = _(
                "We cannot reach the partner who delivers %(what)s at the moment, so no points "
                "are taken. We are told about it."
            )
        else:
            why = _(
                "We cannot reach the partner who delivers %(what)s at the moment; everything else"
                " here can be ordered. We are told about it."
            )
        return why % {"what": names}

    def holds_approval(self, products: Iterable[Product]) -> str:
        """Why an order of these products cannot be approved now; "" when it can."""
        why = self.holds(products)
        return " ".join([why, _("The order keeps waiting: try again later.")]) if why else ""


def partner_trouble() -> PartnerTrouble:
    """The problems of both partners, from one query and a few cache reads."""
    rejecting = who_rejects_us(_PARTNERS)
    if loyalty.is_down():
        points = _("The loyalty system does not answer at the moment, so no points can be taken.")
    elif loyalty.PARTNER in rejecting:
        points = _(
            "We cannot reach the loyalty system at the moment, so no points can be taken. We are "
            "told about it."
        )
    else:
        points = ""
    return PartnerTrouble(points, fulfillment.PARTNER in rejecting)
