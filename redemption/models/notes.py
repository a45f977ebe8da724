"""Notes of staff about orders."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from redemption.models.orders import RedemptionOrder

LONGEST_NOTE = 2000  # characters


class OrderNote(models.Model):
    """What a member of staff wrote about an order, for other staff. The company never sees it, and
    it is never changed.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(RedemptionOrder, models.PROTECT, related_name="staff_notes")
    text = models.TextField(_("note"), max_length=LONGEST_NOTE)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    at = models.DateTimeField(_("written"), auto_now_add=True)

    personal_columns = ("text",)

    class Meta:
        verbose_name = _("note about an order")
        verbose_name_plural = _("notes about orders")
        default_permissions = ("add", "view")
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="order_note_not_empty"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("text"), LONGEST_NOTE),
                name="order_note_not_too_long",
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.by} {self.at:%Y-%m-%d %H:%M}"
