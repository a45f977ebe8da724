"""The lines in an order's timeline: what happened to each, or to many of them together."""

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.selectors import told_as
from fulfillment.models import CodeReveal
from loyalty_portal.data.texts.kept import retold
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.some import some_of
from redemption.models import (
    Decision,
    EventSubject,
    LetterKind,
    LineReturn,
    LoyaltyTransaction,
    OrderItem,
)
from redemption.models.badges import FOR_A_PERSON, NEVER_BEGUN
from redemption.orders.facts import EventTold, Facts
from redemption.orders.steps.step import TimelineStep, sentence
from redemption.states import LineStatus, OrderStatus, TransactionStatus, Verdict

_LOST: dict[str, tuple[Any, str, str]] = {
    LineStatus.FAILED: (gettext_lazy("%(what)s could not be supplied"), "package-x", "bad"),
    LineStatus.RETURNED: (gettext_lazy("%(what)s came back"), "undo-2", "warn"),
    LineStatus.CANCELLED: (gettext_lazy("%(what)s cancelled"), "ban", ""),
}


_ON_ITS_WAY: dict[str, tuple[Any, Any, str, str]] = {
    LineStatus.QUEUED: (
        gettext_lazy("Being prepared"),
        gettext_lazy("Our desk packs %(what)s by hand."),
        "package",
        "",
    ),
    LineStatus.REQUESTED: (
        gettext_lazy("Ordered from our partner"),
        gettext_lazy("%(what)s: the codes go to %(email)s, usually within minutes."),
        "send",
        "",
    ),
    LineStatus.PACKED: (gettext_lazy("Packed"), "%(what)s.", "package-check", ""),
    LineStatus.DELIVERED: (gettext_lazy("Delivered by e-mail"), "", "mail", "ok"),
}
_MANY: dict[str, Any] = {
    LineStatus.QUEUED: gettext_lazy("%(n)s of %(all)s lines being prepared"),
    LineStatus.REQUESTED: gettext_lazy("%(n)s of %(all)s lines ordered from our partner"),
    LineStatus.PACKED: gettext_lazy("%(n)s of %(all)s lines packed"),
    LineStatus.DELIVERED: gettext_lazy("%(n)s of %(all)s lines delivered by e-mail"),
}
_UNCLEAR = gettext_lazy("%(what)s: our partner has not said yet what became of it.")
_CODES_HERE = gettext_lazy("%(what)s: the codes went to %(email)s, and can be shown here.")
_CODES_SENT = gettext_lazy("%(what)s: our partner sent the codes to %(email)s itself.")


def moves(
    facts: Facts, subject: EventSubject, *, from_status: str | None = None
) -> Iterator[EventTold]:
    """The events that changed a status; those of creation are left out."""
    for event in facts.events:
        moved = event.subject == subject and event.from_status
        if moved and (from_status is None or event.from_status == from_status):
            yield event


