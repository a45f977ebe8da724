"""An order's timeline: what happened, what happens now, and what will happen."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils import timezone
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.selectors import told_as
from loyalty_portal.data.texts.kept import retold
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.times import exact
from redemption.checkout.approvals.asking import people_asked, told_asked
from redemption.models import BulkPart, EventSubject, LetterKind, OrderItem, OrderMessageKind
from redemption.models.badges import LineCounts, without_delivery
from redemption.models.waits import wait_told
from redemption.orders.facts import EventTold, Facts
from redemption.orders.steps.arriving import arrival_of
from redemption.orders.steps.lines_told import (
    asked,
    came_back,
    moves,
    put_right,
    reveals,
    sent_again,
    took_again,
    words,
    work,
)
from redemption.orders.steps.parcels_told import parcels
from redemption.orders.steps.points_told import movements
from redemption.orders.steps.step import TimelineStep, sentence
from redemption.orders.steps.stopped import stopped
from redemption.states import LineStatus, OrderStatus

LONGEST_TOLD = 300  # characters of a question or an answer; the whole stands below the lines


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
    yield from movements(facts)
    yield from work(facts)
    yield from asked(facts)
    yield from put_right(facts)
    yield from sent_again(facts)
    yield from parcels(facts)
    yield from words(facts)
    yield from stopped(facts)
    yield from came_back(facts)
    yield from reveals(facts)
    yield from _talk(facts)
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
    title, who = _("Ordered by %(who)s"), {"who": str(order.account_manager.user)}
    if order.placed_by_id:
        title = _("Ordered by %(staff)s for %(who)s, who asked for it")
        who["staff"] = told_as(order.placed_by, order.company_id)
    return TimelineStep(
        title % who,
        text % {"pieces": grouped(pieces), "points": grouped(order.total_points)},
        "receipt-text",
        at=order.created_at,
    )


def _decision(facts: Facts) -> Iterator[TimelineStep]:
    order = facts.order
    if order.status == OrderStatus.AWAITING_APPROVAL:
        asked = told_asked(people_asked(facts.letters))
        told = " ".join(filter(None, [_why_it_waits(facts), _held(), asked]))
        yield TimelineStep(_("Waiting for approval"), told, "hourglass", "warn")
    if order.decided_by_id and order.approve_by:
        yield from _approved_with_others(facts)
    for event in moves(facts, EventSubject.ORDER, from_status=OrderStatus.AWAITING_APPROVAL):
        if event.to_status == OrderStatus.PENDING:
            text = sentence(_instead_of(facts))
            title = _("Approved by %(who)s") % {"who": event.by}
            yield TimelineStep(title, text, "check", "ok", event.at)
        elif event.to_status == OrderStatus.REJECTED:
            yield _not_approved(facts, event)
        else:
            text = _("The products are no longer held. No points were taken.")
            yield TimelineStep(_("Nobody approved it in time"), text, "clock", "bad", event.at)


def _instead_of(facts: Facts) -> str:
    """In whose place somebody decided; "" for an approver."""
    decided = (LetterKind.APPROVED, LetterKind.REJECTED)
    told = (each.facts.get("instead_of", "") for each in facts.letters if each.kind in decided)
    who = next(filter(None, told), "")
    return capfirst(_("in the place of %(who)s") % {"who": who}) if who else ""


def _approved_with_others(facts: Facts) -> Iterator[TimelineStep]:
    """The approval of the file that the order came from, which was before the order was placed.
    Makes a query for orders that never waited themselves.
    """
    if any(each.from_status == OrderStatus.AWAITING_APPROVAL for each in facts.events):
        return
    parts = BulkPart.objects.filter(order=facts.order.pk).select_related("bulk").defer("bulk__file")
    part = parts.first()
    if part is None:
        return
    title = _("Approved by %(who)s") % {"who": facts.order.decided_by}
    with_others = _("Together with the other orders of the file “%(file)s”.")
    told = [with_others % {"file": part.bulk.name}]
    if part.bulk.decision not in {"", "Approved"}:
        told.append(sentence(retold(part.bulk.decision)))
    at = part.bulk.decided_at or facts.order.created_at
    yield TimelineStep(title, " ".join(told), "check", "ok", at)


def _why_it_waits(facts: Facts) -> str:
    """Why the order needed approval, as the buyer read it before placing it."""
    first = (event.reason for event in facts.events if event.subject == EventSubject.ORDER)
    return retold(next(first, "")) or _("This order needs approval by an owner or approver.")


def _held() -> str:
    return _("The products are held until then; no points are taken before.")


def _not_approved(facts: Facts, event: EventTold) -> TimelineStep:
    withdrawn = facts.order.was_placed_by(event.by_id)
    title = _("Withdrawn by %(who)s") if withdrawn else _("Not approved by %(who)s")
    who = {"who": told_as(event.by, facts.order.company_id)}
    said_already = retold(event.reason) == _("Cancelled by %(who)s") % who
    reason = "" if said_already else sentence(event.reason)
    untaken = _("No points were taken.")
    text = " ".join(filter(None, [sentence(_instead_of(facts)), reason, untaken]))
    return TimelineStep(title % who, text, "circle-x", "bad", event.at)


# --- The end, and what is ahead --------------------------------------------------------------


def _ending(facts: Facts) -> Iterator[TimelineStep]:
    for event in moves(facts, EventSubject.ORDER):
        if event.to_status == OrderStatus.CANCELLING:
            who = capfirst(told_as(event.by, facts.order.company_id))
            title = _("%(who)s asked to cancel") % {"who": who}
            yield TimelineStep(title, sentence(event.reason), "ban", "warn", event.at)
        elif event.to_status == OrderStatus.COMPLETED:
            text = _("Nothing more will be sent.")
            yield TimelineStep(_("Completed"), text, "circle-check", "ok", event.at)
        elif event.to_status == OrderStatus.CANCELLED:
            tone, icon, word = without_delivery(_counts_then(facts, event))
            yield TimelineStep(str(word), _cancelled(facts), icon, tone, event.at)
    if facts.order.needs_attention:
        yield TimelineStep(
            _("Somebody of the programme is looking at it"),
            _looked_at(facts),
            "life-buoy",
            "warn",
            may_ask=True,
        )


def _looked_at(facts: Facts) -> str:
    """When somebody last looked at an order that needs attention, and by when somebody will."""
    told = [_("Something unusual happened. You do not have to do anything.")]
    if facts.looks is None:
        return told[0]
    zone = facts.order.company.time_zone
    last, by, asks = (
        exact(moment, zone=zone) if moment else ""
        for moment in (facts.looks.last, facts.looks.by, facts.looks.asks)
    )
    told.append(
        _("Last looked at on %(when)s.") % {"when": last}
        if last
        else _("Nobody has looked at it yet.")
    )
    if facts.looks.by and facts.looks.by <= timezone.now():
        told.append(_("It was to be looked at by %(when)s: please ask about it.") % {"when": by})
    elif by:
        told.append(_("Somebody looks at it by %(when)s.") % {"when": by})
    if asks:
        told.append(
            _("The portal itself asks the loyalty system again on %(when)s.") % {"when": asks}
        )
    return " ".join(told)


def _talk(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of questions of the company, and of the programme's answers."""
    for message in facts.messages:
        title = _("%(who)s asked") % {"who": message.by}
        if message.kind == OrderMessageKind.ANSWER:
            title = _("The programme answered")
        text = Truncator(message.text).chars(LONGEST_TOLD)
        yield TimelineStep(title, text, "mail", at=message.at)


