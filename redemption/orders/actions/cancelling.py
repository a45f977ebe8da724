"""Cancels orders. What is offered, done and reported comes from one function, `cancellation`."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.selectors import told_as
from fulfillment.models import Progress
from fulfillment.models.progress import CallTold
from fulfillment.states import WITHDRAWABLE, Withdrawal
from fulfillment.withdrawing import Withdrawn, withdraw
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.lifecycle import StaleStatusError
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.some import some_of
from loyalty_portal.data.trouble import TRIES, retried
from redemption.models import EventSubject, OrderEvent, OrderItem, RedemptionOrder
from redemption.permissions import may_cancel
from redemption.saga.steps import OrderBusyError, RedemptionError, drop_order, locked, must
from redemption.saga.waits import news_of_end
from redemption.states import FEW_LINES, LineStatus, OrderStatus

# Nothing has been sent to anybody yet in these statuses, so the whole order is cancelled.
_AS_A_WHOLE = frozenset({OrderStatus.AWAITING_APPROVAL, OrderStatus.PENDING})
_BY_LINES = frozenset({OrderStatus.CONFIRMED, OrderStatus.IN_FULFILLMENT})


_KEY = 6  # hexadecimal digits that tell a line from the others of its order
_AT_ONCE, _ASKED = "n", "a"  # how a line of many is reached


class Part(NamedTuple):
    """One line, and what cancelling does to it or did."""

    item: OrderItem
    result: Withdrawn

    @property
    def points(self) -> int:
        return self.item.owed_for(self.result.units) * self.item.points_per_item


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What cancelling an order would do now. `parts` is empty before the points are taken."""

    order: RedemptionOrder
    parts: Sequence[Part]

    @property
    def possible(self) -> bool:
        return self.order.status in _AS_A_WHOLE or _any_reached(self.parts)

    @property
    def sentences(self) -> list[str]:
        """What the page says before somebody confirms."""
        if self.order.status == OrderStatus.AWAITING_APPROVAL:
            return [_("The order is withdrawn. No points have been taken.")]
        if self.order.status == OrderStatus.PENDING:
            return [_("The whole order is cancelled. Points that were already taken come back.")]
        told = _tell(
            self.parts,
            _("Cancelled at once: %(what)s. %(points)s points go back to the company’s account."),
        )
        if self.is_of_many:
            told.append(_("What is delivered before you confirm is not cancelled."))
        return told

    @property
    def is_of_many(self) -> bool:
        """Whether there are so many lines that one of them changes before anybody can confirm."""
        return len(self.parts) > FEW_LINES

    @property
    def shown(self) -> str:
        """What the sentences said, for a hidden field of the form: a fingerprint; of many lines
        each that is reached, and how.
        """
        if self.is_of_many:
            return " ".join(f"{key}{how}" for key, how in self._reached())
        parts = ((part.item.pk, part.result.how, part.points) for part in self.parts)
        lines = sorted(" ".join(map(str, part)) for part in parts)
        told = "\n".join(lines) or self.order.status
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def is_within(self, shown: str) -> bool:
        """Whether it does what was `shown`, or of many lines less: a line that was delivered since
        is left alone, and one that was to be cancelled at once may have reached the partner.
        """
        if not self.is_of_many:
            return shown == self.shown
        said = {word[:-1]: word[-1] for word in shown.split()}
        return all(said.get(key) in {_AT_ONCE, how} for key, how in self._reached())

    def _reached(self) -> Iterator[tuple[str, str]]:
        for part in self.parts:
            if part.result.how in WITHDRAWABLE:
                how = _AT_ONCE if part.result.how == Withdrawal.NOW else _ASKED
                yield part.item.pk.hex[-_KEY:], how


