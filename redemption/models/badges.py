"""The badge of an order or a line: tone, icon, word and sentence.

The status alone can mislead: an order whose lines have all ended is still CONFIRMED while its
points are being given back. So a badge is made from all facts.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, F, Max, Q, Sum, Window
from django.utils.translation import gettext as _

from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.partners.reasons import loyalty_reason
from redemption.models import LoyaltyTransaction, OrderItem, RedemptionOrder, TransactionType
from redemption.models.waits import wait_told
from redemption.states import (
    SETTLED_LINE,
    TRANSACTION,
    UNCLEAR,
    LineStatus,
    OrderStatus,
    TransactionStatus,
)


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

NEVER_BEGUN = frozenset({_O.DECLINED, _O.REJECTED, _O.EXPIRED})

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


class LineCounts(NamedTuple):
    """How many lines of an order stand how."""

    lines: int = 0
    open: int = 0  # not settled
    on_way: int = 0  # shipped, not arrived
    failed: int = 0
    returned: int = 0  # as a whole
    came_back: int = 0  # at least one unit
    arrived: int = 0  # at least one unit was delivered
    short: int = 0  # fewer units were delivered than ordered
    kept: int = 0  # the points of at least one unit stay taken
    waiting: int = 0  # for a date, or for an answer

    @classmethod
    def of(cls, items: Iterable[OrderItem]) -> "LineCounts":
        """The counts of lines that are loaded."""
        columns = zip(*((True, *_stands(item)) for item in items), strict=True)
        return cls(*map(sum, columns))


# The same in SQL, in the order of LineCounts.
_COUNTED = (
    Q(),
    ~Q(fulfillment_status__in=sorted(SETTLED_LINE)),
    Q(fulfillment_status=LineStatus.SHIPPED),
    Q(fulfillment_status=LineStatus.FAILED),
    Q(fulfillment_status=LineStatus.RETURNED),
    Q(quantity_returned__gt=0),
    Q(quantity_delivered__gt=0),
    Q(quantity_delivered__lt=F("quantity")),
    Q(quantity_refunded__lt=F("quantity")),
    Q(fulfillment_status=LineStatus.WAITING) & ~Q(waits_for=""),
)


def _stands(item: OrderItem) -> tuple[bool, ...]:
    return (
        not item.is_settled,
        item.fulfillment_status == LineStatus.SHIPPED,
        item.fulfillment_status == LineStatus.FAILED,
        item.fulfillment_status == LineStatus.RETURNED,
        item.quantity_returned > 0,
        item.quantity_delivered > 0,
        item.quantity_delivered < item.quantity,
        item.quantity_refunded < item.quantity,
        item.is_waiting,
    )


def counts_in_sql() -> dict[str, Window]:
    """Annotations of lines with the counts of their order, by their names in LineCounts."""
    return {
        name: Window(Count("pk", filter=condition), partition_by=F("order"))
        for name, condition in zip(LineCounts._fields, _COUNTED, strict=True)
    }


class Moved(NamedTuple):
    """Points of an order's transactions of one kind and status. `last`: when the newest began."""

    kind: str
    status: str
    points: int
    last: datetime


def moved(orders: Iterable[RedemptionOrder]) -> dict[UUID, list[Moved]]:
    """What moved for each of these orders, by the order's key, in one query."""
    found: dict[UUID, list[Moved]] = defaultdict(list)
    rows = LoyaltyTransaction.objects.filter(order__in=orders).order_by()
    sums = rows.values_list("order", "transaction_type", "status").annotate(
        points=Sum("points_amount"), last=Max("created_at")
    )
    for order_id, *what in sums:
        found[order_id].append(Moved(*what))
    return found


def order_look(
    order: RedemptionOrder, items: Iterable[OrderItem], transactions: Iterable[LoyaltyTransaction]
) -> Badge:
    """The badge of an order, from the order, its lines and its transactions. Makes no query."""
    each = [
        Moved(one.transaction_type, one.status, one.points_amount, one.created_at)
        for one in transactions
    ]
    return look_of(order, LineCounts.of(items), each)


def look_of(order: RedemptionOrder, counts: LineCounts, moves: Iterable[Moved]) -> Badge:
    """The badge of an order, from the counts of its lines and what moved. Makes no query."""
    points = _Moves.of(moves)
    tone, icon, word = _status(order, counts, points)
    return Badge(tone, icon, word, _where_points_are(order, points))


def line_look(item: OrderItem, zone: str, *, unclear: bool = False) -> Badge:
    """The badge of a line; the sentence says how long it waits. `zone`: the company's. `unclear`:
    the partner owes an answer for so long that people look into it.
    """
    if unclear:
        told = _("Our partner has not said what became of it. We are finding out.")
        return Badge("warn", "refresh-cw", _("Not clear yet"), told)
    if ended := _ended_with_order(item):
        return Badge(*ended)
    tone, icon = _LINE[LineStatus(item.fulfillment_status)]
    return Badge(tone, icon, item.get_fulfillment_status_display(), wait_told(item, zone))


