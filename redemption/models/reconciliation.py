"""Reconciliation: runs, days and differences."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Company
from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from redemption.models.incidents import Incident
from redemption.models.orders import RedemptionOrder
from redemption.models.points import LoyaltyTransaction
from redemption.states import DifferenceKind


class StatementSource(models.TextChoices):
    """The source of the partner's entries."""

    API = "API", _("Partner’s statement")
    FILE = "FILE", _("Uploaded file")


class RunOutcome(models.TextChoices):
    """The result of a run."""

    RUNNING = "RUNNING", _("At work")
    AGREED = "AGREED", _("All agrees")
    DIFFERS = "DIFFERS", _("Differences")
    FAILED = "FAILED", _("Could not compare")


class Reconciliation(models.Model):
    """A run: one company's transactions and its statement, from `since` until before `until`.

    The figures count the partner's entries in that time.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    company = models.ForeignKey(Company, models.PROTECT, related_name="reconciliations")
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    source = models.CharField(_("source"), max_length=4, choices=StatementSource.choices)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text=_("Empty: scheduled, or started by a command."),
    )
    outcome = models.CharField(
        _("outcome"), max_length=8, choices=RunOutcome.choices, default=RunOutcome.RUNNING
    )
    problem = models.CharField(_("problem"), max_length=255, blank=True)
    started_at = models.DateTimeField(_("started"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    entries = models.PositiveIntegerField(_("entries at the partner"), default=0)
    matched = models.PositiveIntegerField(_("agree"), default=0)
    waiting = models.PositiveIntegerField(
        _("not yet known here"),
        default=0,
        help_text=_("Entries of transactions without a clear answer yet."),
    )
    points_taken = models.PositiveBigIntegerField(_("points taken"), default=0)
    points_given_back = models.PositiveBigIntegerField(_("points given back"), default=0)
    difference_count = models.PositiveIntegerField(_("differences"), default=0)

    class Meta:
        verbose_name = _("reconciliation")
        verbose_name_plural = _("reconciliations")
        permissions = [("run_reconciliation", "Can compare with the partner's statement")]
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                "company", name="one_reconciliation_at_a_time", condition=Q(outcome="RUNNING")
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=RunOutcome.values), name="reconciliation_outcome_known"
            ),
            models.CheckConstraint(
                condition=Q(source__in=StatementSource.values), name="reconciliation_source_known"
            ),
            models.CheckConstraint(
                condition=Q(since__lt=F("until")), name="reconciliation_spans_time"
            ),
            models.CheckConstraint(
                condition=Q(outcome="RUNNING", finished_at__isnull=True)
                | ~Q(outcome="RUNNING") & Q(finished_at__isnull=False),
                name="reconciliation_ends_with_an_outcome",
            ),
        ]
        indexes = [
            models.Index(fields=["company", "-started_at"], name="reconciliation_by_company"),
            models.Index(fields=["outcome", "-id"], name="reconciliation_by_outcome"),
        ]
        triggers = append_only(once=~pgtrigger.Q(old__outcome="RUNNING"))

    def __str__(self) -> str:
        return f"{self.company} {self.since:%Y-%m-%d} – {self.until:%Y-%m-%d}"


class ReconciledDay(models.Model):
    """The result of the latest run for one company and day (UTC)."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Reconciliation, models.PROTECT, related_name="days")
    company = models.ForeignKey(Company, models.PROTECT, related_name="+")
    day = models.DateField(_("day"))
    entries = models.PositiveIntegerField(default=0)
    matched = models.PositiveIntegerField(default=0)
    waiting = models.PositiveIntegerField(default=0)
    differences = models.PositiveIntegerField(default=0)
    points_taken = models.PositiveBigIntegerField(default=0)
    points_given_back = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("reconciled day")
        verbose_name_plural = _("reconciled days")
        ordering = ["day", "company__name"]
        constraints = [models.UniqueConstraint("company", "day", name="reconciled_day_once")]

    def __str__(self) -> str:
        return f"{self.company_id} {self.day}"


class Difference(models.Model):
    """One difference that a run found. It is never changed, and no points are moved
    automatically.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Reconciliation, models.PROTECT, related_name="differences")
    kind = models.CharField(_("difference"), max_length=13, choices=DifferenceKind.choices)
    key = models.CharField(max_length=255, help_text=_("The key of its incident."))
    at = models.DateTimeField(
        _("when"), help_text=_("The time of the entry, or of our transaction without one.")
    )
    what = models.CharField(_("what"), max_length=255)
    entry = models.CharField(_("entry"), max_length=100, blank=True)
    points_there = models.PositiveBigIntegerField(_("points at the partner"), null=True)
    points_here = models.PositiveBigIntegerField(_("points here"), null=True)
    order = models.ForeignKey(RedemptionOrder, models.PROTECT, null=True, related_name="+")
    transaction = models.ForeignKey(LoyaltyTransaction, models.PROTECT, null=True, related_name="+")
    incident = models.ForeignKey(Incident, models.PROTECT, null=True, related_name="differences")

    class Meta:
        verbose_name = _("difference")
        verbose_name_plural = _("differences")
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=DifferenceKind.values), name="difference_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.what


class StatementLine(models.Model):
    """An entry of a statement, stored only while it is compared."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    batch = models.UUIDField(db_index=True)
    place = models.BigIntegerField()
    entry = models.CharField(max_length=100)
    kind = models.CharField(max_length=10)
    account = models.CharField(max_length=100)
    points = models.BigIntegerField()
    reference = models.TextField()
    original = models.CharField(max_length=100, blank=True, default="", db_default="")
    at = models.DateTimeField()
    read_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("statement line")
        verbose_name_plural = _("statement lines")

    def __str__(self) -> str:
        return self.entry
