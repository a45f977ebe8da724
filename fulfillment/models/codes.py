"""Codes of virtual products, and who looked at them."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from fulfillment.models.fulfillments import Fulfillment
from loyalty_portal.data.encrypted_field import (
    DecryptionError,
    EncryptedTextField,
    Fingerprinted,
)
from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7


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