def line_word(item: OrderItem) -> Any:
    """The status of a line in a word. A line of an order that never began is not cancelled."""
    ended = _ended_with_order(item)
    return ended[2] if ended else item.get_fulfillment_status_display()


def _ended_with_order(item: OrderItem) -> tuple[str, str, Any] | None:
    cancelled = item.fulfillment_status == LineStatus.CANCELLED
    return never_begun(item.order) if cancelled else None


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
    def of(cls, moves: Iterable[Moved]) -> "_Moves":
        by_kind: dict[str, list[Moved]] = {kind: [] for kind in TransactionType}
        for each in moves:
            by_kind[each.kind].append(each)
        debits, given = by_kind[TransactionType.DEBIT], by_kind[TransactionType.CREDIT]
        back = _points(given, _T.SUCCEEDED)
        stuck = _points(given, *FOR_A_PERSON)
        owed = _points(given, *_T)
        corrections = by_kind[TransactionType.CORRECTION]
        taken = _points(corrections, _T.SUCCEEDED)
        again = [each for each in corrections if each.status not in TRANSACTION.final]
        return cls(
            debit=debits[0].status if debits else "",
            back=max(0, back - taken),
            returning=owed - back - stuck,
            stuck=stuck,
            again=sum(each.points for each in again),
            correction=max(again, key=attrgetter("last")).status if again else "",
        )


def _points(moves: Iterable[Moved], *statuses: str) -> int:
    return sum(each.points for each in moves if each.status in statuses)


def _status(order: RedemptionOrder, counts: LineCounts, moves: _Moves) -> tuple[str, str, Any]:
    status = OrderStatus(order.status)
    unclear = status in {_O.PENDING, _O.CANCELLING} and moves.debit in UNCLEAR
    if unclear and status == _O.PENDING:
        return "warn", "refresh-cw", _("Points not clear yet")
    if status in {_O.CONFIRMED, _O.IN_FULFILLMENT}:
        return _at_work(order, counts, moves)
    if status == _O.COMPLETED:
        return _completed(counts)
    if status == _O.CANCELLED:
        return without_delivery(counts)
    return never_begun(order) or (*_ORDER[status], order.get_status_display())


def never_begun(order: RedemptionOrder) -> tuple[str, str, Any] | None:
    """The tone, icon and word of an order that ended before its points were taken, and of its
    lines; None for others.
    """
    status = OrderStatus(order.status)
    if status not in NEVER_BEGUN:
        return None
    if was_withdrawn(order):
        return "", "ban", _("Withdrawn")
    return *_ORDER[status], order.get_status_display()


def was_withdrawn(order: RedemptionOrder) -> bool:
    """Whether who placed the order cancelled it while it waited for approval."""
    return order.status == _O.REJECTED and order.was_placed_by(order.decided_by_id)


def end_told(counts: LineCounts) -> str:
    """How an order ended as CANCELLED, after its number."""
    if counts.failed == counts.lines:
        return _("could not be supplied")
    return _("ended without a delivery") if counts.failed else _("is cancelled")


def without_delivery(counts: LineCounts) -> tuple[str, str, Any]:
    """The tone, icon and word of an order that ended as CANCELLED, by what its lines say."""
    if counts.arrived:  # a decision by two people changed its final status
        return "warn", "package-check", _("Delivered after all")
    if counts.failed == counts.lines:
        return "bad", "package-x", _("Could not be supplied")
    if counts.failed:
        return "bad", "package-x", _("Nothing was delivered")
    return *_ORDER[_O.CANCELLED], _("Cancelled")


def _at_work(order: RedemptionOrder, counts: LineCounts, moves: _Moves) -> tuple[str, str, Any]:
    """The word and icon of an order whose debit succeeded and which is not complete."""
    if not counts.open:
        if moves.stuck:
            return "warn", "life-buoy", _("Points not back yet")
        return "live", "undo-2", _("Points on their way back")
    if moving := _on_the_way(counts):
        return moving
    if counts.waiting == counts.open:
        return "live", "clock", _("Waiting")
    return *_ORDER[OrderStatus(order.status)], order.get_status_display()


def _on_the_way(counts: LineCounts) -> tuple[str, str, Any] | None:
    """The word and icon of an order of which something was sent; None while nothing was."""
    if counts.on_way == counts.open:
        return "live", "truck", _("On its way")
    if counts.arrived:
        return "live", "package", _("Partly delivered")
    if counts.on_way:
        return "live", "package", _("Partly on its way")
    return None


def _completed(counts: LineCounts) -> tuple[str, str, Any]:
    if not counts.arrived:  # a decision by two people changed its final status
        return without_delivery(counts)
    if counts.came_back:
        all_of_it = counts.returned == counts.lines
        word = _("Returned") if all_of_it else _("Partly returned")
        return "warn", "undo-2", word
    if counts.short:
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


def refusal_told(code: str) -> str:
    """Why the loyalty system refused to take points, in sentences for the company."""
    why = loyalty_reason(code)
    if code == "insufficient_points":
        return why
    unknown = code == "account_not_found"
    who = _("Your programme can put this right.") if unknown else _("Your programme can say why.")
    return f"{why} {who}"