def _counts_then(facts: Facts, end: EventTold) -> LineCounts:
    """The lines and the failed ones of them at the order's end; a remedy may change them later."""
    then = {
        event.item_id: event.to_status
        for event in moves(facts, EventSubject.LINE)
        if event.at <= end.at
    }
    failed = list(then.values()).count(LineStatus.FAILED)
    return LineCounts(lines=len(facts.items), failed=failed)


def _cancelled(facts: Facts) -> str:
    if any(took_again(intent) for intent in facts.transactions):
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
    if facts.many:
        yield from _together(_many_ahead(facts))
        return
    yield from _together(
        (_what_comes(facts, item), _way(item), _one_ahead(item, order.company.time_zone))
        for item in facts.items
        if not item.is_settled
    )


def _together(coming: Iterable[tuple[str, str, str]]) -> Iterator[TimelineStep]:
    """One step for all that comes in one way: title, icon and text of each."""
    texts: dict[tuple[str, str], list[str]] = {}
    for title, way, text in coming:
        texts.setdefault((title, way), []).append(text)
    for (title, way), told in texts.items():
        text = told[0] if len(told) == 1 else " ".join(map(sentence, told))
        yield TimelineStep(title, text, way, ahead=True)


def _one_ahead(item: OrderItem, zone: str) -> str:
    if item.fulfillment_status != LineStatus.WAITING:
        who = _("to %(who)s") % {"who": item.recipient_name}
        return f"{item.product_name}, {who}"
    waits = wait_told(item, zone)
    return f"{sentence(item.product_name)} {waits}" if waits else item.product_name


def _many_ahead(facts: Facts) -> Iterator[tuple[str, str, str]]:
    """How many lines wait alike, or are on their way alike."""
    zone = facts.order.company.time_zone
    alike: Counter[tuple[str, str, str]] = Counter(
        (_what_comes(facts, item), _way(item), wait_told(item, zone, named=False))
        for item in facts.items
        if not item.is_settled
    )
    for (title, way, waits), lines in alike.items():
        told = ngettext("%(n)s line.", "%(n)s lines.", lines) % {"n": grouped(lines)}
        yield title, way, f"{told} {waits}".strip()


def _what_comes(facts: Facts, item: OrderItem) -> str:
    if item.fulfillment_status != LineStatus.WAITING:
        when = arrival_of(facts, [item])
        if when or not item.product.is_virtual:
            return _("Arrives %(when)s") % {"when": when} if when else _("Arrives")
    return _("Codes by e-mail") if item.product.is_virtual else _("Packed and sent")


def _way(item: OrderItem) -> str:
    return "mail" if item.product.is_virtual else "truck"
