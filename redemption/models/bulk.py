"""Many orders from one spreadsheet: the file, its rows, and the orders that become of them."""

from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from redemption.models.orders import RedemptionOrder


class BulkStatus(models.TextChoices):
    """How far a bulk is."""

    READING = "READING", _("Being read")
    READY = "READY", _("Read")
    WAITING = "WAITING", _("Waiting for approval")
    PLACING = "PLACING", _("Being placed")
    DONE = "DONE", _("Placed")
    REFUSED = "REFUSED", _("Could not be read")
    REJECTED = "REJECTED", _("Not approved")
    STOPPED = "STOPPED", _("Stopped")


class Bulk(LeasedWork):
    """A file of rows, of which each becomes a line of an order. It is read, and later placed, in
    slices: a killed process loses the slice that it was at and nothing else.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seat = models.ForeignKey(AccountManager, models.PROTECT, related_name="bulks")
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text=_("SHA-256 of the file."))
    file = models.BinaryField(default=bytes, help_text=_("Empty once it is read."))
    status = models.CharField(max_length=10, choices=BulkStatus.choices, default=BulkStatus.READING)
    rows_read = models.PositiveIntegerField(default=0)
    rows_in_all = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    approve_by = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    decided_at = models.DateTimeField(null=True, blank=True)
    decision = models.TextField(
        blank=True, default="", db_default="", help_text=_("In whose place it was decided.")
    )
    reminders = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text=_("How often approvers were reminded of it.")
    )

    objects = LeasedQuerySet["Bulk"].as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        default_permissions = ()
        indexes = [
            due_index("bulk_due"),
            models.Index(fields=["seat", "-created_at"], name="bulk_of_seat"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=BulkStatus.values), name="bulk_status_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def company_id(self) -> UUID:
        return self.seat.company_id

    def was_placed_by(self, user_id: UUID | None) -> bool:
        """Whether this person gave the file, in whichever seat."""
        return self.seat.user_id == user_id

    @property
    def can_go_on(self) -> bool:
        """Whether some of its orders were not placed, and nobody works on them."""
        over = self.status in {BulkStatus.DONE, BulkStatus.STOPPED}
        return over and self.parts.filter(order=None).exists()


class BulkPart(models.Model):
    """What becomes one order: rows of one reference, 500 at most. Its key is the order's token, so
    it is placed once. `points`: what its rows cost when they were read.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    bulk = models.ForeignKey(Bulk, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    reference = models.CharField(max_length=100, blank=True)
    lines = models.PositiveIntegerField()
    points = models.PositiveBigIntegerField()
    order = models.OneToOneField(
        RedemptionOrder, models.PROTECT, null=True, blank=True, related_name="bulk_part"
    )
    problem = models.TextField(blank=True, help_text=_("Why it could not be placed."))

    class Meta:
        ordering = ["bulk", "number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["bulk", "number"], name="bulk_part_once"),
        ]

    def __str__(self) -> str:
        return f"{self.reference} ({self.number})"


class BulkRow(models.Model):
    """A row of the file that is not placed yet. `cells`: its texts by column; `errors`: column and
    sentence of each error. Rows are deleted in the transaction that places their order.
    """

    id = models.BigAutoField(primary_key=True)
    bulk = models.ForeignKey(Bulk, models.CASCADE, related_name="rows", db_index=False)
    part = models.ForeignKey(BulkPart, models.SET_NULL, null=True, blank=True, related_name="rows")
    number = models.PositiveIntegerField(help_text=_("Its line in the file."))
    reference = models.CharField(max_length=100, blank=True)
    cells = models.JSONField(default=dict)
    errors = models.JSONField(default=list)
    points = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["bulk", "number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["bulk", "number"], name="bulk_row_once"),
        ]

    def __str__(self) -> str:
        return str(self.number)
