"""What the portal's half of the page shows: made-up orders, lines, steps and messages."""

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.templatetags.static import static
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.data.texts.numbers import grouped
from operations.parts.forms import PortalForm, wrong
from redemption.models import OrderItem, RedemptionOrder, TransactionType
from redemption.models.badges import Badge, LineCounts, Moved, line_look, look_of
from redemption.orders.selectors import OrderRow
from redemption.orders.steps.step import TimelineStep
from redemption.states import LineStatus, OrderStatus, TransactionStatus

_PRODUCT = "The Lighthouse Ledger"
_POINTS = 2_990
_O, _T = OrderStatus, TransactionStatus
_WORKED = LineCounts(lines=1, open=1)
# Before its points are taken, or without them.
_UNTAKEN = frozenset({_O.AWAITING_APPROVAL, _O.PENDING, _O.DECLINED, _O.REJECTED, _O.EXPIRED})
# The counts of the lines of an order that is over.
_OVER = {
    _O.COMPLETED: LineCounts(lines=1, arrived=1, kept=1),
    _O.CANCELLED: LineCounts(lines=1),
}
# Orders whose badge says more than their status.
_MORE: list[tuple[OrderStatus, LineCounts, str, str]] = [
    (_O.PENDING, _WORKED, TransactionType.DEBIT, _T.UNKNOWN),
    (_O.IN_FULFILLMENT, LineCounts(lines=2, open=2, waiting=2), "", ""),
    (_O.IN_FULFILLMENT, LineCounts(lines=2, open=2, on_way=1), "", ""),
    (_O.IN_FULFILLMENT, LineCounts(lines=2, open=2, on_way=2), "", ""),
    (_O.IN_FULFILLMENT, LineCounts(lines=2, open=1, arrived=1), "", ""),
    (_O.IN_FULFILLMENT, LineCounts(lines=1, failed=1), TransactionType.CREDIT, _T.SENT),
    (_O.IN_FULFILLMENT, LineCounts(lines=1, failed=1), TransactionType.CREDIT, _T.NEEDS_REVIEW),
    (_O.COMPLETED, LineCounts(lines=2, arrived=1, short=1, kept=1), "", ""),
    (_O.COMPLETED, LineCounts(lines=2, arrived=2, returned=1, came_back=1), "", ""),
    (_O.COMPLETED, LineCounts(lines=1, arrived=1, returned=1, came_back=1), "", ""),
    (_O.CANCELLED, LineCounts(lines=1, failed=1), "", ""),
    (_O.CANCELLED, LineCounts(lines=2, failed=1), "", ""),
    (_O.CANCELLED, LineCounts(lines=1, arrived=1), "", ""),
]


def product() -> Product:
    """An unsaved product."""
    return Product(name=_PRODUCT, points_cost=_POINTS, image_url=static("img/gate.svg"))


def order_of(seat: AccountManager, status: OrderStatus = _O.CONFIRMED) -> RedemptionOrder:
    """An unsaved order."""
    return RedemptionOrder(
        order_number="R-LIGHT-HOUSE",
        company=seat.company,
        account_manager=seat,
        total_points=_POINTS,
        status=status,
        reference="PO-4711",
        created_at=timezone.now() - timedelta(hours=3),
    )


def line_of(order: RedemptionOrder, status: LineStatus) -> OrderItem:
    """An unsaved line of it."""
    return OrderItem(
        order=order,
        product=product(),
        product_name=_PRODUCT,
        quantity=2,
        points_per_item=_POINTS // 2,
        fulfillment_status=status,
        recipient_name="Jonas Weber",
    )


def order_looks(seat: AccountManager) -> Iterator[Badge]:
    """The badge of each status of an order, and those that say more than the status."""
    debit = _moved(TransactionType.DEBIT, _T.SUCCEEDED)
    for status in OrderStatus:
        counts = _OVER.get(status, _WORKED)
        yield look_of(order_of(seat, status), counts, [] if status in _UNTAKEN else [debit])
    for status, counts, kind, state in _MORE:
        also = [_moved(kind, state)] if kind else []
        taken = [] if kind == TransactionType.DEBIT else [debit]
        yield look_of(order_of(seat, status), counts, [*taken, *also])


def _moved(kind: str, status: str) -> Moved:
    return Moved(kind, status, _POINTS, timezone.now())


def shown(seat: AccountManager) -> dict[str, object]:
    """The context of the page."""
    order = order_of(seat)
    lines = [line_of(order, status) for status in LineStatus]
    return {
        "order_looks": list(order_looks(seat)),
        "line_looks": [line_look(line, seat.company.time_zone) for line in lines],
        "messages": list(_messages()),
        "right": PortalForm(prefix="right"),
        "wrong": wrong(PortalForm),
        "rows": [
            OrderRow(each, look, lines[0], 2, more, spent=not more)
            for each, look, more in (
                (order, look_of(order, _WORKED, []), 0),
                (order, next(order_looks(seat)), 3),
            )
        ],
        "steps": list(_steps()),
        "at": timezone.now() - timedelta(minutes=7),
        "page": _page(order),
        "product": product(),
        **_line(lines[LineStatus.values.index(LineStatus.DELIVERED)]),
    }


def _messages() -> Iterator[Message]:
    for level in (constants.SUCCESS, constants.INFO, constants.WARNING, constants.ERROR):
        yield Message(level, _("%(all)s points were taken.") % {"all": grouped(_POINTS)})


def _steps() -> Iterator[TimelineStep]:
    at = timezone.now() - timedelta(hours=3)
    yield TimelineStep(_("Completed"), _("No points were taken."), "circle-check", "ok", at)
    yield TimelineStep(_("Waiting"), "", "clock", "live", now=True)
    yield TimelineStep(_("Delivered"), "", "truck", ahead=True)


def _page(order: RedemptionOrder) -> Any:
    """What the fragments of an order's page read."""
    took = {"label": _("Points"), "at": order.created_at, "reference": "T-1", "points": _POINTS}
    return SimpleNamespace(
        order=order,
        can_repeat=True,
        cancellation=SimpleNamespace(shown="", sentences=[_("No points were taken.")]),
        cancel_typed=None,
        movements=[
            SimpleNamespace(**took, settled=True, is_debit=True),
            SimpleNamespace(**took, settled=True, is_debit=False),
            SimpleNamespace(**took, settled=False, is_debit=False),
        ],
        cost=_POINTS,
    )


def _line(item: OrderItem) -> dict[str, object]:
    """A line whose codes are shown, one of them damaged."""
    code = SimpleNamespace(
        pk=1, can_be_read=True, code="LGHT-HOUS-0001", pin="4711", url="", expires_on=None
    )
    line = SimpleNamespace(item=item, look=Badge("ok", "circle-check", _("Delivered")))
    line.parcels = [
        SimpleNamespace(
            shipment=SimpleNamespace(carrier="DHL", tracking_number="00340434161094042557"),
            quantity=2,
        )
    ]
    line.has_codes = True
    damaged = SimpleNamespace(pk=2, can_be_read=False)
    return {"line": line, "codes": [code, damaged], "codes_of": item.pk}
