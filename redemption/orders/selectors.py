"""Reads lists of orders: all of a company, and products redeemed before."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import (
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Window,
)
from django.db.models.functions import RowNumber
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager
from catalog.models import Product, ProductType
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.tables import periods
from loyalty_portal.data.tables.options import FilterOption
from redemption.models import OrderItem, RedemptionOrder
from redemption.models.badges import Badge, LineCounts, Moved, counts_in_sql, look_of, moved
from redemption.permissions import seen_by
from redemption.states import OrderStatus

PAGE_SIZE = 25
LONGEST_SEARCH = 100  # characters
RECENT = 5
ORDERS_LOOKED_AT = 200  # the newest orders, from which "redeemed before" is made

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
NOT_SPENT = (*GROUPS["cancelled"][1], *GROUPS["refused"][1])


class Search(NamedTuple):
    """The filters of the list; an empty value does not filter."""

    q: str = ""
    group: str = ""
    time: str = ""
    by: str = ""
    product_type: str = ""
    page: str = "1"


class OrderRow(NamedTuple):
    """An order in a list. `pieces` are those of the first line's product, in all its lines; `more`
    is the number of lines of other products.

    `spent` is False where no points were taken, or all of them were given back.
    """

    order: RedemptionOrder
    look: Badge
    first: OrderItem
    pieces: int
    more: int
    spent: bool


@dataclass(frozen=True, slots=True)
class OrderList:
    """The one object of the list's templates."""

    search: Search
    tabs: list[FilterOption]
    times: list[FilterOption]
    members: list[FilterOption]
    types: list[FilterOption]
    rows: list[OrderRow]
    page: Page[RedemptionOrder]

    @property
    def narrowed(self) -> bool:
        return self.search._replace(page="1") != Search()


def _of_company(seat: AccountManager) -> QuerySet[RedemptionOrder]:
    orders = seen_by(Actor.in_seat(seat))
    return orders.select_related("account_manager__user").order_by("-created_at", "-id")


def list_of(seat: AccountManager, search: Search) -> OrderList:
    """One page of the company's orders, the newest first. Invalid values do not filter."""
    choices = _on_offer(seat, search)
    search = _valid(search, choices)
    page = Paginator(_narrowed(_of_company(seat), search), PAGE_SIZE).get_page(search.page)
    tabs, times, members, types = choices
    return OrderList(search, tabs, times, members, types, rows_of(page.object_list), page)


def orders_found(seat: AccountManager, search: Search) -> QuerySet[RedemptionOrder]:
    """All orders that the list has for these filters, the newest first."""
    return _narrowed(_of_company(seat), _valid(search, _on_offer(seat, search)))


def _on_offer(seat: AccountManager, search: Search) -> list[list[FilterOption]]:
    """The values of each filter: statuses, times, members, and types of products."""
    return [
        _choices(search.group, [(key, label) for key, (label, _all) in GROUPS.items()]),
        _choices(search.time, _periods(search.time)),
        _choices(search.by, _members(seat)),
        _choices(search.product_type, ProductType.choices),
    ]


def _valid(search: Search, choices: list[list[FilterOption]]) -> Search:
    """The search without values that no filter has."""
    group, time, by, product_type = (_chosen(options) for options in choices)
    return search._replace(group=group, time=time, by=by, product_type=product_type)


def _choices(value: str, on_offer: Iterable[tuple[str, Any]]) -> list[FilterOption]:
    return [FilterOption(key, str(label), key == value) for key, label in on_offer]


def _chosen(choices: list[FilterOption]) -> str:
    return next((choice.value for choice in choices if choice.chosen), "")


def _periods(asked: str) -> list[tuple[str, Any]]:
    """The periods on offer, and the one in the address, which may be an older one."""
    found = {each.value: each.label for each in periods.on_offer()}
    older = periods.period(asked)
    return list((found | {older.value: older.label} if older else found).items())


def _members(seat: AccountManager) -> list[tuple[str, Any]]:
    """All members of the company, including those who left: their orders are still listed."""
    seats = AccountManager.objects.filter(company=seat.company_id).select_related("user")
    return [(str(each.pk), each.user) for each in seats.order_by("user__name", "user__email")]


