"""What the partner was asked to stop in an order's timeline, and what came of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

from accounts.selectors import told_as
from fulfillment.models import CallKind
from fulfillment.states import CallStatus
from redemption.models import EventSubject, OrderItem
from redemption.orders.facts import Facts
from redemption.orders.steps.lines_told import counted
from redemption.orders.steps.step import TimelineStep
from redemption.states import LineStatus

_CAME_OF_IT: dict[str, Any] = {
    LineStatus.DELIVERED: ngettext_lazy(
        "Too late: %(what)s was delivered, and its points stay taken.",
        "Too late: %(what)s were delivered, and their points stay taken.",
        "lines",
    ),
    LineStatus.CANCELLED: ngettext_lazy(
        "Our partner stopped %(what)s, and its points go back.",
        "Our partner stopped %(what)s, and their points go back.",
        "lines",
    ),
    LineStatus.FAILED: ngettext_lazy(
        "%(what)s could not be supplied, and its points go back.",
        "%(what)s could not be supplied, and their points go back.",
        "lines",
    ),
    CallStatus.REFUSED: ngettext_lazy(
        "Too late: our partner delivers %(what)s already, and its points stay taken.",
        "Too late: our partner delivers %(what)s already, and their points stay taken.",
        "lines",
    ),
    "": ngettext_lazy(
        "Our partner is asked to stop %(what)s. If it is not too late, its points come back.",
        "Our partner is asked to stop %(what)s. If it is not too late, their points come back.",
        "lines",
    ),
}


def stopped(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of people who asked to stop what the partner had already; what they asked with one
    press is one step.
    """
    items = {item.pk: item for item in facts.items}
    asked: dict[tuple[datetime, Any], list[OrderItem]] = {}
    for event in facts.events:
        if event.subject == EventSubject.TOLD and event.to_status and event.item_id:
            press = event.at.replace(microsecond=0), event.by
            asked.setdefault(press, []).append(items[event.item_id])
    for (at, by), lines in asked.items():
        title = _("%(who)s asked to stop %(what)s") % {
            "who": told_as(by, facts.order.company_id),
            "what": counted(facts, lines),
        }
        yield TimelineStep(title, " ".join(_came_of_it(facts, lines)), "ban", "warn", at)


def _came_of_it(facts: Facts, lines: list[OrderItem]) -> Iterator[str]:
    alike: dict[str, list[OrderItem]] = {}
    for item in lines:
        alike.setdefault(_outcome(facts, item), []).append(item)
    for outcome, those in alike.items():
        yield _CAME_OF_IT[outcome] % {"what": counted(facts, those), "lines": len(those)}


def _outcome(facts: Facts, item: OrderItem) -> str:
    if item.fulfillment_status in _CAME_OF_IT:
        return item.fulfillment_status
    refused = any(
        call.kind == CallKind.CANCEL and call.status == CallStatus.REFUSED
        for call in facts.delivery(item).calls
    )
    return CallStatus.REFUSED if refused else ""
