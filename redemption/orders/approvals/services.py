"""Decides on several orders and files of orders at once: each by itself, each outcome told."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.trouble import retried
from loyalty_portal.queue.pause import is_paused
from redemption.checkout.approvals import deciding
from redemption.checkout.bulk import approving
from redemption.models import Bulk
from redemption.permissions import Right, right_to_decide, seen_by
from redemption.saga.steps import RedemptionError

MOST_TOLD = 10  # refusals that are told one by one


@dataclass(slots=True)
class DecidedTogether:
    """What became of them: the names of those that were decided, and a sentence for each other."""

    rejects: bool
    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def told(self) -> str:
        """What was decided, in a sentence; "" for nothing."""
        if not self.done:
            return ""
        names = {"names": ", ".join(self.done)}
        if self.rejects:
            return _("Not approved: %(names)s. No points were taken.") % names
        if is_paused():
            return _("Approved: %(names)s.") % names
        return _("Approved: %(names)s. The points are being taken now.") % names

    def problems(self) -> Iterator[str]:
        """The refusals, and how many more there are."""
        yield from self.refused[:MOST_TOLD]
        if (more := len(self.refused) - MOST_TOLD) > 0:
            told = ngettext(
                "And %(n)s more was not changed.", "And %(n)s more were not changed.", more
            )
            yield told % {"n": grouped(more)}


# What is entered around the work on one order, to queue what becomes due.
Around = Callable[[UUID], AbstractContextManager[None]]


def decide(
    *, chosen: Iterable[str], rejects: bool, reason: str, by: Actor, around: Around
) -> DecidedTogether:
    """Approve or reject each of these: `order:NUMBER` or `bulk:KEY`. What is not of the company is
    told as unknown.
    """
    outcome = DecidedTogether(rejects)
    for each in dict.fromkeys(chosen):
        kind, _colon, key = each.partition(":")
        if kind == "order":
            named, act = _of_order(key, rejects, reason, by, around)
        else:
            named, act = _of_bulk(key, rejects, reason, by)
        try:
            retried(act)
        except RedemptionError as why:
            outcome.refused.append(f"{named}: {why}")
        else:
            outcome.done.append(named)
    return outcome


def _unknown() -> None:
    raise RedemptionError(_("There is no such order in your company."))


def _of_order(
    number: str, rejects: bool, reason: str, by: Actor, around: Around
) -> tuple[str, Callable[[], object]]:
    orders = seen_by(by).select_related("company", "account_manager__user")
    order = orders.filter(order_number=number.upper()).first()
    if order is None:
        return number[:20], _unknown

    def act() -> None:
        with around(order.pk):
            if rejects:
                deciding.reject(order=order, by=by, reason=reason)
            else:
                deciding.approve(order=order, by=by)

    return order.order_number, act


def _of_bulk(key: str, rejects: bool, reason: str, by: Actor) -> tuple[str, Callable[[], object]]:
    try:
        rows = Bulk.objects.filter(pk=UUID(key)).defer("file")
    except ValueError:
        return key[:20], _unknown
    bulk = rows.select_related("seat__user", "seat__company").first()
    if bulk is None or right_to_decide(by, bulk) == Right(False):
        return key[:20], _unknown  # who gave it is told that nobody approves their own
    name = bulk.name or _("Without a name")
    if rejects:
        return name, lambda: approving.reject(bulk=bulk, by=by, reason=reason)
    return name, lambda: approving.approve(bulk=bulk, by=by)
