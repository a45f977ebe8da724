"""Staff who see the portal as a seat sees it."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import AccountManager, User
from loyalty_portal.data.ids import uuid7


class Viewing(models.Model):
    """A member of staff sees the portal as a seat sees it, until a moment at most, and changes
    nothing. Each row is also told in the trail (docs/decisions/0047-seen-as-a-seat.md).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seat = models.ForeignKey(AccountManager, models.PROTECT, related_name="+")
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason = models.CharField(_("reason"), max_length=255)
    started_at = models.DateTimeField(_("began"), auto_now_add=True)
    until = models.DateTimeField(_("ends at the latest"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("viewing as a seat")
        verbose_name_plural = _("viewings as a seat")
        default_permissions = ()
        permissions = [("see_as", "Can see the portal as a seat sees it, and change nothing")]
        constraints = [
            models.CheckConstraint(condition=~models.Q(reason=""), name="viewing_has_reason")
        ]
        indexes = [
            models.Index(
                fields=["until"], name="viewing_open", condition=models.Q(ended_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.by_id} as {self.seat_id}"
