"""An order's timeline: what happened, what happens now, and what will happen."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.utils.text import capfirst, get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.selectors import told_as
from loyalty_portal.data.numbers import grouped
from redemption.badges import FOR_A_PERSON, wait_told
from redemption.models import (
    Decision,
    EventSubject,
    LoyaltyTransaction,
    OrderEvent,
    OrderItem,
    TransactionType,
)
from redemption.orders.facts import Facts
from redemption.orders.points_told import movement
from redemption.orders.steps import TimelineStep, sentence
from redemption.states import LineStatus, OrderStatus, TransactionStatus, Verdict

NEVER_BEGUN = (OrderStatus.DECLINED, OrderStatus.REJECTED, OrderStatus.EXPIRED)


_LOST: dict[str, tuple[Any, str, str]] = {
    LineStatus.FAILED: (gettext_lazy("%(what)s could not be supplied"), "package-x", "bad"),
    LineStatus.RETURNED: (gettext_lazy("%(what)s came back"), "undo-2", "warn"),
    LineStatus.CANCELLED: (gettext_lazy("%(what)s cancelled"), "ban", ""),
}


def timeline_of(facts: Facts) -> list[TimelineStep]:
    """The steps that happened, in the order of time; then those in progress; then those
    expected.
    """
    past: list[TimelineStep] = []
    going_on: list[TimelineStep] = []
    for step in _steps(facts):
        (going_on if step.at is None else past).append(step)
    past.sort(key=_time)
    steps = past + going_on
    if not facts.order.is_final and steps:
        steps[-1] = steps[-1]._replace(now=True)
    return steps + list(_ahead(facts))


def _time(step: TimelineStep) -> tuple[bool, Any]:
    return step.at is None, step.at


def _steps(facts: Facts) -> Iterator[TimelineStep]:
    yield _placed(facts)
    yield from _decision(facts)
    for intent in facts.transactions:
        yield movement(facts, intent)
    yield from _work(facts)
    yield from _put_right(facts)
    yield from _parcels(facts)
    yield from _reveals(facts)
    yield from _ending(facts)


# --- Placing and approval --------------------------------------------------------------------


def _placed(facts: Facts) -> TimelineStep:
    order = facts.order
    pieces = sum(item.quantity for item in facts.items)
    text = ngettext(
        "%(pieces)s piece for %(points)s points.",
        "%(pieces)s pieces for %(points)s points.",
        pieces,
    )
    return TimelineStep(
        _("Ordered by %(who)s") % {"who": order.account_manager.user},
        text % {"pieces": grouped(pieces), "points": grouped(order.total_points)},
        "receipt-text",
        at=order.created_at,
    )


def _decision(facts: Facts) -> Iterator[TimelineStep]:
    order = facts.order
    if order.status == OrderStatus.AWAITING_APPROVAL:
        yield TimelineStep(
            _("Waiting for approval"),
            f"{_why_it_waits(facts)} {_held()}",
            "hourglass",
            "warn",
        )
    for event in _moves(facts, EventSubject.ORDER, from_status=OrderStatus.AWAITING_APPROVAL):
        if event.to_status == OrderStatus.PENDING:
            yield TimelineStep(
                _("Approved by %(who)s") % {"who": event.by}, "", "check", "ok", event.at
            )
        elif event.to_status == OrderStatus.REJECTED:
            yield _not_approved(facts, event)
        else:
            text = _("The products are no longer held. No points were taken.")
            yield TimelineStep(_("Nobody approved it in time"), text, "clock", "bad", event.at)


def _why_it_waits(facts: Facts) -> str:
    """Why the order needed approval, as the buyer read it before placing it."""
    first = (event.reason for event in facts.events if event.subject == EventSubject.ORDER)
    return next(first, "") or _("This order needs approval by an owner or approver.")


def _held() -> str:
    return _("The products are held until then; no points are taken before.")


def _not_approved(facts: Facts, event: OrderEvent) -> TimelineStep:
    withdrawn = facts.order.was_placed_by(event.by_id)
    title = _("Withdrawn by %(who)s") if withdrawn else _("Not approved by %(who)s")
    text = _("%(reason)s. No points were taken.") % {"reason": event.reason.rstrip(".")}
    who = told_as(event.by, facts.order.company_id)
    return TimelineStep(title % {"who": who}, text, "circle-x", "bad", event.at)


# --- Lines -----------------------------------------------------------------------------------


def _moves(
    facts: Facts, subject: EventSubject, *, from_status: str | None = None
) -> Iterator[OrderEvent]:
    """The events that changed a status; those of creation are left out."""
    for event in facts.events:
        moved = event.subject == subject and event.from_status
        if moved and (from_status is None or event.from_status == from_status):
            yield event


def _work(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of the lines; what happened to several lines at the same moment is one step."""
    if facts.order.status in NEVER_BEGUN:
        return
    items = {item.pk: item for item in facts.items}
    together: dict[tuple[str, str, datetime], list[OrderEvent]] = {}
    for event in _moves(facts, EventSubject.LINE):
        if event.item_id is None or _is_a_parcels(event, items[event.item_id]):
            continue
        key = (event.to_status, event.reason, event.at.replace(microsecond=0))
        together.setdefault(key, []).append(event)
    for (status, _reason, _second), events in together.items():
        touched = [items[event.item_id] for event in events if event.item_id]
        if status in _LOST:
            step = _lost(facts, status, touched, events[0])
        else:
            step = _line_step(facts, status, touched)
        yield step._replace(at=events[0].at)


