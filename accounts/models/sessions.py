"""The sessions of people, as they see them in a list."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import User
from loyalty_portal.data.ids import uuid7


class PersonSession(models.Model):
    """A session of a person, from a sign-in to its end.

    `session_key` is the key of Django's row, and `auth_hash` what the session must hold to be
    valid: it is another one after a new password, or after all sessions were ended.

    A session of the API has tokens (accounts/access/tokens.py). `refresh_id` is the id of its
    refresh token, which was made at `refreshed_at` from the one with the id `refreshed_from`.
    `proved_by` is the second factor of its sign-in, "" for a password alone, and `confirmed_at`
    when the person said last who they are.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    auth_hash = models.CharField(max_length=100, editable=False)
    browser = models.CharField(_("browser"), max_length=255, blank=True)
    address = models.CharField(_("network address"), max_length=45, blank=True)
    created_at = models.DateTimeField(_("signed in"), auto_now_add=True)
    last_seen_at = models.DateTimeField(_("last seen"))
    refresh_id = models.UUIDField(null=True, editable=False)
    refreshed_from = models.UUIDField(null=True, editable=False)
    refreshed_at = models.DateTimeField(null=True, editable=False)
    proved_by = models.CharField(max_length=20, default="", db_default="", editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        default_permissions = ()
        indexes = [models.Index(fields=["user", "-last_seen_at"], name="session_of_person")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.address}"

    @property
    def has_tokens(self) -> bool:
        """Whether it is a session of the API, and not of a browser."""
        return self.refresh_id is not None
