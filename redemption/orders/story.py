"""An order's story in plain words: what happened, what happens now, what will."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.cards import grouped
from redemption.models import EventSubject, LoyaltyTransaction, OrderEvent, OrderItem
from redemption.orders.facts import Facts
from redemption.states import LineStatus, OrderStatus, TransactionStatus, Verdict

UNDER_WAY = (TransactionStatus.INTENDED, TransactionStatus.SENT)
A_WHILE = timedelta(seconds=30)
NEVER_BEGUN = (OrderStatus.DECLINED, OrderStatus.REJECTED, OrderStatus.EXPIRED)


class Step(NamedTuple):
    """One point of the time line; without a time it is still to come, or happening now."""

    title: str
    text: str
    icon: str
    tone: str = ""
    at: datetime | None = None
    now: bool = False
    ahead: bool = False


def tell(facts: Facts) -> list[Step]:
    """What happened in the order of time, then what is going on, then what is expected."""
    past: list[Step] = []
    going_on: list[Step] = []
    for step in _steps(facts):
        (going_on if step.at is None else past).append(step)
    past.sort(key=_time)
    steps = past + going_on
    if not facts.order.is_final and steps:
        steps[-1] = steps[-1]._replace(now=True)
    return steps + list(_ahead(facts))


def _time(step: Step) -> tuple[bool, Any]:
    return step.at is None, step.at


def _steps(facts: Facts) -> Iterator[Step]:
    yield _placed(facts)
    yield from _decision(facts)
    for intent in facts.transactions:
        yield _movement(facts, intent)
    yield from _work(facts)
    yield from _put_right(facts)
    yield from _parcels(facts)
    yield from _reveals(facts)
    yield from _ending(facts)


# --- Placing and approval --------------------------------------------------------------------


def _placed(facts: Facts) -> Step:
    order = facts.order
    pieces = sum(item.quantity for item in facts.items)
    text = ngettext(
        "%(pieces)s piece for %(points)s points.",
        "%(pieces)s pieces for %(points)s points.",
        pieces,
    )
    return Step(
        _("Ordered by %(who)s") % {"who": order.account_manager.user},
        text % {"pieces": grouped(pieces), "points": grouped(order.total_points)},
        "receipt-text",
        at=order.created_at,
    )


def _decision(facts: Facts) -> Iterator[Step]:
    order = facts.order
    if order.status == OrderStatus.AWAITING_APPROVAL:
        yield Step(
            _("Waiting for approval"),
            _(
                "An order of this size needs a yes from an owner or approver of your company. "
                "What you chose is held until then; no points are taken before."
            ),
            "hourglass",
            "warn",
        )
    for event in _moves(facts, EventSubject.ORDER, from_status=OrderStatus.AWAITING_APPROVAL):
        if event.to_status == OrderStatus.PENDING:
            yield Step(_("Approved by %(who)s") % {"who": event.by}, "", "check", "ok", event.at)
        elif event.to_status == OrderStatus.REJECTED:
            yield _not_approved(facts, event)
        else:
            text = _("What was held is back on the shelf. No points were taken.")
            yield Step(_("Nobody approved it in time"), text, "clock", "bad", event.at)


def _not_approved(facts: Facts, event: OrderEvent) -> Step:
    withdrawn = event.by_id == facts.order.account_manager.user_id
    title = _("Withdrawn by %(who)s") if withdrawn else _("Not approved by %(who)s")
    text = _("%(reason)s. No points were taken.") % {"reason": event.reason.rstrip(".")}
    return Step(title % {"who": event.by}, text, "circle-x", "bad", event.at)


# --- Points ----------------------------------------------------------------------------------


def refusal(code: str) -> str:
    """Why the loyalty system gave no points, for the people of the company."""
    known = {
        "insufficient_points": _("There were not enough points in the account."),
        "account_blocked": _("The account is blocked. Your programme can say why."),
        "account_not_found": _(
            "The loyalty system does not know the account. Your programme can put this right."
        ),
    }
    return known.get(code) or _("The loyalty system refused. Your programme can say why.")


def _movement(facts: Facts, intent: LoyaltyTransaction) -> Step:
    if intent.is_correction:
        return _correction(facts, intent)
    return _debit(facts, intent) if intent.is_debit else _credit(facts, intent)


def _debit(facts: Facts, debit: LoyaltyTransaction) -> Step:
    words = {"points": grouped(debit.points_amount), "company": facts.order.company.name}
    if debit.status == TransactionStatus.SUCCEEDED:
        title = _("%(points)s points taken from %(company)s’s account")
        return Step(title % words, _reference(debit), "coins", "ok", debit.settled_at)
    if debit.status == TransactionStatus.REFUSED:
        text = _("%(why)s No points were taken, and what you chose is back on the shelf.")
        title = _("The points were not given")
        text = text % {"why": refusal(debit.answer_code)}
        return Step(title, text, "circle-x", "bad", debit.settled_at)
    if debit.status in UNDER_WAY:
        title = _("We are taking %(points)s points from %(company)s’s account")
        return Step(title % words, _patience(debit), "loader", "live")
    return _unclear(debit, _("Taking %(points)s points from %(company)s’s account") % words)


def _credit(facts: Facts, credit: LoyaltyTransaction) -> Step:
    words = {"points": grouped(credit.points_amount), "company": facts.order.company.name}
    if credit.status == TransactionStatus.SUCCEEDED:
        title = _("%(points)s points given back to %(company)s’s account")
        text = " ".join(part for part in (_sentence(credit.reason), _reference(credit)) if part)
        return Step(title % words, text, "undo-2", "ok", credit.settled_at)
    if credit.status in UNDER_WAY:
        title = _("We are giving %(points)s points back to %(company)s’s account")
        return Step(title % words, _patience(credit), "loader", "live")
    return _unclear(credit, _("Giving %(points)s points back to %(company)s’s account") % words)


def _correction(facts: Facts, correction: LoyaltyTransaction) -> Step:
    words = {"points": grouped(correction.points_amount), "company": facts.order.company.name}
    if correction.status == TransactionStatus.REFUSED:
        title = _("%(points)s points were not taken again")
        return Step(
            title % words, refusal(correction.answer_code), "circle-x", "", correction.settled_at
        )
    if correction.status == TransactionStatus.SUCCEEDED:
        title = _("%(points)s points taken again from %(company)s’s account")
        text = f"{_agreed(facts, correction)} {_reference(correction)}".strip()
        return Step(title % words, text, "coins", "ok", correction.settled_at)
    title = _("Taking %(points)s points again from %(company)s’s account") % words
    if correction.status in UNDER_WAY:
        return Step(
            title, f"{_agreed(facts, correction)} {_patience(correction)}", "loader", "live"
        )
    return _unclear(correction, title)


def _agreed(facts: Facts, correction: LoyaltyTransaction) -> str:
    """Why: it came after all, and somebody of the company agreed."""
    for decision in facts.remedies:
        if decision.pk == correction.decision_id and decision.agreed_on:
            text = _("It was delivered after all. %(who)s agreed to it on %(day)s.")
            day = date_format(decision.agreed_on, "SHORT_DATE_FORMAT")
            return text % {"who": decision.agreed_by, "day": day}
    return ""


def _patience(intent: LoyaltyTransaction) -> str:
    if timezone.now() - intent.created_at < A_WHILE:
        return _("This takes a few seconds.")
    return _("It takes longer than usual. It goes on by itself, also when you leave this page.")


def _unclear(intent: LoyaltyTransaction, title: str) -> Step:
    if intent.status == TransactionStatus.UNKNOWN:
        text = _(
            "The loyalty system has not answered clearly yet. We ask again with the same key "
            "until we know: nothing is taken or given twice."
        )
        return Step(title, text, "refresh-cw", "warn")
    text = _(
        "The loyalty system gave no clear answer. A person is finding out what happened; "
        "until then nothing moves. You do not have to do anything."
    )
    return Step(title, text, "life-buoy", "warn")


def _reference(intent: LoyaltyTransaction) -> str:
    reference = intent.external_transaction_id
    return _("Reference at the loyalty system: %(id)s") % {"id": reference}


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}." if text else ""


# --- Lines -----------------------------------------------------------------------------------


def _moves(
    facts: Facts, subject: EventSubject, *, from_status: str | None = None
) -> Iterator[OrderEvent]:
    """Steps from one status to another; those of creation left out."""
    for event in facts.events:
        moved = event.subject == subject and event.from_status
        if moved and (from_status is None or event.from_status == from_status):
            yield event


def _work(facts: Facts) -> Iterator[Step]:
    """What became of the lines; what happens to several at the same moment is one step."""
    if facts.order.status in NEVER_BEGUN:
        return
    items = {item.pk: item for item in facts.items}
    together: dict[tuple[str, str, datetime], list[OrderEvent]] = {}
    for event in _moves(facts, EventSubject.LINE):
        if event.item_id is None or _is_a_parcels(event, items[event.item_id]):
            continue
        key = (event.to_status, event.reason, event.at.replace(microsecond=0))
        together.setdefault(key, []).append(event)
    for (status, reason, _second), events in together.items():
        touched = [items[event.item_id] for event in events if event.item_id]
        yield _line_step(facts, status, reason, touched)._replace(at=events[0].at)


def _is_a_parcels(event: OrderEvent, item: OrderItem) -> bool:
    """Parcels tell it better themselves, in parts too."""
    partly = event.to_status == LineStatus.QUEUED and event.from_status != LineStatus.WAITING
    arrived = event.to_status == LineStatus.DELIVERED and not item.product.is_virtual
    return partly or arrived or event.to_status == LineStatus.SHIPPED


def _line_step(facts: Facts, status: str, reason: str, touched: list[OrderItem]) -> Step:
    what = _names(touched)
    email = touched[0].recipient_email
    if status == LineStatus.QUEUED:
        title = _("Being prepared")
        return Step(title, _("Our desk packs %(what)s by hand.") % {"what": what}, "package")
    if status == LineStatus.REQUESTED:
        text = _("%(what)s: the codes go to %(email)s, usually within minutes.")
        title = _("Ordered from our partner")
        return Step(title, text % {"what": what, "email": email}, "send")
    if status == LineStatus.PACKED:
        return Step(_("Packed"), _sentence(what), "package-check")
    if status == LineStatus.DELIVERED:
        shown = all(facts.delivery(item).has_codes for item in touched)
        text = (
            _("%(what)s: the codes went to %(email)s, and can be shown here.")
            if shown
            else _("%(what)s: our partner sent the codes to %(email)s itself.")
        )
        title = _("Delivered by e-mail")
        what = get_text_list([_came(item) for item in touched], _("and"))
        return Step(title, text % {"what": what, "email": email}, "mail", "ok")
    return _lost(facts, status, reason, what)


def _put_right(facts: Facts) -> Iterator[Step]:
    """Codes that were never this order's; what else is put right has steps of its own."""
    items = {item.pk: item for item in facts.items}
    for decision in facts.remedies:
        if decision.verdict == Verdict.CODES and decision.item_id:
            text = _(
                "%(what)s: our partner had named codes that belong to somebody else. They are "
                "withdrawn; the right ones can be shown here."
            )
            what = items[decision.item_id].product_name
            title = _("The codes were replaced")
            yield Step(title, text % {"what": what}, "refresh-cw", "warn", decision.decided_at)


