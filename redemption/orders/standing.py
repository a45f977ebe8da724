"""Where an order stands, in one sentence that is made from its lines and events."""

from collections import Counter
from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.selectors import told_as
from loyalty_portal.data.numbers import grouped
from loyalty_portal.data.times import exact
from redemption.models import EventSubject, OrderItem
from redemption.orders.facts import Facts
from redemption.states import LineStatus, OrderStatus, WaitsFor

_ENDED = frozenset({OrderStatus.CANCELLED, OrderStatus.CANCELLING, OrderStatus.REJECTED})
_L = LineStatus


def standing_of(facts: Facts) -> str:
    """One sentence about the order: what is with its recipients, on its way, waiting, or ended."""
    order = facts.order
    if order.status == OrderStatus.AWAITING_APPROVAL:
        until = exact(order.approve_by, zone=order.company.time_zone) if order.approve_by else ""
        return _("Held until %(when)s, waiting for approval.") % {"when": until}
    if order.status == OrderStatus.PENDING:
        return _("The points are being taken; then it goes on by itself.")
    if order.status in _ENDED:
        return _cancelled(facts)
    if order.status in {OrderStatus.DECLINED, OrderStatus.EXPIRED}:
        return _("It did not begin, and nothing is sent.")
    told = ", ".join(_parts(facts.items))
    return f"{told[:1].upper()}{told[1:]}."


def _cancelled(facts: Facts) -> str:
    """Who ended it. The lines tell it where the order ended because all of them did."""
    by_people = (
        event
        for event in facts.events
        if event.by is not None
        and (
            (event.subject == EventSubject.ORDER and event.to_status in _ENDED)
            or (event.subject == EventSubject.LINE and event.to_status == _L.CANCELLED)
        )
    )
    event = next(by_people, None)
    if event is None:
        return _("Cancelled: nothing of it was delivered.")
    who = told_as(event.by, facts.order.company_id)
    when = exact(event.at, zone=facts.order.company.time_zone)
    return _("Cancelled by %(who)s, %(when)s.") % {"who": who, "when": when}


def _parts(items: list[OrderItem]) -> Iterator[str]:
    lines = Counter(_kind(item) for item in items)
    if lines["delivered"]:
        told = ngettext("%(n)s of %(all)s delivered", "%(n)s of %(all)s delivered", len(items))
        yield told % {"n": grouped(lines["delivered"]), "all": grouped(len(items))}
    for kind, told in (
        ("sent", ngettext("%(n)s on its way", "%(n)s on their way", lines["sent"])),
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
        if lines[kind]:
            yield told % {"n": grouped(lines[kind])}


def _kind(item: OrderItem) -> str:
    """What a line counts as. One that came in part is delivered; its units are told at it."""
    if item.is_waiting:
        return "dated" if item.waits_for == WaitsFor.DATE else "asked"
    if item.fulfillment_status == _L.DELIVERED:
        return "delivered"
    if item.fulfillment_status == _L.SHIPPED:
        return "sent"
    if item.fulfillment_status == _L.RETURNED:
        return "back"
    return "ended" if item.is_settled else "at work"
