"""The history of orders, which the order page, letters and invariants read."""

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from loyalty_portal.feed.triggers import noted
from redemption.states import LineStatus, OrderStatus, TransactionStatus

# A process of the version before records the return of all units at once, with their points.
RETURNED_AS_A_WHOLE = """
    NEW.quantity_returned := NEW.quantity_delivered;
    NEW.quantity_credited := LEAST(NEW.quantity_delivered, NEW.quantity_refunded);
    RETURN NEW;
"""


class EventSubject(models.TextChoices):
    """What an event is about. A NOTE or a TOLD changes no status; the company reads only what is
    TOLD to it. A TOLD with a status is what the partner was asked to make of the line.
    """

    ORDER = "ORDER", _("Order")
    LINE = "LINE", _("Line")
    TRANSACTION = "TRANSACTION", _("Points")
    NOTE = "NOTE", _("Note")
    TOLD = "TOLD", _("Told to the company")


# The steps that companies' own systems are told (redemption/webhooks_out/happenings.py).
_TOLD_OUTSIDE = (
    pgtrigger.Q(
        new__subject=EventSubject.ORDER,
        new__to_status__in=[
            OrderStatus.AWAITING_APPROVAL,
            OrderStatus.PENDING,
            OrderStatus.CONFIRMED,
            OrderStatus.DECLINED,
            OrderStatus.REJECTED,
            OrderStatus.EXPIRED,
            OrderStatus.COMPLETED,
            OrderStatus.CANCELLED,
        ],
    )
    | pgtrigger.Q(
        new__subject=EventSubject.LINE,
        new__to_status__in=[LineStatus.SHIPPED, LineStatus.DELIVERED, LineStatus.FAILED],
    )
    | pgtrigger.Q(
        new__subject=EventSubject.TRANSACTION,
        new__to_status__in=[
            TransactionStatus.SUCCEEDED,
            TransactionStatus.REFUSED,
            TransactionStatus.NEEDS_REVIEW,
        ],
    )
)


class OrderEvent(models.Model):
    """One step in an order's history: what, who, when and why. Events are never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey("redemption.RedemptionOrder", models.PROTECT, related_name="events")
    # These need no indexes: events are always found by their order.
    item = models.ForeignKey(
        "redemption.OrderItem", models.PROTECT, null=True, related_name="events", db_index=False
    )
    transaction = models.ForeignKey(
        "redemption.LoyaltyTransaction", models.PROTECT, null=True, related_name="events"
    )
    subject = models.CharField(max_length=12, choices=EventSubject.choices)
    from_status = models.CharField(max_length=20, blank=True)
    to_status = models.CharField(max_length=20, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_index=False
    )
    reason = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["at", "id"]
        indexes = [
            BrinIndex(
                fields=["at"], pages_per_range=16, autosummarize=True, name="order_event_times"
            )
        ]
        triggers = [
            *append_only(),
            noted(
                "order events",
                company="(SELECT company_id FROM redemption_order WHERE id = NEW.order_id)",
                operation=pgtrigger.Insert,
                condition=_TOLD_OUTSIDE,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.from_status} → {self.to_status}"
