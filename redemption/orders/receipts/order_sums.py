"""The list of orders to be taken along: each order, and what they come to by member and month."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import AccountManager
from loyalty_portal.data.tables.tables import CellKind, ReportColumn, ReportRow, ReportTable
from redemption.models import LoyaltyTransaction, RedemptionOrder, TransactionType
from redemption.orders.records import points_of
from redemption.orders.selectors import OrderRow, rows_of
from redemption.points.statement.movements import written_time
from redemption.states import TransactionStatus

Orders = QuerySet[RedemptionOrder]
MOST_ORDERS = 20_000  # in a file
PIECE = 500  # orders read at once
_T, _P, _N = CellKind.TEXT, CellKind.POINTS, CellKind.COUNT
_CREDIT = Q(transaction_type=TransactionType.CREDIT)


class OrderSums(NamedTuple):
    """What orders come to. `points` is their price, `taken` and `back` what moved so far."""

    label: str
    orders: int
    points: int
    taken: int
    back: int

    @property
    def cost(self) -> int:
        return self.taken - self.back


def sums_by_member(orders: Orders) -> list[OrderSums]:
    """What the orders of each member come to, by name."""
    found = _summed(orders, F("account_manager"), F("order__account_manager"))
    seats = AccountManager.objects.select_related("user").in_bulk(found)
    told = [OrderSums(str(seats[key].user), *sums) for key, sums in found.items()]
    return sorted(told, key=lambda sums: sums.label.casefold())


def sums_by_month(orders: Orders) -> list[OrderSums]:
    """What the orders that were placed in each month come to, the first one first."""
    found = _summed(orders, TruncMonth("created_at"), TruncMonth("order__created_at"))
    return [
        OrderSums(date_format(month, "YEAR_MONTH_FORMAT"), *sums)
        for month, sums in sorted(found.items())
    ]


def in_all(sums: list[OrderSums]) -> OrderSums:
    """The sums of these sums."""
    figures = [sum(column) for column in zip(*(each[1:] for each in sums), strict=True)]
    return OrderSums(_("In all"), *(figures or [0, 0, 0, 0]))


def _summed(orders: Orders, key: Any, key_of_move: Any) -> dict[Any, tuple[int, int, int, int]]:
    """The number of orders, their points, and those taken and given back, by a key."""
    placed = orders.order_by().annotate(by=key).values_list("by")
    counted = placed.annotate(n=Count("pk"), points=Sum("total_points"))
    moves = LoyaltyTransaction.objects.filter(
        order__in=orders.order_by().values("pk"), status=TransactionStatus.SUCCEEDED
    )
    moved = moves.order_by().annotate(by=key_of_move).values_list("by")
    found = moved.annotate(
        taken=Sum("points_amount", filter=~_CREDIT, default=0),
        back=Sum("points_amount", filter=_CREDIT, default=0),
    )
    went = {by: (taken, back) for by, taken, back in found}
    return {by: (n, points, *went.get(by, (0, 0))) for by, n, points in counted}


def sums_table(title: str, first: str, sums: list[OrderSums]) -> ReportTable:
    """The sums as a table, with the whole in its last row."""
    columns = [
        ReportColumn(first, _T),
        ReportColumn(_("Orders"), _N),
        ReportColumn(_("Points ordered"), _P),
        ReportColumn(_("Taken"), _P),
        ReportColumn(_("Given back"), _P),
        ReportColumn(_("Cost"), _P),
    ]
    rows = [ReportRow([*each, each.cost]) for each in (*sums, in_all(sums))]
    return ReportTable("sums", title, columns, rows)


def tables_of(orders: Orders) -> list[ReportTable]:
    """What the orders come to, by member and by month."""
    return [
        sums_table(_("By member"), _("Member"), sums_by_member(orders)),
        sums_table(_("By month"), _("Month"), sums_by_month(orders)),
    ]


def orders_table(orders: Orders) -> ReportTable:
    """Each order with what moved for it, the newest first."""
    columns = [
        ReportColumn(_("Order"), _T),
        ReportColumn(_("Placed"), _T),
        ReportColumn(_("By"), _T),
        ReportColumn(_("Your reference"), _T),
        ReportColumn(_("What"), _T),
        ReportColumn(_("Status"), _T),
        ReportColumn(_("Ended"), _T),
        ReportColumn(_("Points ordered"), _P),
        ReportColumn(_("Taken"), _P),
        ReportColumn(_("Given back"), _P),
    ]
    return ReportTable("orders", _("Orders"), columns, list(_order_rows(orders)))


def _order_rows(orders: Orders) -> Iterator[ReportRow]:
    keys = list(orders.values_list("pk", flat=True)[:MOST_ORDERS])
    for first in range(0, len(keys), PIECE):
        piece = list(orders.filter(pk__in=keys[first : first + PIECE]))
        points = points_of(piece)
        for row in rows_of(piece):
            moved = points[row.order.pk]
            yield ReportRow([*_order_cells(row), moved.taken, moved.returned])


def _order_cells(row: OrderRow) -> list[Any]:
    order = row.order
    what = f"{row.pieces} × {row.first.product_name}"
    if row.more:
        what = _("%(first)s and %(more)s more") % {"first": what, "more": row.more}
    return [
        order.order_number,
        written_time(order.created_at),
        str(order.account_manager.user),
        order.reference,
        what,
        str(row.look.word),
        written_time(order.completed_at) if order.completed_at else "",
        order.total_points,
    ]
