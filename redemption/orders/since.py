"""What has changed in the catalogue since an order was placed that is waiting for approval."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import Product
from loyalty_portal.data.texts.numbers import grouped
from redemption.models import OrderItem, RedemptionOrder

MOST_TOLD = 10  # sentences about one order


def changed_since(orders: Sequence[RedemptionOrder]) -> dict[UUID, list[str]]:
    """One sentence for each product whose name or points would differ if it were ordered today, by
    the order's key. The orders themselves stay as they were placed.

    All are of one company, which is loaded. Makes one query, and loads only lines that changed.
    """
    if not orders:
        return {}
    offered = Product.objects.offered().for_tier(orders[0].company.tier_level)
    as_it_was = Q(product__points_cost=F("points_per_item"), product__name=F("product_name"))
    same = Exists(offered.filter(pk=OuterRef("product"))) & as_it_was
    alike = ["order_id", "product_id", "product_name", "points_per_item"]
    lines = OrderItem.objects.filter(~same, order__in=orders)
    found: dict[UUID, list[OrderItem]] = defaultdict(list)
    for item in lines.order_by(*alike, "id").distinct(*alike).select_related("product"):
        found[item.order_id].append(item)
    return {order.pk: _told(order, found[order.pk]) for order in orders}


def _told(order: RedemptionOrder, items: Iterable[OrderItem]) -> list[str]:
    told = []
    for item in sorted(items, key=lambda item: item.pk):
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
    more = len(told) - MOST_TOLD
    if more <= 0:
        return told
    and_more = ngettext("And %(n)s more change.", "And %(n)s more changes.", more)
    return [*told[:MOST_TOLD], and_more % {"n": more}]
