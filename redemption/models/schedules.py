"""Reports that are sent by e-mail, as a link."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from loyalty_portal.data.zones import local_day, local_moment


class Cadence(models.TextChoices):
    """How often a report is sent."""

    DAILY = "DAILY", _("each day")
    WEEKLY = "WEEKLY", _("each Monday")
    MONTHLY = "MONTHLY", _("on the first of each month")

    def falls_on(self, day: date) -> bool:
        if self == Cadence.MONTHLY:
            return day.day == 1
        return self == Cadence.DAILY or day.weekday() == 0


class ReportSchedule(LeasedWork):
    """A report that its owner gets by e-mail, as a link. `asked` are the parameters of its address.

    It is due at the next occasion. Once `stopped_at` is set, it is due until its owner was told.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="report_schedules"
    )
    report = models.CharField(_("report"), max_length=40)
    asked = models.JSONField(default=dict)
    cadence = models.CharField(_("how often"), max_length=10, choices=Cadence.choices)
    hour = models.PositiveSmallIntegerField(_("hour"), help_text=_("In the programme's time zone."))
    failures = models.PositiveSmallIntegerField(
        default=0, help_text=_("Tries that failed since it was sent last.")
    )
    problem = models.CharField(_("problem"), max_length=255, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True)
    stopped_at = models.DateTimeField(_("stopped"), null=True)
    told_at = models.DateTimeField(
        null=True, help_text=_("When its owner was told that it stopped.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LeasedQuerySet["ReportSchedule"].as_manager()

    class Meta:
        verbose_name = _("report by e-mail")
        verbose_name_plural = _("reports by e-mail")
        ordering = ["created_at", "id"]
        indexes = [due_index("report_schedule_due")]
        constraints = [
            models.CheckConstraint(condition=Q(hour__lt=24), name="report_schedule_hour"),
            models.UniqueConstraint(
                fields=["owner", "report", "asked", "cadence", "hour"],
                name="report_schedule_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.report} {self.get_cadence_display()}"

    @property
    def clock(self) -> str:
        return f"{self.hour:02}:00"

    def next_time(self, now: datetime, zone: str) -> datetime:
        """The next moment after `now` at which it is to be sent."""
        day: Any = local_day(now, zone)
        while True:
            moment = local_moment(day, time(self.hour), zone)
            if Cadence(self.cadence).falls_on(day) and moment > now:
                return moment
            day += timedelta(days=1)