def _is_a_parcels(event: OrderEvent, item: OrderItem) -> bool:
    """Whether the event has a step of its own with the parcel, which may hold a part of the
    line.
    """
    partly = event.to_status == LineStatus.QUEUED and event.from_status != LineStatus.WAITING
    arrived = event.to_status == LineStatus.DELIVERED and not item.product.is_virtual
    return partly or arrived or event.to_status == LineStatus.SHIPPED


def _line_step(facts: Facts, status: str, touched: list[OrderItem]) -> TimelineStep:
    what = _names(touched)
    email = touched[0].recipient_email
    if status == LineStatus.QUEUED:
        title = _("Being prepared")
        return TimelineStep(
            title, _("Our desk packs %(what)s by hand.") % {"what": what}, "package"
        )
    if status == LineStatus.REQUESTED:
        text = _("%(what)s: the codes go to %(email)s, usually within minutes.")
        title = _("Ordered from our partner")
        return TimelineStep(title, text % {"what": what, "email": email}, "send")
    if status == LineStatus.PACKED:
        return TimelineStep(_("Packed"), sentence(what), "package-check")
    shown = all(facts.delivery(item).has_codes for item in touched)
    text = (
        _("%(what)s: the codes went to %(email)s, and can be shown here.")
        if shown
        else _("%(what)s: our partner sent the codes to %(email)s itself.")
    )
    what = get_text_list([_came(item) for item in touched], _("and"))
    title = _("Delivered by e-mail")
    return TimelineStep(title, text % {"what": what, "email": email}, "mail", "ok")


def _put_right(facts: Facts) -> Iterator[TimelineStep]:
    """The steps for codes that were replaced, and for points that the company keeps; other remedies
    have their own steps.
    """
    items = {item.pk: item for item in facts.items}
    for decision in facts.remedies:
        if decision.item_id is None:
            continue
        item = items[decision.item_id]
        if decision.verdict == Verdict.CODES:
            text = _(
                "%(what)s: our partner had named codes that belong to somebody else. They are "
                "withdrawn; the right ones can be shown here."
            )
            yield TimelineStep(
                _("The codes were replaced"),
                text % {"what": item.product_name},
                "refresh-cw",
                "warn",
                decision.decided_at,
            )
        elif decision.verdict == Verdict.WRITE_OFF:
            yield _left_with_them(item, decision)


def _left_with_them(item: OrderItem, decision: Decision) -> TimelineStep:
    """The step for points that went back although the partner delivered, and are not taken
    again.
    """
    units = decision.units or 0
    text = _(
        "%(what)s: our partner delivered it after all. The %(points)s points that went back are "
        "not taken again."
    )
    words = {
        "what": f"{grouped(units)} × {item.product_name}",
        "points": grouped(units * item.points_per_item),
    }
    title = _("The points stay with your company")
    return TimelineStep(title, text % words, "coins", "ok", decision.decided_at)


def _lost(facts: Facts, status: str, touched: list[OrderItem], event: OrderEvent) -> TimelineStep:
    title, icon, tone = _LOST[status]
    by = event.by or _who_asked(facts)
    if status == LineStatus.CANCELLED and by:
        title = _("%(what)s cancelled by %(who)s")
    words = {"what": _names(touched), "who": told_as(by, facts.order.company_id)}
    said_already = {_("Cancelled"), _("Cancelled by %(who)s") % words}
    reason = "" if event.reason in said_already else event.reason
    text = f"{sentence(reason)} {_what_came_back(facts, status, touched)}".strip()
    return TimelineStep(str(title % words), text, icon, tone)


def _who_asked(facts: Facts) -> Any:
    """The person who cancelled the whole order before its points were known to be taken."""
    asked = (each.by for each in facts.events if each.to_status == OrderStatus.CANCELLING)
    return next(asked, None)


