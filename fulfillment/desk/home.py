"""What the desk adds to the admin's first page and its menu."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _

from fulfillment.desk.selectors import QueueByAge, heads, queue_by_age
from fulfillment.models import Fulfillment
from loyalty_portal.admin_site.counts import Waiting, briefly, menu_badge
from loyalty_portal.admin_site.home import (
    SHOWN,
    HomeCard,
    HomeLine,
    Part,
    WorkList,
)
from loyalty_portal.data.actor import Actor


def parcels(request: HttpRequest) -> Iterator[Part]:
    """The queue by age, and its first parcels, the oldest promise first."""
    if not request.user.has_perm("fulfillment.view_fulfillment"):
        return
    ages = briefly("ages", QueueByAge, queue_by_age)
    there = reverse("admin:fulfillment_desk")
    for title, number, says, age, icon, tone in (
        (_("Late"), ages.late, _("past their promise"), "late", "priority_high", "bad"),
        (_("Within a day"), ages.soon, _("to be sent next"), "soon", "schedule", "warn"),
        (_("Later"), ages.later, _("in good time"), "later", "event_available", "quiet"),
    ):
        yield HomeCard(_("Desk"), title, number, says, f"{there}?show={age}", icon, tone)
    yield WorkList(
        title=_("Next at the desk, oldest promise first"),
        rows=_to_be_sent().select_related("claimed_by")[:SHOWN],
        lines=lambda rows: [_line(each) for each in rows],
        empty=_("The queue is empty."),
        number=ages.late + ages.soon + ages.later,
        href=there,
    )


def _line(parcel: Fulfillment) -> HomeLine:
    who = parcel.claimed_by or _("free")
    return HomeLine(
        href=reverse("admin:fulfillment_desk_parcel", args=[parcel.pk]),
        name=parcel.label,
        more=f"{parcel.open_quantity} × {parcel.product_name} · {who}",
        end=_promised(parcel),
    )


def _promised(parcel: Fulfillment) -> str:
    """How much time is left to the promise, or for how long it is past."""
    due = parcel.promised_by
    if due < timezone.now():
        return _("%(time)s late") % {"time": timesince(due, depth=1)}
    return _("in %(time)s") % {"time": timeuntil(due, depth=1)}


def _to_be_sent() -> QuerySet[Fulfillment]:
    return heads().filter(hold_reason="")


def waiting(actor: Actor) -> Iterator[Waiting]:
    """The parcels of the queue, without those on hold."""
    if actor.has_perm("fulfillment.view_fulfillment"):
        yield Waiting("parcels", _to_be_sent())


waiting_badge = menu_badge("parcels")
