"""What came back from the recipients of lines."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from fulfillment.states import ReturnedTo
from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from redemption.models.orders import OrderItem


class LineUnits(OrderItem):
    """An order line on the page of staff about its units."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        verbose_name = _("units of a line")
        verbose_name_plural = _("returns and credits")


class LineReturn(models.Model):
    """Units of a line that came back at once, as the desk recorded it. It is due until people
    decided about the points: `decided_at` is empty. `credited` are the units whose points they gave
    back, which may be fewer or none.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    item = models.ForeignKey(OrderItem, models.PROTECT, related_name="returns")
    units = models.PositiveIntegerField(_("units"))
    to = models.CharField(_("where they went"), max_length=12, choices=ReturnedTo.choices)
    reason = models.CharField(_("reason"), max_length=255)
    # Needs no index: nobody looks for the returns that one person recorded.
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    recorded_at = models.DateTimeField(_("came back"), auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    credited = models.PositiveIntegerField(_("units credited"), null=True, blank=True)

    why: str | None  # the reason for the decision; only where a query annotates this

    class Meta:
        verbose_name = _("return")
        verbose_name_plural = _("returns")
        ordering = ["recorded_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(to__in=ReturnedTo.values, units__gt=0), name="return_of_units"
            ),
            models.CheckConstraint(
                condition=Q(decided_at__isnull=True, credited__isnull=True)
                | Q(decided_at__isnull=False, credited__lte=F("units")),
                name="return_decided_about_its_units",
            ),
        ]
        indexes = [
            models.Index(
                fields=["recorded_at"], name="return_due", condition=Q(decided_at__isnull=True)
            )
        ]
        triggers = append_only(once=~pgtrigger.Q(old__decided_at__isnull=True))

    def __str__(self) -> str:
        return f"{self.units} × {self.item_id}"