def _lost(facts: Facts, status: str, reason: str, what: str) -> Step:
    titles = {
        LineStatus.FAILED: (_("%(what)s could not be supplied"), "package-x", "bad"),
        LineStatus.RETURNED: (_("%(what)s came back"), "undo-2", "warn"),
        LineStatus.CANCELLED: (_("%(what)s cancelled"), "ban", ""),
    }
    title, icon, tone = titles[LineStatus(status)]
    owed = any(not intent.is_debit for intent in facts.transactions)
    text = _sentence(reason)
    if owed:
        text = f"{text} {_('Its points are given back.')}".strip()
    return Step(title % {"what": what}, text, icon, tone)


def _parcels(facts: Facts) -> Iterator[Step]:
    for item in facts.items:
        for parcel in facts.delivery(item).shipments:
            what = f"{grouped(parcel.quantity)} × {item.product_name}"
            tracking = _("Tracking number %(number)s.") % {"number": parcel.tracking_number}
            yield Step(
                _("Sent with %(carrier)s") % {"carrier": parcel.carrier},
                f"{what}. {tracking if parcel.tracking_number else ''}".strip(),
                "truck",
                "ok",
                parcel.shipped_at,
            )
            if parcel.delivered_at:
                yield Step(_("Arrived"), _sentence(what), "package-open", "ok", parcel.delivered_at)


