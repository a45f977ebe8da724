"""The badge of an order or a line: tone, icon, word and sentence.

The status alone can mislead: an order whose lines have all ended is still CONFIRMED while its
points are being given back. So a badge is made from all facts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from loyalty_portal.data.numbers import grouped
from redemption.models import LoyaltyTransaction, OrderItem, RedemptionOrder, TransactionType
from redemption.states import UNCLEAR, LineStatus, OrderStatus, TransactionStatus


class Badge(NamedTuple):
    """A badge. templates/ui/README.md lists tones and icons; `sentence` says where the
    points are.
    """

    tone: str
    icon: str
    word: Any
    sentence: str = ""


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

_T = TransactionStatus
UNDER_WAY = frozenset({_T.INTENDED, _T.SENT})
FOR_A_PERSON = frozenset({_T.NEEDS_REVIEW, _T.REFUSED})


def order_look(
    order: RedemptionOrder, items: Sequence[OrderItem], transactions: Sequence[LoyaltyTransaction]
) -> Badge:
    """The badge of an order, from the order, its lines and its transactions. Makes no query."""
    moves = _Moves.of(transactions)
    tone, icon, word = _status(order, items, moves)
    return Badge(tone, icon, word, _where_points_are(order, moves))


def line_look(item: OrderItem) -> Badge:
    tone, icon = _LINE[LineStatus(item.fulfillment_status)]
    return Badge(tone, icon, item.get_fulfillment_status_display())


class _Moves(NamedTuple):
    """The order's debit, and its credited points by status.

    Points that a correction has taken again do not count as given back.
    """

    debit: str  # the status, "" without a debit
    back: int
    returning: int
    stuck: int  # two people must decide about these
    again: int  # of corrections without an outcome
    correction: str  # the status of the newest such correction, "" without one

    @classmethod
    def of(cls, transactions: Sequence[LoyaltyTransaction]) -> "_Moves":
        by_kind: dict[str, list[LoyaltyTransaction]] = {kind: [] for kind in TransactionType}
        for each in transactions:
            by_kind[each.transaction_type].append(each)
        debits, given = by_kind[TransactionType.DEBIT], by_kind[TransactionType.CREDIT]
        back = _points(given, _T.SUCCEEDED)
        stuck = _points(given, *FOR_A_PERSON)
        owed = _points(given, *_T)
        taken = _points(by_kind[TransactionType.CORRECTION], _T.SUCCEEDED)
        again = [each for each in by_kind[TransactionType.CORRECTION] if not each.is_final]
        return cls(
            debit=debits[0].status if debits else "",
            back=max(0, back - taken),
            returning=owed - back - stuck,
            stuck=stuck,
            again=sum(each.points_amount for each in again),
            correction=again[-1].status if again else "",
        )


def _points(moves: Sequence[LoyaltyTransaction], *statuses: str) -> int:
    return sum(each.points_amount for each in moves if each.status in statuses)


def _status(
    order: RedemptionOrder, items: Sequence[OrderItem], moves: _Moves
) -> tuple[str, str, Any]:
    status = OrderStatus(order.status)
    unclear = status in {_O.PENDING, _O.CANCELLING} and moves.debit in UNCLEAR
    if unclear and status == _O.PENDING:
        return "warn", "refresh-cw", _("Points not clear yet")
    if status in {_O.CONFIRMED, _O.IN_FULFILLMENT}:
        return _at_work(order, items, moves)
    if status == _O.COMPLETED:
        return _completed(items)
    if status == _O.CANCELLED and {item.fulfillment_status for item in items} == {_L.FAILED}:
        return "bad", "package-x", _("Could not be supplied")
    if status == _O.REJECTED and order.was_placed_by(order.decided_by_id):
        return "", "ban", _("Withdrawn")
    return *_ORDER[status], order.get_status_display()


def _at_work(
    order: RedemptionOrder, items: Sequence[OrderItem], moves: _Moves
) -> tuple[str, str, Any]:
    """The word and icon of an order whose debit succeeded and which is not complete."""
    open_lines = [item for item in items if not item.is_settled]
    if not open_lines:
        if moves.stuck:
            return "warn", "life-buoy", _("Points not back yet")
        return "live", "undo-2", _("Points on their way back")
    if all(item.fulfillment_status == _L.SHIPPED for item in open_lines):
        return "live", "truck", _("On its way")
    if any(item.quantity_delivered for item in items):
        return "live", "package", _("Partly delivered")
    if any(item.fulfillment_status == _L.SHIPPED for item in open_lines):
        return "live", "package", _("Partly on its way")
    return *_ORDER[OrderStatus(order.status)], order.get_status_display()


def _completed(items: Sequence[OrderItem]) -> tuple[str, str, Any]:
    returned = [item for item in items if item.fulfillment_status == _L.RETURNED]
    if returned:
        word = _("Returned") if len(returned) == len(items) else _("Partly returned")
        return "warn", "undo-2", word
    if any(item.quantity_delivered < item.quantity for item in items):
        return "ok", "circle-check", _("Completed in part")
    return "ok", "circle-check", _("Completed")


def _where_points_are(order: RedemptionOrder, moves: _Moves) -> str:
    """A sentence about where the order's points are now."""
    points = {
        "all": grouped(order.total_points),
        "back": grouped(moves.back),
        "returning": grouped(moves.returning),
        "stuck": grouped(moves.stuck),
        "again": grouped(moves.again),
    }
    if moves.debit != _T.SUCCEEDED:
        return _before_taken(moves.debit) % points
    if moves.stuck:
        return _("%(stuck)s points are not back yet; a person is seeing to it.") % points
    if moves.returning:
        return _("%(returning)s points are on their way back.") % points
    if moves.correction:
        return _being_taken_again(moves.correction) % points
    return _settled(order, moves) % points


def _settled(order: RedemptionOrder, moves: _Moves) -> str:
    if moves.back == order.total_points:
        return _("All %(all)s points are back.")
    if moves.back:
        return _("%(back)s of %(all)s points are back.")
    return _("%(all)s points were taken.")


def _being_taken_again(correction: str) -> str:
    if correction in UNDER_WAY:
        return _("%(again)s points are being taken again.")
    if correction == _T.UNKNOWN:
        return _(
            "It is not clear yet whether %(again)s points were taken again; we ask until we know."
        )
    return _("It is not clear whether %(again)s points were taken again; a person is finding out.")


def _before_taken(debit: str) -> str:
    if debit in UNDER_WAY:
        return _("%(all)s points are being taken.")
    if debit == _T.UNKNOWN:
        return _("It is not clear yet whether %(all)s points were taken; we ask until we know.")
    if debit == _T.NEEDS_REVIEW:
        return _("It is not clear whether %(all)s points were taken; a person is finding out.")
    return _("No points were taken.")
