"""What an order is, and where it stands, each in one sentence made from its lines and events."""

from collections import Counter
from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.selectors import told_as
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.some import some_of
from loyalty_portal.data.texts.times import exact
from redemption.models import EventSubject, OrderItem
from redemption.models.badges import LineCounts
from redemption.orders.facts import EventTold, Facts
from redemption.orders.steps.arriving import arrival_of
from redemption.states import UNCLEAR, LineStatus, OrderStatus, WaitsFor

_CANCELLED = frozenset({OrderStatus.CANCELLED, OrderStatus.CANCELLING})
_L = LineStatus
MOST_NAMED = 2  # products, and people, in a title


def title_of(items: Sequence[OrderItem]) -> str:
    """What the order is and for whom: “Mug for Ada Byron”, “Gift card for 40 people”. Whoever
    is not known yet is not named.
    """
    what = some_of((item.product_name for item in items), most=MOST_NAMED)
    if len(items) == 1 and items[0].quantity > 1:
        what = f"{grouped(items[0].quantity)} × {what}"
    people = {(item.recipient_name, item.recipient_email) for item in items if item.recipient_name}
    names = list(dict.fromkeys(item.recipient_name for item in items if item.recipient_name))
    if not people:
        return what
    if len(people) > MOST_NAMED:
        told = ngettext("%(what)s for %(n)s person", "%(what)s for %(n)s people", len(people))
        return told % {"what": what, "n": grouped(len(people))}
    return _("%(what)s for %(who)s") % {"what": what, "who": some_of(names)}


def standing_of(facts: Facts) -> str:
    """One sentence about the order: what is with its recipients, on its way, waiting, or ended."""
    order = facts.order
    if order.status == OrderStatus.AWAITING_APPROVAL:
        until = exact(order.approve_by, zone=order.company.time_zone) if order.approve_by else ""
        return _("Held until %(when)s, waiting for approval.") % {"when": until}
    if order.status == OrderStatus.PENDING:
        return _pending(facts)
    if order.status == OrderStatus.REJECTED:
        return _not_approved(facts)
    if order.status in _CANCELLED:
        return _without_delivery(facts)
    if order.status in {OrderStatus.DECLINED, OrderStatus.EXPIRED}:
        return _("It did not begin, and nothing is sent.")
    told = _under_way(facts)
    return f"{told[:1].upper()}{told[1:]}."


def _under_way(facts: Facts) -> str:
    """That all of it was sent and when it arrives, or how many of its lines are where."""
    kinds = [_kind(facts, item) for item in facts.items]
    sent = [item for item, kind in zip(facts.items, kinds, strict=True) if kind == "sent"]
    when = arrival_of(facts, sent) if sent else ""
    if when and len(sent) == len(kinds):
        return _("Sent, arrives %(when)s") % {"when": when}
    return ", ".join(_parts(Counter(kinds), when))


def _pending(facts: Facts) -> str:
    if any(each.is_debit and each.status in UNCLEAR for each in facts.transactions):
        return _("It goes on by itself once it is clear whether its points were taken.")
    return _("The points are being taken; then it goes on by itself.")


def _not_approved(facts: Facts) -> str:
    """Who withdrew it or did not approve it. Its lines never began, so nothing is cancelled."""
    by_people = (event for event in facts.events if event.to_status == OrderStatus.REJECTED)
    event = next((event for event in by_people if event.by), None)
    if event is None:
        return _("It did not begin, and nothing is sent.")
    if facts.order.was_placed_by(event.by_id):
        return _("Withdrawn by %(who)s, %(when)s.") % _who_and_when(facts, event)
    return _("Not approved by %(who)s, %(when)s.") % _who_and_when(facts, event)


def _without_delivery(facts: Facts) -> str:
    """Why nothing of it was delivered, by the same counts as the order's badge."""
    counts = LineCounts.of(facts.items)
    if counts.arrived:  # two people found so later
        return _("It was delivered after all.")
    if counts.failed:
        all_of_it = counts.failed == counts.lines
        some = _("Nothing of it was delivered.")
        return _("Nothing of it could be supplied.") if all_of_it else some
    return _cancelled(facts)


def _cancelled(facts: Facts) -> str:
    """Who cancelled it. The lines tell it where the order ended because all of them did."""
    by_people = (
        event
        for event in facts.events
        if event.by is not None
        and (
            (event.subject == EventSubject.ORDER and event.to_status in _CANCELLED)
            or (event.subject == EventSubject.LINE and event.to_status == _L.CANCELLED)
        )
    )
    event = next(by_people, None)
    if event is None:
        return _("Cancelled: nothing of it was delivered.")
    return _("Cancelled by %(who)s, %(when)s.") % _who_and_when(facts, event)


def _who_and_when(facts: Facts, event: EventTold) -> dict[str, str]:
    return {
        "who": told_as(event.by, facts.order.company_id),
        "when": exact(event.at, zone=facts.order.company.time_zone),
    }


def _parts(lines: Counter[str], when: str) -> Iterator[str]:
    """How many lines are of each kind. `when` those that were sent arrive."""
    if lines["delivered"]:
        every = lines.total()
        told = ngettext("%(n)s of %(all)s delivered", "%(n)s of %(all)s delivered", every)
        yield told % {"n": grouped(lines["delivered"]), "all": grouped(every)}
    for kind, told in (
        ("sent", ngettext("%(n)s on its way", "%(n)s on their way", lines["sent"])),
        ("unclear", ngettext("%(n)s not clear yet", "%(n)s not clear yet", lines["unclear"])),
        ("at work", ngettext("%(n)s being prepared", "%(n)s being prepared", lines["at work"])),
        ("dated", ngettext("%(n)s to be sent later", "%(n)s to be sent later", lines["dated"])),
        (
            "asked",
            ngettext(
                "%(n)s waiting for an answer of its recipient",
                "%(n)s waiting for an answer of their recipients",
                lines["asked"],
            ),
        ),
        ("back", ngettext("%(n)s returned", "%(n)s returned", lines["back"])),
        (
            "ended",
            ngettext(
                "%(n)s not sent, its points go back",
                "%(n)s not sent, their points go back",
                lines["ended"],
            ),
        ),
    ):
        if not lines[kind]:
            continue
        words = told % {"n": grouped(lines[kind])}
        if kind == "sent" and when:
            words = _("%(what)s (there %(when)s)") % {"what": words, "when": when}
        yield words


def _kind(facts: Facts, item: OrderItem) -> str:
    """What a line counts as. One that came in part is delivered; its units are told at it."""
    if facts.delivery(item).is_unclear:
        return "unclear"
    if item.is_waiting:
        return "dated" if item.waits_for == WaitsFor.DATE else "asked"
    if item.fulfillment_status == _L.DELIVERED:
        return "delivered"
    if item.fulfillment_status == _L.SHIPPED:
        return "sent"
    if item.fulfillment_status == _L.RETURNED:
        return "back"
    return "ended" if item.is_settled else "at work"
