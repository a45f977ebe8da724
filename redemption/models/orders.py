"""Orders and their lines."""

from typing import Any
from uuid import UUID

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager, Company
from catalog.models import Product
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import order_number, uuid7
from loyalty_portal.data.lifecycle import HasLifeCycle
from loyalty_portal.data.recipient import Recipient
from loyalty_portal.metrics.figures import (
    ORDER_SECONDS,
    ORDERS,
    count_when_true,
    took_when_true,
)
from redemption.models.history import RETURNED_AS_A_WHOLE, EventSubject, OrderEvent
from redemption.states import (
    LINE,
    OPEN_ORDER,
    ORDER,
    SETTLED_LINE,
    LineStatus,
    OrderStatus,
    WaitsFor,
)

# Also for a process of the version before, which does not know that lines wait.
_NOT_BEFORE_ITS_TIME = """
    IF NEW.waits_until > clock_timestamp() THEN
        RAISE EXCEPTION 'Line % waits until %', NEW.id, NEW.waits_until;
    END IF;
    RETURN NEW;
"""


def signed(message: str, seat: AccountManager) -> str:
    """A buyer's message as its recipient gets it, with who sends it; "" for no message."""
    return f"{message}\n— {seat.signature}"[:1000] if message else ""


class OrderQuerySet(models.QuerySet["RedemptionOrder"]):
    """Query methods for orders. Whoever changes what an order's page shows moves its pulse, in
    the transaction of the change (docs/decisions/0038-the-pulse-of-an-order.md); for a letter that
    was sent, after it.
    """

    def beat(self, **changes: Any) -> int:
        """Move the pulse of these orders, which locks them, and write `changes`."""
        return self.update(**MOVED, **changes)

    def held(self) -> list["RedemptionOrder"]:
        """These orders, locked in the order of their keys, and with their pulse moved."""
        rows = list(self.select_for_update(no_key=True, of=("self",)).order_by("pk"))
        RedemptionOrder.objects.filter(pk__in=[row.pk for row in rows]).beat()
        return rows


# What to write to an order together with any change that its page shows.
MOVED = {"pulse": F("pulse") + 1}


