"""Fulfillments, parcels and the calls to the partner. This room does not know orders."""

from typing import Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from fulfillment.models.beside import LINE_OF_THE_VERSION_BEFORE, RETURNED_AS_A_WHOLE
from fulfillment.models.carriers import HasTracking
from fulfillment.models.progress import Progress
from fulfillment.states import CALL, FULFILLMENT, CallKind, CallStatus, FulfillmentStatus
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import ENDED, LeasedQuerySet, LeasedWork, due_index
from loyalty_portal.data.lifecycle import HasLifeCycle
from loyalty_portal.data.recipient import Recipient
from loyalty_portal.partners.calls import KeyedCall, KeyedCallQuerySet, KeyTerms


class Channel(models.TextChoices):
    """Who fulfills a line: our desk or the partner."""

    DESK = "DESK", _("The desk")
    PARTNER = "PARTNER", _("The partner")


class FulfillmentQuerySet(LeasedQuerySet["Fulfillment"]):
    """Query methods for fulfillments."""

    def held(self) -> list["Fulfillment"]:
        """These rows, in the order of their keys, locked from the last to the first.

        Workers go through the lines of an order from the first to the last, and each holds one
        while it waits for the order. Who locks all of them in the same direction waits for the
        same workers again and again; in this one, for each of them once.
        """
        return list(self.select_for_update(no_key=True, of=("self",)).order_by("-pk"))[::-1]


