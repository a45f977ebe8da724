"""The queue of lines that wait, and how long they do, in words."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from loyalty_portal.data.texts.times import exact
from redemption.models.orders import OrderItem
from redemption.states import OrderStatus, WaitsFor


class LineWait(LeasedWork):
    """The wait of one line. It becomes due at the moment that the line's `waits_until` gives; no
    action of a person makes it due sooner.
    """

    item = models.OneToOneField(OrderItem, models.PROTECT, primary_key=True, related_name="wait")
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text=gettext_lazy("When the line was passed on, or ended.")
    )

    objects = LeasedQuerySet["LineWait"].as_manager()

    class Meta:
        verbose_name = gettext_lazy("wait of a line")
        verbose_name_plural = gettext_lazy("waits of lines")
        indexes = [due_index("line_wait_due")]

    def __str__(self) -> str:
        return str(self.pk)


def wait_told(item: OrderItem, zone: str, *, named: bool = True) -> str:
    """How long a line waits, in a sentence; "" when it does not. `zone`: the company's. `named`:
    whether it says for whose answer.
    """
    if not item.is_waiting:
        return ""
    if is_past_its_date(item):
        if item.order.status == OrderStatus.AWAITING_APPROVAL:
            return _("Its date has passed: it is sent as soon as the order is approved.")
        return _("Its date has come: it is sent now.")
    until = exact(item.waits_until, zone=zone) if item.waits_until else ""
    if item.waits_for == WaitsFor.DATE:
        return _("Will be sent on %(when)s.") % {"when": until}
    return _answer_told(item, until, named=named)


def is_past_its_date(item: OrderItem) -> bool:
    """Whether the time has come at which a line was to be sent."""
    chosen = item.waits_until if item.waits_for == WaitsFor.DATE else None
    return chosen is not None and chosen <= timezone.now()


def _answer_told(item: OrderItem, until: str, *, named: bool) -> str:
    if not until:
        return _("Its recipient is asked once the points are taken.")
    if named and item.recipient_name:
        told = _("Waits until %(when)s for %(who)s to answer.")
        return told % {"when": until, "who": item.recipient_name}
    return _("Waits for the recipient’s answer until %(when)s.") % {"when": until}