def _narrowed(orders: QuerySet[RedemptionOrder], search: Search) -> QuerySet[RedemptionOrder]:
    if search.group:
        orders = orders.filter(status__in=GROUPS[search.group][1])
    if asked := periods.period(search.time):
        orders = orders.filter(created_at__gte=asked.since)
        if asked.until:
            orders = orders.filter(created_at__lt=asked.until)
    if search.by:
        orders = orders.filter(account_manager=UUID(search.by))
    if search.product_type:
        lines = OrderItem.objects.filter(order=OuterRef("pk"))
        orders = orders.filter(Exists(lines.filter(product__product_type=search.product_type)))
    return orders.filter(_found(search.q)) if search.q else orders


def _found(words: str) -> Q:
    """The orders whose number, reference, product or recipient matches."""
    lines = OrderItem.objects.filter(order=OuterRef("pk")).filter(
        Q(product_name__icontains=words)
        | Q(sku__iexact=words)
        | Q(recipient_name__icontains=words)
        | Q(recipient_email__icontains=words)
    )
    return Q(order_number__icontains=words) | Q(reference__icontains=words) | Q(Exists(lines))


def rows_of(orders: Iterable[RedemptionOrder]) -> list[OrderRow]:
    """The rows of these orders, in two more queries, whatever the number of lines."""
    listed = list(orders)
    lines, moves = first_lines(listed, 1), moved(listed)
    return [_row(order, lines[order.pk], moves[order.pk]) for order in listed]


def _row(order: RedemptionOrder, lines: "FirstLines", moves: list[Moved]) -> OrderRow:
    return OrderRow(
        order=order,
        look=look_of(order, lines.counts, moves),
        first=lines.items[0],
        pieces=lines.pieces,
        more=lines.counts.lines - lines.alike,
        spent=_is_spent(order, lines.counts),
    )


class FirstLines(NamedTuple):
    """The first lines of an order, with the counts of all its lines. `alike` is the number of lines
    of the first one's product, and `pieces` what they come to.
    """

    items: list[OrderItem]
    counts: LineCounts
    alike: int
    pieces: int


def first_lines(orders: Iterable[RedemptionOrder], most: int) -> dict[UUID, FirstLines]:
    """The first lines of each of these orders, at most so many, by the order's key."""
    counts = {f"count_{name}": window for name, window in counts_in_sql().items()}
    place = Window(RowNumber(), partition_by=F("order"), order_by="id")
    of_product = [F("order"), F("product")]
    lines = OrderItem.objects.filter(order__in=orders).annotate(
        **counts,
        alike=Window(Count("pk"), partition_by=of_product),
        pieces=Window(Sum("quantity"), partition_by=of_product),
        place=place,
    )
    found: dict[UUID, list[OrderItem]] = defaultdict(list)
    for item in lines.filter(place__lte=most).select_related("product"):
        found[item.order_id].append(item)
    return {order_id: _with_counts(items, counts) for order_id, items in found.items()}


def _with_counts(items: list[OrderItem], counts: Iterable[str]) -> FirstLines:
    """The lines with what was annotated to the first one; `counts` are those of LineCounts."""
    facts = vars(items[0])
    counted = LineCounts(*(facts[name] for name in counts))
    return FirstLines(items, counted, facts["alike"], facts["pieces"])


def _is_spent(order: RedemptionOrder, counts: LineCounts) -> bool:
    """Whether the order cost points in the end. After a remedy only its lines can tell."""
    if order.status in NOT_SPENT:
        return counts.arrived > 0
    if order.status == OrderStatus.COMPLETED:
        return counts.kept > 0
    return True


def recent(seat: AccountManager) -> list[OrderRow]:
    return rows_of(_of_company(seat)[:RECENT])


def redeemed_before(seat: AccountManager, most: int) -> list[Product]:
    """Products on offer that the company redeemed lately, the most frequent first."""
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
    """Open orders that are flagged for a person."""
    return rows_of(
        _of_company(seat).filter(needs_attention=True, status__in=GROUPS["open"][1])[:RECENT]
    )
