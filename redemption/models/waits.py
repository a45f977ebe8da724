"""The queue of lines that wait."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from redemption.models.orders import OrderItem


class LineWait(LeasedWork):
    """The wait of one line. It becomes due at the moment that the line's `waits_until` gives; no
    action of a person makes it due sooner.
    """

    item = models.OneToOneField(OrderItem, models.PROTECT, primary_key=True, related_name="wait")
    ended_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the line was passed on, or ended.")
    )

    objects = LeasedQuerySet["LineWait"].as_manager()

    class Meta:
        verbose_name = _("wait of a line")
        verbose_name_plural = _("waits of lines")
        indexes = [due_index("line_wait_due")]

    def __str__(self) -> str:
        return str(self.pk)