def _what_came_back(facts: Facts, status: str, touched: list[OrderItem]) -> str:
    """A sentence about the credit for these lines; "" without one.

    It is also "" if the points were taken again later, because then each movement has its own step.
    A credit without a line is for the lines that one person cancelled together.
    """
    lines = {item.pk for item in touched} | ({None} if status == LineStatus.CANCELLED else set())
    if any(_took_again(intent) and intent.item_id in lines for intent in facts.transactions):
        return ""
    found = {
        intent.status
        for intent in facts.transactions
        if intent.transaction_type == TransactionType.CREDIT and intent.item_id in lines
    }
    return _how_far(found, len(touched)) if found else ""


def _how_far(found: set[str], lines: int) -> str:
    """How far the credits for so many lines are."""
    if found & FOR_A_PERSON:
        return ngettext(
            "Its points are not back yet; a person is seeing to it.",
            "Their points are not back yet; a person is seeing to it.",
            lines,
        )
    if found == {TransactionStatus.SUCCEEDED}:
        return ngettext("Its points are back.", "Their points are back.", lines)
    return ngettext(
        "Its points are on their way back.", "Their points are on their way back.", lines
    )


def _took_again(intent: LoyaltyTransaction) -> bool:
    return intent.is_correction and intent.status == TransactionStatus.SUCCEEDED


def _parcels(facts: Facts) -> Iterator[TimelineStep]:
    for item in facts.items:
        for parcel in facts.delivery(item).shipments:
            what = f"{grouped(parcel.quantity)} × {item.product_name}"
            tracking = _("Tracking number %(number)s.") % {"number": parcel.tracking_number}
            yield TimelineStep(
                _("Sent with %(carrier)s") % {"carrier": parcel.carrier},
                f"{what}. {tracking if parcel.tracking_number else ''}".strip(),
                "truck",
                "ok",
                parcel.shipped_at,
            )
            if parcel.delivered_at:
                yield TimelineStep(
                    _("Arrived"), sentence(what), "package-open", "ok", parcel.delivered_at
                )


def _reveals(facts: Facts) -> Iterator[TimelineStep]:
    for item in facts.items:
        for reveal in facts.delivery(item).reveals:
            title = _("%(who)s looked at the codes") % {"who": reveal.by or _("Somebody")}
            yield TimelineStep(title, sentence(item.product_name), "eye", at=reveal.at)


def _names(items: Iterable[OrderItem]) -> str:
    return get_text_list([item.product_name for item in items], _("and"))


def _came(item: OrderItem) -> str:
    """The name of the product, with the number delivered where that is not all."""
    if item.quantity_delivered == item.quantity:
        return item.product_name
    part = {"came": item.quantity_delivered, "all": item.quantity, "product": item.product_name}
    return _("%(came)s of %(all)s × %(product)s") % part


# --- The end, and what is ahead --------------------------------------------------------------


def _ending(facts: Facts) -> Iterator[TimelineStep]:
    for event in _moves(facts, EventSubject.ORDER):
        if event.to_status == OrderStatus.CANCELLING:
            who = capfirst(told_as(event.by, facts.order.company_id))
            title = _("%(who)s asked to cancel") % {"who": who}
            yield TimelineStep(title, sentence(event.reason), "ban", "warn", event.at)
        elif event.to_status == OrderStatus.COMPLETED:
            text = _("Nothing more will be sent.")
            yield TimelineStep(_("Completed"), text, "circle-check", "ok", event.at)
        elif event.to_status == OrderStatus.CANCELLED:
            yield TimelineStep(_("Cancelled"), _cancelled(facts), "circle-check", "ok", event.at)
    if facts.order.needs_attention:
        text = _("Something unusual happened. You do not have to do anything.")
        yield TimelineStep(
            _("Somebody of the programme is looking at it"), text, "life-buoy", "warn"
        )


def _cancelled(facts: Facts) -> str:
    if any(_took_again(intent) for intent in facts.transactions):
        return _("All points went back.")
    if any(not intent.is_debit for intent in facts.transactions):
        return _("All points are back.")
    return _("No points were taken.")


def _ahead(facts: Facts) -> Iterator[TimelineStep]:
    order = facts.order
    if order.is_final or order.status == OrderStatus.CANCELLING:
        return
    if order.status == OrderStatus.AWAITING_APPROVAL:
        yield TimelineStep(_("Points are taken"), "", "coins", ahead=True)
    for item in facts.items:
        if item.fulfillment_status == LineStatus.WAITING:
            title = _("Codes by e-mail") if item.product.is_virtual else _("Packed and sent")
            waits = wait_told(item, order.company.time_zone)
            text = f"{sentence(item.product_name)} {waits}" if waits else item.product_name
            yield TimelineStep(title, text, _way(item), ahead=True)
        elif not item.is_settled:
            text = _("to %(who)s") % {"who": item.recipient_name}
            yield TimelineStep(_("Arrives"), f"{item.product_name}, {text}", _way(item), ahead=True)


def _way(item: OrderItem) -> str:
    return "mail" if item.product.is_virtual else "truck"
