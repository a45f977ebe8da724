"""Lists of orders: a company's own, those that wait for a yes, and what it redeemed before."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager
from catalog.models import Product
from redemption.models import OrderItem, RedemptionOrder
from redemption.orders.looks import Look, order_look
from redemption.permissions import may_decide
from redemption.states import OrderStatus

PAGE_SIZE = 25
LONGEST_SEARCH = 100  # characters
RECENT = 5
ORDERS_LOOKED_AT = 200  # the newest, for what was redeemed before
MOST_APPROVALS = 100

GROUPS = {
    "open": (
        _("Open"),
        (
            OrderStatus.AWAITING_APPROVAL,
            OrderStatus.PENDING,
            OrderStatus.CONFIRMED,
            OrderStatus.IN_FULFILLMENT,
            OrderStatus.CANCELLING,
        ),
    ),
    "done": (_("Completed"), (OrderStatus.COMPLETED,)),
    "cancelled": (_("Cancelled"), (OrderStatus.CANCELLED,)),
    "refused": (
        _("Not approved or declined"),
        (OrderStatus.DECLINED, OrderStatus.REJECTED, OrderStatus.EXPIRED),
    ),
}


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody looks for; empty values do not narrow."""

    q: str = ""
    group: str = ""
    page: str = "1"


class OrderRow(NamedTuple):
    """An order in a list; `more` is how many lines there are besides the first."""

    order: RedemptionOrder
    look: Look
    first: OrderItem
    more: int


class Tab(NamedTuple):
    """A group of statuses to choose."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class OrderList:
    """The one object of the list's templates."""

    search: Search
    tabs: list[Tab]
    rows: list[OrderRow]
    page: Page[RedemptionOrder]

    @property
    def narrowed(self) -> bool:
        return bool(self.search.q or self.search.group)


def _of_company(seat: AccountManager) -> QuerySet[RedemptionOrder]:
    orders = RedemptionOrder.objects.filter(company=seat.company_id)
    return orders.select_related("account_manager__user").order_by("-created_at", "-id")


def list_of(seat: AccountManager, search: Search) -> OrderList:
    """One page of the company's orders, the newest first."""
    orders = _of_company(seat)
    if search.group in GROUPS:
        orders = orders.filter(status__in=GROUPS[search.group][1])
    if search.q:
        orders = orders.filter(_found(search.q))
    page = Paginator(orders, PAGE_SIZE).get_page(search.page)
    tabs = [Tab("", str(_("All")), not search.group)]
    tabs += [Tab(key, str(label), key == search.group) for key, (label, _all) in GROUPS.items()]
    return OrderList(search=search, tabs=tabs, rows=_rows(page.object_list), page=page)


def _found(words: str) -> Q:
    """By order number, reference, product or recipient."""
    lines = OrderItem.objects.filter(order=OuterRef("pk")).filter(
        Q(product_name__icontains=words)
        | Q(sku__iexact=words)
        | Q(recipient_name__icontains=words)
        | Q(recipient_email__icontains=words)
    )
    return Q(order_number__icontains=words) | Q(reference__icontains=words) | Q(Exists(lines))


def _rows(orders: Iterable[RedemptionOrder]) -> list[OrderRow]:
    """With their lines, in one query more."""
    listed = list(orders)
    lines: dict[object, list[OrderItem]] = {order.pk: [] for order in listed}
    for item in OrderItem.objects.filter(order__in=listed).select_related("product"):
        lines[item.order_id].append(item)
    return [
        OrderRow(order, order_look(order), lines[order.pk][0], len(lines[order.pk]) - 1)
        for order in listed
    ]


def recent(seat: AccountManager) -> list[OrderRow]:
    return _rows(_of_company(seat)[:RECENT])


class Approval(NamedTuple):
    """An order that waits for a yes; `decidable` by whoever looks."""

    order: RedemptionOrder
    items: list[OrderItem]
    decidable: bool
    left: int | None  # points after it; None when the balance is not known


def approvals(seat: AccountManager, spendable: int | None) -> list[Approval]:
    """What waits, the most urgent first."""
    waiting = (
        RedemptionOrder.objects.filter(
            company=seat.company_id, status=OrderStatus.AWAITING_APPROVAL
        )
        .select_related("account_manager__user")
        .prefetch_related("items__product")
        .order_by("approve_by", "id")
    )
    return [
        Approval(
            order=order,
            items=list(order.items.all()),
            decidable=may_decide(seat, order),
            left=None if spendable is None else spendable - order.total_points,
        )
        for order in waiting[:MOST_APPROVALS]
    ]


def redeemed_before(seat: AccountManager, most: int) -> list[Product]:
    """Products on offer now that the company redeemed lately, the most frequent first."""
    lately = _of_company(seat).values("pk")[:ORDERS_LOOKED_AT]
    counted = (
        OrderItem.objects.filter(order__in=lately)
        .values("product")
        .annotate(times=Count("pk"))
        .order_by("-times", "product")
    )
    keys = [row["product"] for row in counted[: 3 * most]]
    offered = Product.objects.offered().for_tier(seat.company.tier_level).in_bulk(keys)
    return [offered[key] for key in keys if key in offered][:most]


def stuck(seat: AccountManager) -> list[OrderRow]:
    """Open orders that somebody of the programme is looking at."""
    return _rows(
        _of_company(seat).filter(needs_attention=True, status__in=GROUPS["open"][1])[:RECENT]
    )