class Fulfillment(HasLifeCycle, LeasedWork, Recipient):
    """`quantity` units of one SKU for one recipient. Its lease is for polling the partner."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    reference = models.UUIDField(
        unique=True, editable=False, help_text=_("The order line that it fulfils.")
    )
    label = models.CharField(_("order"), max_length=50, help_text=_("The order number."))
    channel = models.CharField(max_length=10, choices=Channel.choices)
    sku = models.CharField("SKU", max_length=100)
    product_name = models.CharField(_("product"), max_length=255)
    quantity = models.PositiveIntegerField(_("quantity"))
    # As long as the partner's contract allows: the buyer's text, and who signs it.
    message = models.CharField(
        _("message to the recipient"), max_length=1000, blank=True, default="", db_default=""
    )
    quantity_shipped = models.PositiveIntegerField(_("shipped"), default=0)
    quantity_delivered = models.PositiveIntegerField(_("delivered"), default=0)
    quantity_failed = models.PositiveIntegerField(
        _("not supplied"), default=0,
        help_text=_("Units that could not be supplied or were cancelled."),
    )  # fmt: skip
    quantity_returned = models.PositiveIntegerField(
        _("came back"),
        default=0,
        db_default=0,
        help_text=_("Delivered units that the recipient sent back."),
    )
    quantity_written_off = models.PositiveIntegerField(
        _("written off"),
        default=0,
        db_default=0,
        help_text=_("Units that came back and did not go to the stock again."),
    )
    status = models.CharField(_("status"), max_length=10, choices=FulfillmentStatus.choices)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    promised_by = models.DateTimeField(_("promised by"))
    parcel_key = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("What is sent together has the same: a digest of order and recipient."),
    )
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("claimed by"),
    )
    claimed_until = models.DateTimeField(
        _("claimed until"), null=True, blank=True, help_text=_("When the claim ends by itself.")
    )
    hold_reason = models.CharField(
        _("put on hold"),
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text=_("Why it is not to be sent now. Empty: it is not on hold."),
    )
    quantity_picked = models.PositiveIntegerField(
        _("picked"),
        default=0,
        db_default=0,
        help_text=_("Open units that were fetched from the shelf."),
    )
    partner_id = models.CharField(max_length=100, blank=True)
    partner_status = models.CharField(max_length=20, blank=True)
    attention = models.CharField(_("needs attention"), max_length=255, blank=True)
    hints = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("What callbacks said, until the partner has answered our question about it."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    told_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the partner last answered a question about it.")
    )

    objects = FulfillmentQuerySet.as_manager()
    life_cycle = FULFILLMENT

    # Only where a query annotates them (virtual/services.py: locked)
    number_taken: bool
    cancel_waits: bool

    class Meta:
        verbose_name = _("fulfillment")
        verbose_name_plural = _("fulfillments")
        permissions = [
            ("work_desk", "Can claim, pack, ship and settle at the desk"),
            ("take_over_work", "Can take over what a colleague at the desk has claimed"),
            ("assign_work", "Can give work at the desk to a colleague"),
            ("correct_recipient", "Can correct who gets a line, and where, before it is sent"),
        ]
        ordering = ["promised_by", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=F("quantity_shipped") + F("quantity_failed"))
                & Q(quantity__gte=F("quantity_delivered") + F("quantity_failed")),
                name="fulfillment_units_once",
            ),
            models.CheckConstraint(
                condition=Q(quantity_delivered__gte=F("quantity_returned"))
                & Q(quantity_returned__gte=F("quantity_written_off")),
                name="fulfillment_returned_of_delivered",
            ),
            models.UniqueConstraint(
                "partner_id", name="partners_fulfillment_once", condition=~Q(partner_id="")
            ),
        ]
        indexes = [
            due_index("fulfillment_due"),
            models.Index(fields=["partner_id"], name="fulfillment_partner_id"),
            models.Index(fields=["label"], name="fulfillment_label"),
            models.Index(
                fields=["status", "reference"],
                name="fulfillment_at_partner",
                condition=Q(channel="PARTNER") & ~Q(status="DELIVERED"),
            ),
            models.Index(
                fields=["promised_by", "id"],
                name="fulfillment_promised",
                condition=Q(channel="DESK"),
            ),
            models.Index(
                fields=["promised_by"],
                name="fulfillment_queue",
                condition=Q(channel="DESK", status__in=["QUEUED", "PACKED", "SHIPPED"]),
            ),
            models.Index(
                fields=["parcel_key", "promised_by", "id"],
                name="fulfillment_parcel",
                condition=Q(channel="DESK", status__in=["QUEUED", "PACKED"]),
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="returned_as_a_whole",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__status="RETURNED", new__quantity_returned=0),
                func=RETURNED_AS_A_WHOLE,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.quantity} × {self.product_name}"

    def event(
        self, before: str, after: str, *, by: Actor = SYSTEM, reason: str = ""
    ) -> "FulfillmentEvent":
        return FulfillmentEvent(
            fulfillment=self,
            from_status=before,
            to_status=after,
            by_id=by.user_id,
            reason=reason[:255],
        )

    @property
    def with_recipient(self) -> int:
        """Units that arrived and did not come back."""
        return self.quantity_delivered - self.quantity_returned

    @property
    def progress(self) -> Progress:
        return Progress._make(getattr(self, name) for name in Progress._fields)

    @property
    def open_quantity(self) -> int:
        """Units that are not shipped, delivered or given up."""
        return self.progress.open_quantity

    @property
    def is_claimed(self) -> bool:
        """Whether somebody works on it. A claim ends by itself at `claimed_until`."""
        return self.progress.is_claimed

    def settled_work(self) -> dict[str, Any]:
        """The columns of its work once it is settled: none is left, and whoever polls it now loses
        the lease. While a hint is open, the partner is still polled.
        """
        return {**ENDED, "next_attempt_at": Now() if self.hints else None}


class FulfillmentEvent(models.Model):
    """One event in the history of a fulfillment: who, when, why."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fulfillment = models.ForeignKey(Fulfillment, models.CASCADE, related_name="events")
    from_status = models.CharField(max_length=12, blank=True)
    to_status = models.CharField(max_length=12)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["at", "id"]
        indexes = [
            BrinIndex(
                fields=["at"],
                pages_per_range=16,
                autosummarize=True,
                name="fulfillment_event_times",
            )
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"


class Shipment(HasTracking, models.Model):
    """A parcel on its way: units of one or more fulfillments for one recipient."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fulfillments = models.ManyToManyField(
        Fulfillment, through="ShipmentLine", related_name="shipments"
    )
    # The version before 0.3 reads and writes these two; the lines have replaced them.
    fulfillment = models.ForeignKey(
        Fulfillment, models.PROTECT, null=True, related_name="+", editable=False
    )
    quantity = models.PositiveIntegerField(null=True, editable=False)
    carrier = models.CharField(_("carrier"), max_length=80)
    tracking_number = models.CharField(_("tracking number"), max_length=120, blank=True)
    shipped_at = models.DateTimeField(_("shipped"), auto_now_add=True)
    shipped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")
        ordering = ["shipped_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shipment_not_empty"),
        ]
        indexes = [
            models.Index(Upper("tracking_number"), name="shipment_tracking"),
            models.Index(fields=["shipped_by", "shipped_at"], name="shipment_by_person"),
            models.Index(
                fields=["-id"], name="shipment_on_its_way", condition=Q(delivered_at__isnull=True)
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="line_of_the_version_before",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__fulfillment__isnull=False),
                func=LINE_OF_THE_VERSION_BEFORE,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.carrier} {self.tracking_number}".strip()


class ShipmentLine(models.Model):
    """The units of one fulfillment in a parcel."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    shipment = models.ForeignKey(Shipment, models.CASCADE, related_name="lines", db_index=False)
    fulfillment = models.ForeignKey(Fulfillment, models.PROTECT, related_name="shipment_lines")
    quantity = models.PositiveIntegerField(_("quantity"))

    class Meta:
        ordering = ["shipment_id", "fulfillment_id"]
        constraints = [
            models.UniqueConstraint("shipment", "fulfillment", name="one_line_a_parcel"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shipmentline_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.fulfillment_id}"


class PartnerCall(KeyedCall):
    """One POST to the Fulfillment API: intent, frozen body, and outcome."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fulfillment = models.ForeignKey(Fulfillment, models.PROTECT, related_name="calls")
    kind = models.CharField(max_length=10, choices=CallKind.choices)
    key = models.CharField(max_length=255, unique=True)
    body = models.TextField(blank=True)
    status = models.CharField(
        max_length=12, choices=CallStatus.choices, default=CallStatus.INTENDED
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = KeyedCallQuerySet["PartnerCall"].as_manager()
    life_cycle = CALL
    key_terms = KeyTerms("FULFILLMENT_API_KEY_RETENTION")

    class Meta:
        verbose_name = _("call to the partner")
        verbose_name_plural = _("calls to the partner")
        ordering = ["created_at", "id"]
        indexes = [due_index("partner_call_due")]
        constraints = [
            models.UniqueConstraint(
                "fulfillment", "kind", name="one_call_of_a_kind", condition=~Q(kind="RESEND")
            ),
        ]

    def __str__(self) -> str:
        return self.key

    def event(
        self, before: str, after: str, *, by: Actor = SYSTEM, reason: str = ""
    ) -> FulfillmentEvent:
        told = f"{self.get_kind_display()}: {reason}" if reason else str(self.get_kind_display())
        return FulfillmentEvent(
            fulfillment_id=self.fulfillment_id,
            from_status=before,
            to_status=after,
            by_id=by.user_id,
            reason=told[:255],
        )
