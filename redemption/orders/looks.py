"""How a status looks: a tone, an icon and a word, always together."""

from typing import Any, NamedTuple

from redemption.models import OrderItem, RedemptionOrder
from redemption.states import LineStatus, OrderStatus


class Look(NamedTuple):
    """Tones and icons are those of templates/ui/README.md."""

    tone: str
    icon: str
    word: Any


_O = OrderStatus
_ORDER = {
    _O.AWAITING_APPROVAL: ("warn", "hourglass"),
    _O.PENDING: ("live", "coins"),
    _O.CONFIRMED: ("live", "circle-check"),
    _O.IN_FULFILLMENT: ("live", "package"),
    _O.CANCELLING: ("warn", "undo-2"),
    _O.COMPLETED: ("ok", "circle-check"),
    _O.CANCELLED: ("", "ban"),
    _O.DECLINED: ("bad", "circle-x"),
    _O.REJECTED: ("bad", "circle-x"),
    _O.EXPIRED: ("bad", "clock"),
}

_L = LineStatus
_LINE = {
    _L.WAITING: ("", "circle-dashed"),
    _L.QUEUED: ("live", "package"),
    _L.REQUESTED: ("live", "send"),
    _L.PACKED: ("live", "package-check"),
    _L.SHIPPED: ("live", "truck"),
    _L.DELIVERED: ("ok", "circle-check"),
    _L.FAILED: ("bad", "package-x"),
    _L.CANCELLED: ("", "ban"),
    _L.RETURNED: ("warn", "undo-2"),
}


def order_look(order: RedemptionOrder) -> Look:
    tone, icon = _ORDER[OrderStatus(order.status)]
    return Look(tone, icon, order.get_status_display())


def line_look(item: OrderItem) -> Look:
    tone, icon = _LINE[LineStatus(item.fulfillment_status)]
    return Look(tone, icon, item.get_fulfillment_status_display())
