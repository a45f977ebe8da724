"""Parcels, virtual deliveries and the calls to the partner. This room does not know orders."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from fulfillment.states import CALL, FULFILLMENT, CallStatus, FulfillmentStatus, Withdrawal
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.encrypted_field import (
    DecryptionError,
    EncryptedTextField,
    Fingerprinted,
)
from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import ENDED, LeasedQuerySet, LeasedWork, due_index
from loyalty_portal.data.lifecycle import HasLifeCycle
from loyalty_portal.data.recipient import Recipient
from loyalty_portal.partners.calls import KeyedCall, KeyedCallQuerySet, KeyTerms

_TOO_LATE: dict[str, Withdrawal] = {
    FulfillmentStatus.PACKED: Withdrawal.PACKED,
    FulfillmentStatus.SHIPPED: Withdrawal.SENT,
    FulfillmentStatus.DELIVERED: Withdrawal.DELIVERED,
}


class Channel(models.TextChoices):
    """Who fulfills a line: our desk or the partner."""

    DESK = "DESK", _("The desk")
    PARTNER = "PARTNER", _("The partner")


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
    message = models.CharField(
        _("message to the recipient"), max_length=500, blank=True, default="", db_default=""
    )
    quantity_shipped = models.PositiveIntegerField(_("shipped"), default=0)
    quantity_delivered = models.PositiveIntegerField(_("delivered"), default=0)
    quantity_failed = models.PositiveIntegerField(
        _("not supplied"),
        default=0,
        help_text=_("Units that could not be supplied or were cancelled."),
    )
    status = models.CharField(_("status"), max_length=10, choices=FulfillmentStatus.choices)
    reason = models.CharField(_("reason"), max_length=255, blank=True)
    promised_by = models.DateTimeField(_("promised by"))
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("claimed by"),
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

    objects = LeasedQuerySet["Fulfillment"].as_manager()
    life_cycle = FULFILLMENT

    number_taken: bool  # whether another has a partner's number; only where a query annotates this

    class Meta:
        verbose_name = _("fulfillment")
        verbose_name_plural = _("fulfillments")
        permissions = [
            ("work_desk", "Can claim, pack, ship and settle at the desk"),
            ("take_over_work", "Can take over what a colleague at the desk has claimed"),
        ]
        ordering = ["promised_by", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=F("quantity_shipped") + F("quantity_failed"))
                & Q(quantity__gte=F("quantity_delivered") + F("quantity_failed")),
                name="fulfillment_units_once",
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
                fields=["promised_by"],
                name="fulfillment_queue",
                condition=Q(channel="DESK", status__in=["QUEUED", "PACKED", "SHIPPED"]),
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
    def open_quantity(self) -> int:
        """Units that are not shipped, delivered or given up."""
        return (
            self.quantity
            - max(self.quantity_shipped, self.quantity_delivered)
            - self.quantity_failed
        )

    def settled_work(self) -> dict[str, Any]:
        """The columns of its work once it is settled: none is left, and whoever polls it now loses
        the lease. While a hint is open, the partner is still polled.
        """
        return {**ENDED, "next_attempt_at": Now() if self.hints else None}

    def withdrawal(self, calls: Iterable["PartnerCall"]) -> Withdrawal:
        """Whether and how it can still be withdrawn. `calls` are all of its calls.

        The page and the action both ask this (saga.md, rule 9). Once somebody at the desk, or a
        worker, has claimed it, it cannot be cancelled at once.
        """
        if self.status == FulfillmentStatus.REQUESTED:
            return _from_partner({call.kind: call for call in calls})
        if self.status != FulfillmentStatus.QUEUED:
            return _TOO_LATE.get(self.status, Withdrawal.SETTLED)
        if self.quantity_shipped:
            return Withdrawal.PARTLY_SENT
        return Withdrawal.CLAIMED if self.claimed_by_id else Withdrawal.NOW


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


class Shipment(models.Model):
    """A parcel: some or all units of one fulfillment."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fulfillment = models.ForeignKey(Fulfillment, models.PROTECT, related_name="shipments")
    quantity = models.PositiveIntegerField(_("quantity"))
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
        indexes = [models.Index(Upper("tracking_number"), name="shipment_tracking")]

    def __str__(self) -> str:
        return f"{self.carrier} {self.tracking_number}".strip()


class CallKind(models.TextChoices):
    """The kind of a call to the partner."""

    REQUEST = "REQUEST", _("Deliver")
    CANCEL = "CANCEL", _("Cancel")
    RESEND = "RESEND", _("Send again")


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


def _from_partner(calls: dict[str, PartnerCall]) -> Withdrawal:
    """What a cancel can still do once the request was claimed: the partner's answer decides."""
    cancel = calls.get(CallKind.CANCEL)
    if cancel is not None:
        return Withdrawal.REFUSED if cancel.is_final else Withdrawal.ASKED
    intended = calls[CallKind.REQUEST].status == CallStatus.INTENDED
    return Withdrawal.NOW if intended else Withdrawal.ASK


class CodeQuerySet(models.QuerySet["VirtualCode"]):
    """Query methods for codes."""

    def valid(self) -> "CodeQuerySet":
        """The codes that belong to the line. Others are stored too, and never shown."""
        return self.filter(withdrawn_at__isnull=True)


class VirtualCode(Fingerprinted, models.Model):
    """The code of one unit of a virtual product: secret, encrypted at rest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fulfillment = models.ForeignKey(Fulfillment, models.PROTECT, related_name="codes")
    position = models.PositiveIntegerField()
    code = EncryptedTextField(blank=True)
    pin = EncryptedTextField(blank=True)
    url = EncryptedTextField(blank=True)
    expires_on = models.DateField(null=True, blank=True)
    fingerprint = models.CharField(max_length=120, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("When two people decided that the code belongs to another line."),
    )

    objects = CodeQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint("fulfillment", "position", name="one_code_a_unit"),
            # The same code may be stored for its rightful line after it was withdrawn from this
            # one.
            models.UniqueConstraint(
                "fingerprint", name="one_unit_a_code", condition=Q(withdrawn_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fulfillment_id}/{self.position}"

    def secret(self) -> str:
        """What identifies a unit: its code, or its address where it has no code."""
        return str(self.code or self.url)

    def can_be_read(self) -> bool:
        """Whether its secrets can be decrypted: not changed or moved, and the key is listed.

        Check this before showing them.
        """
        try:
            return None not in (self.code, self.pin, self.url)
        except DecryptionError:
            return False


class CodeReveal(models.Model):
    """Who looked at the codes of a fulfillment, and when."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    fulfillment = models.ForeignKey(Fulfillment, models.PROTECT, related_name="reveals")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["at"]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.by} {self.at:%Y-%m-%d %H:%M}"
