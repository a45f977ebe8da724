"""What has changed in the catalogue since an order was placed that is waiting for approval."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from loyalty_portal.data.numbers import grouped
from redemption.models import OrderItem, RedemptionOrder


def changed_since(order: RedemptionOrder, items: Iterable[OrderItem]) -> list[str]:
    """One sentence for each product whose name or points would differ if it were ordered today. The
    order itself stays as it was placed.

    The order's company and the products of `items` are loaded.
    """
    told = []
    for item in items:
        product = item.product
        facts = {
            "product": item.product_name,
            "now": grouped(product.points_cost),
            "then": grouped(item.points_per_item),
            "name": product.name,
        }
        if not product.is_offered_to(order.company.tier_level):
            told.append(_("“%(product)s” is not on offer any more; it is held here.") % facts)
        elif product.points_cost != item.points_per_item:
            text = _("“%(product)s” costs %(now)s points by now; here it costs %(then)s.")
            told.append(text % facts)
        if product.name != item.product_name:
            told.append(_("“%(product)s” is called “%(name)s” by now.") % facts)
    return told