def cancellation(
    order: RedemptionOrder,
    lines: Sequence[tuple[OrderItem, Progress | None, Sequence[CallTold]]],
) -> Cancellation:
    """What cancelling would do, from rows already read: each line with how far its fulfillment is
    and all calls of that.
    """
    if order.status not in _BY_LINES:
        return Cancellation(order, [])
    parts = [
        Part(item, Withdrawn(progress.withdrawal(calls), progress.open_quantity))
        for item, progress, calls in lines
        if progress is not None
    ]
    waiting = [_waiting_part(item) for item, _progress, _calls in lines if item.is_waiting]
    return Cancellation(order, parts + waiting)


def _waiting_part(item: OrderItem) -> Part:
    return Part(item, Withdrawn(Withdrawal.NOW, item.quantity))


def cancel(*, order: RedemptionOrder, by: Actor, reason: str, shown: str = "") -> str:
    """Cancel what can be cancelled. Returns sentences about what became of each line.

    `shown` is the fingerprint of what the page said before (Cancellation.shown), if it said
    anything. Raises RedemptionError, with the reason for each line, when cancelling would do
    something else by now, or when nothing can be cancelled any more.
    """
    must(may_cancel(by, order))
    reason = reason or _cancelled_by(order, by)
    return _settled_down(lambda: _cancel(order, by=by, reason=reason, shown=shown))


def _settled_down(act: Callable[[], str]) -> str:
    """Call `act()` again when the order changed between reading and locking it. Raises
    OrderBusyError when it never stands still.
    """
    for _again in range(TRIES):
        with suppress(StaleStatusError):
            return retried(act)
    raise OrderBusyError(_("This order is changing at this moment. Try again."))


def _cancelled_by(order: RedemptionOrder, by: Actor) -> str:
    """The reason of who gives none."""
    return kept(lambda: _("Cancelled by %(who)s") % {"who": told_as(by.user, order.company_id)})


@transaction.atomic
def _cancel(order: RedemptionOrder, *, by: Actor, reason: str, shown: str) -> str:
    seen = RedemptionOrder.objects.get(pk=order.pk)
    if seen.is_final:
        raise RedemptionError(_ended(seen))
    if seen.status in _BY_LINES:
        return _cancel_lines(seen, by=by, reason=reason, shown=shown)
    held = locked(seen.pk)
    if held.status != seen.status:
        raise StaleStatusError
    _must_be_as_shown(Cancellation(held, []), shown)
    if held.status == OrderStatus.AWAITING_APPROVAL:
        drop_order(
            held,
            OrderStatus.REJECTED,
            by=by,
            reason=reason,
            decided_by_id=by.user_id,
            decision_reason=reason[:255],
        )
        return _("The order is withdrawn. No points were taken.")
    if held.status == OrderStatus.PENDING:
        held.transition(
            OrderStatus.CANCELLING, by=by, reason=reason, cancel_requested_at=timezone.now()
        )
    return _("The order is being cancelled. Points that were already taken are given back.")


def cancel_line(*, item: OrderItem, by: Actor, reason: str, shown: str = "") -> str:
    """Cancel one line, by the rules of its order's cancellation; the others go on. Returns a
    sentence.

    `shown` is the fingerprint of what the page said before, if it said anything. Raises
    RedemptionError with the reason when the line cannot be cancelled (any more), or when cancelling
    would do something else by now.
    """
    order = RedemptionOrder.objects.select_related("account_manager").get(pk=item.order_id)
    must(may_cancel(by, order))
    reason = reason or _cancelled_by(order, by)
    return _settled_down(lambda: _cancel_line(order, item.pk, by=by, reason=reason, shown=shown))


@transaction.atomic
def _cancel_line(
    order: RedemptionOrder, item_id: UUID, *, by: Actor, reason: str, shown: str
) -> str:
    if order.status in _AS_A_WHOLE:
        raise RedemptionError(
            _("Its points are not taken yet. Until then, only the whole order can be cancelled.")
        )
    if order.status not in _BY_LINES:
        raise RedemptionError(_ended(order))
    parts = _withdraw(order.items.filter(pk=item_id), by=by, reason=reason)
    if not _any_reached(parts):
        raise RedemptionError(" ".join(_tell(parts, "")) or _("This line has ended already."))
    _must_be_as_shown(Cancellation(order, parts), shown)
    at_once = _("Cancelled: %(what)s. %(points)s points go back to the company’s account.")
    return " ".join(_tell(parts, at_once))