def _reveals(facts: Facts) -> Iterator[Step]:
    for item in facts.items:
        for reveal in facts.delivery(item).reveals:
            title = _("%(who)s looked at the codes") % {"who": reveal.by or _("Somebody")}
            yield Step(title, _sentence(item.product_name), "eye", at=reveal.at)


def _names(items: Iterable[OrderItem]) -> str:
    return get_text_list([item.product_name for item in items], _("and"))


def _came(item: OrderItem) -> str:
    """Its name, with how many came where that is not all."""
    if item.quantity_delivered == item.quantity:
        return item.product_name
    part = {"came": item.quantity_delivered, "all": item.quantity, "product": item.product_name}
    return _("%(came)s of %(all)s × %(product)s") % part


# --- The end, and what is ahead --------------------------------------------------------------


def _ending(facts: Facts) -> Iterator[Step]:
    for event in _moves(facts, EventSubject.ORDER):
        if event.to_status == OrderStatus.CANCELLING:
            title = _("%(who)s asked to cancel") % {"who": event.by or _("The portal")}
            yield Step(title, _sentence(event.reason), "ban", "warn", event.at)
        elif event.to_status == OrderStatus.COMPLETED:
            text = _("Nothing more will be sent.")
            yield Step(_("Completed"), text, "circle-check", "ok", event.at)
        elif event.to_status == OrderStatus.CANCELLED:
            yield Step(_("Cancelled"), _cancelled(facts), "circle-check", "ok", event.at)
    if facts.order.needs_attention:
        text = _("Something took an unusual turn. You do not have to do anything.")
        yield Step(_("Somebody of the programme is looking at it"), text, "life-buoy", "warn")


def _cancelled(facts: Facts) -> str:
    if any(not intent.is_debit for intent in facts.transactions):
        return _("All points are back.")
    return _("No points were taken.")


def _ahead(facts: Facts) -> Iterator[Step]:
    order = facts.order
    if order.is_final or order.status == OrderStatus.CANCELLING:
        return
    if order.status == OrderStatus.AWAITING_APPROVAL:
        yield Step(_("Points are taken"), "", "coins", ahead=True)
    for item in facts.items:
        if item.fulfillment_status == LineStatus.WAITING:
            title = _("Codes by e-mail") if item.product.is_virtual else _("Packed and sent")
            yield Step(title, item.product_name, _way(item), ahead=True)
        elif not item.is_settled:
            text = _("to %(who)s") % {"who": item.recipient_name}
            yield Step(_("Arrives"), f"{item.product_name}, {text}", _way(item), ahead=True)


def _way(item: OrderItem) -> str:
    return "mail" if item.product.is_virtual else "truck"
