"""What the loyalty system books on a company's account by itself, as its statement told."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models.people import Company
from loyalty_portal.data.ids import uuid7


class PartnersKind(models.TextChoices):
    """What the loyalty system books by itself, by the contract's names."""

    EARNED = "earned", _("Earned")
    EXPIRED = "expired", _("Expired")
    ADJUSTED = "adjusted", _("Adjusted")


class PartnersBooking(models.Model):
    """An entry that the loyalty system booked by itself. It is a copy, reconciled with nothing.

    `points` are signed as the account sees them; `at` is the loyalty system's own time.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Needs no index: ledger_entry_once is used.
    company = models.ForeignKey(Company, models.CASCADE, related_name="+", db_index=False)
    number = models.CharField(_("partner's number"), max_length=100)
    kind = models.CharField(_("kind"), max_length=10, choices=PartnersKind.choices)
    points = models.BigIntegerField(_("points"))
    description = models.CharField(_("description"), max_length=255, blank=True)
    at = models.DateTimeField(_("when"))
    read_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("entry of the loyalty system")
        verbose_name_plural = _("entries of the loyalty system")
        constraints = [
            models.UniqueConstraint("company", "number", name="ledger_entry_once"),
            models.CheckConstraint(condition=~Q(points=0), name="ledger_entry_moves_points"),
            models.CheckConstraint(
                condition=Q(kind__in=PartnersKind.values), name="ledger_entry_kind_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["company", "at", "id"],
                include=["points", "kind"],
                name="ledger_entry_statement",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.points}"


class LedgerRead(models.Model):
    """How far a company's statement was read for such entries.

    `read_until` is the loyalty system's time of the last entry that was read, ours too.
    `tells_kinds`: whether any entry said what it was for.
    """

    company = models.OneToOneField(
        Company, models.CASCADE, primary_key=True, related_name="ledger_read"
    )
    read_until = models.DateTimeField(null=True)
    tells_kinds = models.BooleanField(default=False, db_default=False)
    read_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("reading of the loyalty system’s statement")
        verbose_name_plural = _("readings of the loyalty system’s statement")

    def __str__(self) -> str:
        return f"{self.company_id}: {self.read_until}"