def _must_be_as_shown(now: Cancellation, shown: str) -> None:
    """Raise RedemptionError when it is not what the page said; the transaction is rolled back."""
    if shown and now.possible and not now.is_within(shown):
        told = _("This has changed since you looked, and nothing was cancelled. Now: %s")
        raise RedemptionError(told % " ".join([*now.sentences, _("Please confirm it again.")]))


def _ended(order: RedemptionOrder) -> str:
    told = _("This order cannot be cancelled any more: it is “%(status)s”.")
    return told % {"status": order.get_status_display().lower()}


def _cancel_lines(order: RedemptionOrder, *, by: Actor, reason: str, shown: str) -> str:
    parts = _withdraw(order.items.all(), by=by, reason=reason)
    if not _any_reached(parts):
        why = " ".join(_tell(parts, ""))
        nothing = _("Nothing of this order can be cancelled any more. %s") % why
        raise RedemptionError(nothing.strip())
    _must_be_as_shown(Cancellation(order, parts), shown)
    RedemptionOrder.objects.filter(pk=order.pk).beat(cancel_requested_at=timezone.now())
    if all(part.result.how == Withdrawal.NOW for part in parts):
        done = _(
            "The whole order is cancelled. %(points)s points go back to the company’s account."
        )
    else:
        done = _("Cancelled: %(what)s. %(points)s points go back to the company’s account.")
    return " ".join(_tell(parts, done))


def _withdraw(lines: QuerySet[OrderItem], *, by: Actor, reason: str) -> list[Part]:
    """Withdraw what can be withdrawn of these lines of one order."""
    items = {item.pk: item for item in lines}
    waiting = [item for item in items.values() if item.is_waiting]
    ends = [news_of_end(item, by=by, reason=reason) for item in waiting]
    results = withdraw(references=list(items), by=by, reason=reason, along=ends)
    parts = [Part(items[pk], result) for pk, result in results.items()]
    OrderEvent.objects.bulk_create(
        OrderEvent(
            order_id=part.item.order_id,
            item=part.item,
            subject=EventSubject.TOLD,
            to_status=LineStatus.CANCELLED,
            by_id=by.user_id,
            reason=reason[:255],
        )
        for part in parts
        if part.result.how == Withdrawal.ASK
    )
    return parts + [_waiting_part(item) for item in waiting]


def _any_reached(parts: Iterable[Part]) -> bool:
    return any(part.result.how in WITHDRAWABLE for part in parts)


def _tell(parts: Sequence[Part], at_once: str) -> list[str]:
    """Sentences about what is cancelled (worded as `at_once`), what the partner is asked to cancel,
    and what goes on.
    """
    ask = _(
        "Our partner is asked to stop %(what)s. If it is not too late, %(points)s points come back."
    )
    told = [
        words % {"what": _names(reached), "points": grouped(sum(part.points for part in reached))}
        for how, words in ((Withdrawal.NOW, at_once), (Withdrawal.ASK, ask))
        if (reached := [part for part in parts if part.result.how == how])
    ]
    over: dict[Withdrawal, list[Part]] = {}
    for part in parts:
        if part.result.how not in {Withdrawal.SETTLED, *WITHDRAWABLE}:
            over.setdefault(part.result.how, []).append(part)
    too_late = _("%(what)s cannot be cancelled any more: %(why)s.")
    return told + [
        too_late % {"what": _names(those), "why": how.label} for how, those in over.items()
    ]


def _names(parts: Iterable[Part]) -> str:
    """The products with their pieces, such as “2 x Mug and Pen”; each name once."""
    pieces = Counter[str]()
    for part in parts:
        # What is delivered has no open units, and is told with all of them.
        pieces[part.item.product_name] += part.result.units or part.item.quantity
    return some_of(f"{count} × {name}" if count > 1 else name for name, count in pieces.items())
