"""What reports add up: counts and sums by hour in UTC (docs/staff/reports.md defines each figure).

`redemption.analytics.services` counts these rows from the orders and their events. Nothing else
writes them, and they can be counted anew at any time.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager, Company
from catalog.models import Product
from redemption.states import LineStatus, OrderStatus


def _known(model: Any, **options: Any) -> Any:
    """A reference that may be empty, which means: all of them together."""
    return models.ForeignKey(model, models.CASCADE, null=True, related_name="+", **options)


class HourlyFigure(models.Model):
    """A row for one hour and one combination of the other columns. `hour` is its beginning."""

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.hour:%Y-%m-%d %H:%M}"


class OrderFigure(HourlyFigure):
    """Orders placed in the hour: in all (no company), of a company (no seat), and of a seat.

    `taken`: their debit succeeded. `reason`: of those that ended badly, why.
    """

    company = _known(Company, db_index=False)
    seat = _known(AccountManager, db_index=False)
    status = models.CharField(max_length=50, choices=OrderStatus.choices)
    taken = models.BooleanField()
    reason = models.CharField(max_length=255, blank=True)
    orders = models.PositiveBigIntegerField()
    points = models.PositiveBigIntegerField()

    class Meta:
        permissions = [("view_reports", "Can see and export reports")]
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "company", "seat", "status", "taken", "reason"],
                nulls_distinct=False,
                name="order_figure_once",
            )
        ]
        indexes = [
            models.Index(fields=["company", "hour"], name="order_figure_company"),
            models.Index(fields=["seat", "hour"], name="order_figure_seat"),
        ]


class LineFigure(HourlyFigure):
    """Lines of one product in the orders that a seat placed in the hour.

    `points_back`: points of units that were given back or will be. `units_back`: units that came
    back from their recipients.
    """

    company = models.ForeignKey(Company, models.CASCADE, related_name="+", db_index=False)
    seat = models.ForeignKey(AccountManager, models.CASCADE, related_name="+", db_index=False)
    product = models.ForeignKey(Product, models.CASCADE, related_name="+", db_index=False)
    status = models.CharField(max_length=50, choices=LineStatus.choices)
    taken = models.BooleanField()
    reason = models.CharField(max_length=255, blank=True)
    lines = models.PositiveBigIntegerField()
    units = models.PositiveBigIntegerField()
    points = models.PositiveBigIntegerField()
    points_back = models.PositiveBigIntegerField()
    units_back = models.PositiveBigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "seat", "product", "status", "taken", "reason"],
                name="line_figure_once",
            )
        ]
        indexes = [
            models.Index(fields=["product", "hour"], name="line_figure_product"),
            models.Index(fields=["company", "hour"], name="line_figure_company"),
            models.Index(fields=["seat", "hour"], name="line_figure_seat"),
            models.Index(
                fields=["company"],
                name="line_figure_open",
                condition=models.Q(
                    taken=True, status__in=["WAITING", "QUEUED", "REQUESTED", "PACKED", "SHIPPED"]
                ),
            ),
        ]


class PointsFigure(HourlyFigure):
    """Transactions that had their outcome in the hour: in all (no company), and of a company."""

    company = _known(Company, db_index=False)
    kind = models.CharField(max_length=20)
    status = models.CharField(max_length=50)
    reason = models.CharField(max_length=255, blank=True)
    transactions = models.PositiveBigIntegerField()
    points = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "company", "kind", "status", "reason"],
                nulls_distinct=False,
                name="points_figure_once",
            )
        ]
        indexes = [models.Index(fields=["company", "hour"], name="points_figure_company")]


class Stage(models.TextChoices):
    """What is timed. docs/staff/reports.md says from when until when."""

    CONFIRM = "CONFIRM", _("To confirm")
    SHIP = "SHIP", _("To ship")
    DELIVER = "DELIVER", _("To deliver")


class DurationFigure(HourlyFigure):
    """How many times a stage that ended in the hour took a time within one bucket: in all, for a
    product, and for a person at the desk.
    """

    stage = models.CharField(max_length=10, choices=Stage.choices)
    product = _known(Product, db_index=False)
    person = _known(settings.AUTH_USER_MODEL, db_index=False)
    bucket = models.PositiveSmallIntegerField(
        help_text=_("The place of its bound in redemption.analytics.buckets.")
    )
    times = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "stage", "product", "person", "bucket"],
                nulls_distinct=False,
                name="duration_figure_once",
            )
        ]
        indexes = [
            models.Index(fields=["product", "hour"], name="duration_figure_product"),
            models.Index(fields=["person", "hour"], name="duration_figure_person"),
        ]


class DeskFigure(HourlyFigure):
    """What a person at the desk did in the hour: `step` is the status that lines got."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    step = models.CharField(max_length=12)
    lines = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "person", "step"], name="desk_figure_once")
        ]


class FiguresMark(models.Model):
    """How far the events are counted; there is one row. Whoever counts holds its lock."""

    id = models.BigIntegerField(primary_key=True, default=1, editable=False)
    counted_until = models.DateTimeField(null=True)
    ran_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        until: datetime | None = self.counted_until
        return f"{until:%Y-%m-%d %H:%M}" if until else "–"
