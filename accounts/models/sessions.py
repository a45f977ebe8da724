"""The sessions of people, as they see them in a list."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import User
from loyalty_portal.data.ids import uuid7


class PersonSession(models.Model):
    """A session of a person, from a sign-in to its end.

    `session_key` is the key of Django's row, and `auth_hash` what the session must hold to be
    valid: it is another one after a new password, or after all sessions were ended.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    auth_hash = models.CharField(max_length=100, editable=False)
    browser = models.CharField(_("browser"), max_length=255, blank=True)
    address = models.CharField(_("network address"), max_length=45, blank=True)
    created_at = models.DateTimeField(_("signed in"), auto_now_add=True)
    last_seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        default_permissions = ()
        indexes = [models.Index(fields=["user", "-last_seen_at"], name="session_of_person")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.address}"
