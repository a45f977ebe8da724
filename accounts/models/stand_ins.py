"""Who decides on orders in the place of an approver who is away."""

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.people import AccountManager, User
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7


class StandInQuerySet(models.QuerySet["StandIn"]):
    """Query methods for stand-ins."""

    def not_over(self) -> Self:
        """Those that hold now or will."""
        return self.filter(ended_at=None, ends_at__gt=Now())

    def now(self) -> Self:
        """Those that hold at this moment, by the database's clock."""
        return self.not_over().filter(starts_at__lte=Now())


@tracked()
class StandIn(models.Model):
    """That a seat decides on orders in the place of an approver of the same company, from
    `starts_at` until before `ends_at`: whole days in the company's time zone when it was written
    down. It may be ended sooner.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    approver = models.ForeignKey(
        AccountManager, models.PROTECT, related_name="stand_ins", verbose_name=_("approver")
    )
    deputy = models.ForeignKey(
        AccountManager, models.PROTECT, related_name="stands_in", verbose_name=_("stand-in")
    )
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("recorded by"))
    created_at = models.DateTimeField(_("recorded"), db_default=Now())
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    seen_with = "accounts.view_accountmanager"

    objects = StandInQuerySet.as_manager()

    class Meta:
        verbose_name = _("stand-in of an approver")
        verbose_name_plural = _("stand-ins of approvers")
        ordering = ["-starts_at", "-id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=~Q(approver=F("deputy")), name="stand_in_is_somebody_else"
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="stand_in_ends_after_it_starts"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by=None)
                | Q(ended_at__isnull=False, ended_by__isnull=False),
                name="stand_in_ended_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.deputy_id} for {self.approver_id}"

    @property
    def holds(self) -> bool:
        """Whether it holds at this moment."""
        return self.ended_at is None and self.starts_at <= timezone.now() < self.ends_at

    @property
    def is_over(self) -> bool:
        """Whether it ended, by itself or sooner."""
        return self.ended_at is not None or self.ends_at <= timezone.now()
