"""Calls of the API that change something, kept so that each is done once."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models.people import AccountManager
from loyalty_portal.data.ids import uuid7


class KeyedApiCall(models.Model):
    """A call with an Idempotency-Key: whose it is, what it asked for, and what it was answered.

    `key_hash` and `call_hash` are SHA-256 of the key, and of method, address and body.
    `lease_until` is set while it runs; a call whose process died is taken over after that. `made`
    is the id of what it made, of which the row is kept for ever.
    """

    LEASE = timedelta(seconds=60)  # longer than any operation takes

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seat = models.ForeignKey(AccountManager, models.PROTECT, related_name="+", db_index=False)
    key_hash = models.CharField(max_length=64)
    call_hash = models.CharField(max_length=64)
    lease_until = models.DateTimeField(null=True, db_default=Now() + LEASE)
    lease_token = models.UUIDField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(blank=True, default="")
    made = models.UUIDField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("call of the API")
        verbose_name_plural = _("calls of the API")
        default_permissions = ()
        constraints = [models.UniqueConstraint("seat", "key_hash", name="one_call_a_key")]
        indexes = [models.Index(fields=["created_at"], name="keyed_call_age")]

    def __str__(self) -> str:
        return f"{self.seat_id} {self.key_hash[:8]}"