@tracked(leave_out=["pulse"], told_by_events=True)
class RedemptionOrder(HasLifeCycle):
    """An order: what was redeemed, by whom, for how many points."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order_number = models.CharField(_("order"), max_length=50, unique=True, default=order_number)
    # These two need no index: order_by_company and order_by_seat are used.
    company = models.ForeignKey(Company, models.PROTECT, related_name="orders", db_index=False)
    account_manager = models.ForeignKey(
        AccountManager, models.PROTECT, related_name="orders", db_index=False
    )
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("placed by staff"),
        help_text=_("Who of the staff placed it for the seat. Empty: the seat itself did."),
    )
    total_points = models.PositiveIntegerField(_("points"))
    status = models.CharField(_("status"), max_length=50, choices=OrderStatus.choices)
    token = models.UUIDField(
        unique=True,
        editable=False,
        help_text=_("Identifies the form, so that one form places one order."),
    )
    reference = models.CharField(_("your reference"), max_length=100, blank=True)
    note = models.TextField(_("note"), max_length=1000, blank=True)
    approve_by = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decision_reason = models.CharField(max_length=255, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    needs_attention = models.BooleanField(_("needs attention"), default=False)
    attention_reason = models.CharField(_("reason"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("placed"), auto_now_add=True)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)
    pulse = models.PositiveBigIntegerField(
        default=0, db_default=0, editable=False, help_text=_("Grows with what its page shows.")
    )

    objects = OrderQuerySet.as_manager()
    life_cycle = ORDER

    class Meta:
        db_table = "redemption_order"
        verbose_name = _("redemption order")
        verbose_name_plural = _("redemption orders")
        permissions = [
            ("retry_order", "Can have an order's open calls tried now"),
            ("cancel_order", "Can cancel an order for its company"),
            ("order_for_company", "Can place an order for a seat that asked for it"),
        ]
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(total_points__gt=0), name="order_costs_points"),
            models.CheckConstraint(
                condition=Q(status__in=OrderStatus.values), name="order_status_known"
            ),
            # Who withdraws it may be who placed it: then it is REJECTED.
            models.CheckConstraint(
                condition=Q(placed_by=None)
                | Q(decided_by=None)
                | Q(status=OrderStatus.REJECTED)
                | ~Q(placed_by=F("decided_by")),
                name="order_approved_by_another",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="order_by_age"),
            models.Index(fields=["company", "-created_at"], name="order_by_company"),
            models.Index(fields=["account_manager", "-created_at"], name="order_by_seat"),
            models.Index(
                fields=["approve_by"],
                name="order_approvals",
                condition=Q(status="AWAITING_APPROVAL"),
            ),
            models.Index(
                fields=["company", "-approve_by"],
                name="order_decided",
                condition=Q(approve_by__isnull=False),
            ),
            models.Index(
                fields=["-created_at"], name="order_attention", condition=Q(needs_attention=True)
            ),
            models.Index(fields=["status"], name="order_open", condition=Q(status__in=OPEN_ORDER)),
            models.Index(
                fields=["status", "-created_at", "-id"],
                name="order_ended_without",
                condition=Q(status__in=["DECLINED", "REJECTED", "EXPIRED", "CANCELLED"]),
            ),
            models.Index(
                OpClass(Upper("reference"), "text_pattern_ops"),
                name="order_reference",
                condition=~Q(reference=""),
            ),
        ]

    def __str__(self) -> str:
        return self.order_number

    def transition(self, to: str, **more: Any) -> None:
        """As for everything with a life cycle; counts what becomes of orders."""
        super().transition(to, **more)
        if to == OrderStatus.CONFIRMED or self.is_final:
            count_when_true(ORDERS, to.lower())
        if self.is_final:
            seconds = (timezone.now() - self.created_at).total_seconds()
            took_when_true(ORDER_SECONDS, seconds, "ended")

    def get_absolute_url(self) -> str:
        return reverse("orders:detail", args=[self.order_number])

    def products(self) -> models.QuerySet[Product]:
        """The products of its lines, each once."""
        return Product.objects.filter(pk__in=self.items.values("product"))

    def was_placed_by(self, user_id: UUID | None) -> bool:
        """Whether this person placed the order, in whichever seat."""
        return self.account_manager.user_id == user_id

    def was_placed_by_key_of(self, user_id: UUID | None) -> bool:
        """Whether an API key placed it that this person made or rotated. Makes a query only for an
        order by a key.
        """
        seat = self.account_manager
        return seat.user.is_machine and any(key.created_by_id == user_id for key in seat.keys.all())

    def event(self, before: str, after: str, *, by: Actor = SYSTEM, reason: str = "") -> OrderEvent:
        return OrderEvent(
            order=self,
            subject=EventSubject.ORDER,
            from_status=before,
            to_status=after,
            by_id=by.user_id,
            reason=reason[:255],
        )


@tracked(told_by_events=True)
class OrderItem(HasLifeCycle, Recipient):
    """An order line: one product with its own recipient and fulfillment."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(RedemptionOrder, models.PROTECT, related_name="items")
    product = models.ForeignKey(Product, models.PROTECT, related_name="+")
    product_name = models.CharField(
        max_length=255, help_text=_("The product's name when it was redeemed.")
    )
    sku = models.CharField("SKU", max_length=100)
    quantity = models.PositiveIntegerField(_("quantity"))
    points_per_item = models.PositiveIntegerField(_("points each"))
    quantity_delivered = models.PositiveIntegerField(_("delivered"), default=0)
    quantity_refunded = models.PositiveIntegerField(
        _("refunded"), default=0, help_text=_("Units whose points are given back or will be.")
    )
    quantity_returned = models.PositiveIntegerField(
        _("came back"),
        default=0,
        db_default=0,
        help_text=_("Delivered units that came back. People decide about their points."),
    )
    quantity_credited = models.PositiveIntegerField(
        _("credited all the same"),
        default=0,
        db_default=0,
        help_text=_("Of the refunded units, those that were or will be supplied all the same."),
    )
    fulfillment_status = models.CharField(
        _("status"), max_length=50, choices=LineStatus.choices, default=LineStatus.WAITING
    )
    waits_for = models.CharField(
        _("waits for"),
        max_length=10,
        choices=WaitsFor.choices,
        blank=True,
        default="",
        db_default="",
        help_text=_("What it waits for, or waited for, before it is passed on. Empty: nothing."),
    )
    waits_until = models.DateTimeField(
        _("waits until"),
        null=True,
        blank=True,
        help_text=_("When it is sent, or the time for an answer ends; later, when it ended."),
    )
    message = models.CharField(
        _("message to the recipient"), max_length=500, blank=True, default="", db_default=""
    )

    life_cycle = LINE
    status_field = "fulfillment_status"

    holds_stock: bool  # whether pieces were reserved for it; only where a query annotates this

    class Meta:
        db_table = "order_item"
        verbose_name = _("order item")
        verbose_name_plural = _("order items")
        permissions = [
            ("decide_delivery", "Can propose, and for others confirm, what became of a delivery"),
            ("resend_codes", "Can have the codes of a line sent again for its company"),
            ("credit_units", "Can give points of some units back, or propose it above the limit"),
            ("decide_credit", "Can decide about points of units: returns, and what others propose"),
        ]
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="item_not_empty"),
            models.CheckConstraint(condition=Q(points_per_item__gt=0), name="item_costs_points"),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("quantity_refunded"))
                & Q(quantity__gte=F("quantity_delivered")),
                name="item_units_once",
            ),
            models.CheckConstraint(
                condition=Q(quantity_delivered__gte=F("quantity_returned"))
                & Q(quantity_refunded__gte=F("quantity_credited")),
                name="item_returned_of_delivered",
            ),
            models.CheckConstraint(
                condition=Q(
                    quantity__gte=F("quantity_delivered")
                    + F("quantity_refunded")
                    - F("quantity_credited")
                ),
                name="item_supplied_or_not",
            ),
            models.CheckConstraint(
                condition=Q(fulfillment_status__in=LineStatus.values), name="item_status_known"
            ),
            # The time for an answer begins when the recipient is asked, so it is not known before.
            models.CheckConstraint(
                condition=Q(waits_for="", waits_until=None)
                | Q(waits_for=WaitsFor.DATE, waits_until__isnull=False)
                | Q(waits_for=WaitsFor.RECIPIENT),
                name="item_wait_known",
            ),
            models.CheckConstraint(
                condition=~Q(recipient_name="")
                | Q(
                    waits_for=WaitsFor.RECIPIENT,
                    fulfillment_status__in=[LineStatus.WAITING, LineStatus.CANCELLED],
                ),
                name="item_has_recipient",
            ),
        ]
        indexes = [
            models.Index(
                OpClass(Upper("recipient_email"), "text_pattern_ops"), name="item_recipient_email"
            ),
            GinIndex(SearchVector("recipient_name", config="simple"), name="item_recipient_words"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="not_before_its_time",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(
                    old__fulfillment_status="WAITING",
                    new__fulfillment_status__in=["QUEUED", "REQUESTED"],
                ),
                func=_NOT_BEFORE_ITS_TIME,
            ),
            pgtrigger.Trigger(
                name="returned_as_a_whole",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__fulfillment_status="RETURNED", new__quantity_returned=0),
                func=RETURNED_AS_A_WHOLE,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_name}"

    @property
    def points(self) -> int:
        return self.quantity * self.points_per_item

    @property
    def quantity_failed(self) -> int:
        """Units that were cancelled or could not be supplied."""
        return self.quantity_refunded - self.quantity_credited

    @property
    def quantity_chargeable(self) -> int:
        """Units whose points were not given back."""
        return self.quantity - self.quantity_refunded

    def owed_for(self, lost: int) -> int:
        """Of `lost` more units that are not supplied, those whose points are owed. The points of
        the others were given back before.
        """
        return min(lost, self.quantity_chargeable)

    @property
    def is_waiting(self) -> bool:
        """Whether it is not passed on before a date, or before its recipient has answered."""
        return bool(self.waits_for) and self.fulfillment_status == LineStatus.WAITING

    @property
    def hides_address(self) -> bool:
        """Whether its recipient gave the address: the city is here, the parcel has the whole."""
        return self.waits_for == WaitsFor.RECIPIENT and bool(self.city) and not self.address_line1

    @property
    def is_settled(self) -> bool:
        return self.fulfillment_status in SETTLED_LINE

    def event(self, before: str, after: str, *, by: Actor = SYSTEM, reason: str = "") -> OrderEvent:
        return OrderEvent(
            order_id=self.order_id,
            item=self,
            subject=EventSubject.LINE,
            from_status=before,
            to_status=after,
            by_id=by.user_id,
            reason=reason[:255],
        )