def work(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of the lines. What happened to several lines at the same moment is one step; of an
    order of many lines, what happened to them for the same reason at any time.
    """
    if facts.order.status in NEVER_BEGUN:
        return
    items = {item.pk: item for item in facts.items}
    returned = {each.item_id for each in facts.returns}
    never_asked = {line for line, each in facts.deliveries.items() if each.was_withdrawn}
    together: dict[tuple[Any, ...], list[EventTold]] = {}
    for event in moves(facts, EventSubject.LINE):
        if event.item_id is None or _is_a_parcels(event, items[event.item_id]):
            continue
        if event.to_status == LineStatus.RETURNED and event.item_id in returned:
            continue  # told by its returns
        asked = event.to_status == LineStatus.REQUESTED
        if asked and event.item_id in never_asked:
            continue
        moment = None if facts.many else event.at.replace(microsecond=0)
        came = event.to_status == LineStatus.DELIVERED
        shown = came and facts.delivery(items[event.item_id]).has_codes
        unclear = asked and facts.delivery(items[event.item_id]).is_unclear
        alike = (event.to_status, event.reason, moment, shown, unclear)
        together.setdefault(alike, []).append(event)
    for (status, _reason, _moment, shown, unclear), events in together.items():
        touched = [items[event.item_id] for event in events if event.item_id]
        if status in _LOST:
            step = _lost(facts, status, touched, events[0])
        else:
            step = _line_step(facts, status, touched, shown=shown, unclear=unclear)
        yield step._replace(at=events[-1 if facts.many else 0].at)


def _is_a_parcels(event: EventTold, item: OrderItem) -> bool:
    """Whether the event has a step of its own with the parcel, which may hold a part of the
    line.
    """
    partly = event.to_status == LineStatus.QUEUED and event.from_status != LineStatus.WAITING
    arrived = event.to_status == LineStatus.DELIVERED and not item.product.is_virtual
    return partly or arrived or event.to_status == LineStatus.SHIPPED


def came_back(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of what came back; of an order of many lines, what is alike together."""
    items = {item.pk: item for item in facts.items}
    together: dict[Any, list[LineReturn]] = {}
    for each in facts.returns:
        alike = (each.reason, _points_of(each)) if facts.many else each.pk
        together.setdefault(alike, []).append(each)
    for those in together.values():
        what = some_of(_of_line(items[each.item_id], each.units) for each in those)
        text = f"{sentence(those[0].reason)} {_points_of(those[0])}".strip()
        title = _("%(what)s came back") % {"what": what}
        yield TimelineStep(title, text, "undo-2", "warn", those[-1].recorded_at)


def _points_of(returned: LineReturn) -> str:
    """A sentence about the points of what came back at once."""
    if returned.credited is None:
        return _("The programme decides about the points.")
    if not returned.credited:
        return _("No points are given back: %(why)s") % {"why": sentence(returned.why or "")}
    told = ngettext(
        "The points of %(n)s piece are given back.",
        "The points of %(n)s pieces are given back.",
        returned.credited,
    )
    return told % {"n": grouped(returned.credited)}


def _line_step(
    facts: Facts, status: str, touched: list[OrderItem], *, shown: bool, unclear: bool
) -> TimelineStep:
    """The step for lines that go on. `shown`: the codes of these are here. `unclear`: the partner
    owes an answer about them.
    """
    what, to = names_of(touched), some_of(item.recipient_email for item in touched)
    title, told, icon, tone = _ON_ITS_WAY[status]
    if facts.many:
        alike = [item for item in facts.items if item.product.is_virtual == _at_partner(status)]
        title = _MANY[status] % {"n": len(touched), "all": len(alike)}
    if unclear:
        told = _UNCLEAR
    if status == LineStatus.DELIVERED:
        what = some_of(_came(item) for item in touched)
        told = _CODES_HERE if shown else _CODES_SENT
    return TimelineStep(str(title), str(told) % {"what": what, "email": to}, icon, tone)


def _at_partner(status: str) -> bool:
    return status in {LineStatus.REQUESTED, LineStatus.DELIVERED}


def put_right(facts: Facts) -> Iterator[TimelineStep]:
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


def asked(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of recipients who were asked where to send something."""
    sent = [(ask, ask.sent_at) for ask in facts.asks.values() if ask.sent_at]
    if facts.many and sent:
        told = ngettext("%(n)s recipient is asked", "%(n)s recipients are asked", len(sent))
        title, at = told % {"n": grouped(len(sent))}, max(moment for _ask, moment in sent)
        text = some_of(ask.name for ask, _moment in sent)
        yield TimelineStep(title, sentence(text), "mail", at=at)
        return
    for ask, moment in sent:
        title = _("%(who)s is asked") % {"who": ask.name}
        text = _("A letter with a link went to %(email)s.") % {"email": ask.email}
        yield TimelineStep(title, text, "mail", at=moment)


def sent_again(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of codes that somebody had sent again. The letters about it say what was done."""
    items = {item.pk: item for item in facts.items}
    for letter in facts.letters:
        if letter.kind != LetterKind.RESENT or letter.again_of_id or letter.item_id is None:
            continue
        said = letter.facts
        words = {"what": items[letter.item_id].product_name, "to": said["to"], "who": said["who"]}
        if said.get("outcome"):
            title = _("The codes could not be sent again")
            text = _("%(what)s: our partner could not send them to %(to)s once more.")
        elif said["by_partner"]:
            title = _("Codes sent again")
            text = _("%(what)s: our partner was asked to send them to %(to)s, by %(who)s.")
        else:
            title = _("Codes to be passed on")
            text = _(
                "%(what)s: they can be shown here, and are meant for %(to)s. Asked by %(who)s."
            )
        tone = "warn" if said.get("outcome") else ""
        yield TimelineStep(title, text % words, "mail", tone, letter.created_at)


def _left_with_them(item: OrderItem, decision: Decision) -> TimelineStep:
    """The step for points that stay refunded although the line was delivered (a write-off)."""
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


def _lost(facts: Facts, status: str, touched: list[OrderItem], event: EventTold) -> TimelineStep:
    title, icon, tone = _LOST[status]
    by = event.by or _who_asked(facts)
    if status == LineStatus.CANCELLED and by:
        title = _("%(what)s cancelled by %(who)s")
    words = {"what": counted(facts, touched), "who": told_as(by, facts.order.company_id)}
    said_already = {_("Cancelled"), _("Cancelled by %(who)s") % words}
    reason = "" if retold(event.reason) in said_already else event.reason
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
    if any(took_again(intent) and intent.item_id in lines for intent in facts.transactions):
        return ""
    found = {
        intent.status
        for intent in facts.transactions
        if not intent.is_debit and intent.item_id in lines
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


def took_again(intent: LoyaltyTransaction) -> bool:
    return intent.is_correction and intent.status == TransactionStatus.SUCCEEDED


def words(facts: Facts) -> Iterator[TimelineStep]:
    """Timeline steps for notes from the desk to the company."""
    for event in facts.events:
        if event.subject == EventSubject.TOLD and not event.to_status:
            title = _("The fulfillment desk")
            yield TimelineStep(title, sentence(event.reason), "info", at=event.at)


def reveals(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of people who looked at codes: each time, or all times of one person together."""
    seen = [(item, reveal) for item in facts.items for reveal in facts.delivery(item).reveals]
    together: dict[Any, list[tuple[OrderItem, CodeReveal]]] = {}
    for item, reveal in seen:
        together.setdefault(reveal.by_id if facts.many else reveal.pk, []).append((item, reveal))
    for those in together.values():
        last = max((reveal for _item, reveal in those), key=attrgetter("at"))
        title = _("%(who)s looked at the codes") % {"who": last.by or _("Somebody")}
        what = counted(facts, [item for item, _reveal in those])
        yield TimelineStep(title, sentence(what), "eye", at=last.at)


def names_of(items: Iterable[OrderItem]) -> str:
    """The names of the first products, with the number of the others."""
    return some_of(item.product_name for item in items)


def counted(facts: Facts, items: list[OrderItem]) -> str:
    """The names of the products, with the number of lines where these do not tell it: of an order
    of many lines, or of several of one product.
    """
    if not facts.many and len({item.product_name for item in items}) == len(items):
        return names_of(items)
    lines = len({item.pk for item in items})
    told = ngettext("%(n)s line (%(names)s)", "%(n)s lines (%(names)s)", lines)
    return told % {"n": grouped(lines), "names": names_of(items)}


def _came(item: OrderItem) -> str:
    """The name of the product, with the number delivered where that is not all."""
    return _of_line(item, item.quantity_delivered)


def _of_line(item: OrderItem, units: int) -> str:
    if units == item.quantity:
        return item.product_name
    part = {"came": units, "all": item.quantity, "product": item.product_name}
    return _("%(came)s of %(all)s × %(product)s") % part
