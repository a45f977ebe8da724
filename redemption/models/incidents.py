"""Incidents, their cases, their history and their alerts."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Company
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.history import append_only
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from loyalty_portal.data.lifecycle import HasLifeCycle
from redemption.models.orders import RedemptionOrder
from redemption.models.points import LoyaltyTransaction
from redemption.states import INCIDENT, IncidentKind, IncidentStatus, Severity

# 0 of what still needs somebody, 1 of what is over.
IS_OVER = Case(When(status=IncidentStatus.RESOLVED, then=Value(1)), default=Value(0))


class IncidentQuerySet(models.QuerySet["Incident"]):
    """Query methods for incidents."""

    def unresolved(self) -> "IncidentQuerySet":
        return self.exclude(status=IncidentStatus.RESOLVED)

    def awake(self) -> "IncidentQuerySet":
        """Those that nobody has snoozed until later."""
        return self.exclude(snoozed_until__gt=Now())


class Incident(HasLifeCycle):
    """A problem that needs a person: one cause, with a case for each thing affected.

    `what`, `order`, `transaction`, `company` and `facts` belong to the latest case.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=20, choices=IncidentKind.choices)
    severity = models.PositiveSmallIntegerField(_("severity"), choices=Severity.choices)
    key = models.CharField(
        max_length=255,
        editable=False,
        help_text=_("Identifies its cause. New cases of the same cause join it."),
    )
    what = models.CharField(_("what happened"), max_length=255)
    status = models.CharField(
        _("status"),
        max_length=12,
        choices=IncidentStatus.choices,
        default=IncidentStatus.OPEN,
    )
    order = models.ForeignKey(
        RedemptionOrder, models.PROTECT, null=True, blank=True, related_name="+"
    )
    transaction = models.ForeignKey(
        LoyaltyTransaction, models.PROTECT, null=True, blank=True, related_name="+"
    )
    company = models.ForeignKey(
        Company, models.PROTECT, null=True, blank=True, related_name="incidents"
    )
    # Needs no index: queries combine it with unresolved, and few incidents are.
    run = models.ForeignKey(
        "redemption.Reconciliation",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="incidents",
        db_index=False,
        help_text=_("The run that found it first. All that a run finds share one alert."),
    )
    facts = models.JSONField(
        default=dict, blank=True, help_text=_("Without codes and personal data.")
    )
    times_seen = models.PositiveIntegerField(_("times seen"), default=1)
    created_at = models.DateTimeField(_("since"), auto_now_add=True)
    seen_at = models.DateTimeField(_("last seen"), auto_now_add=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(
        _("snoozed until"),
        null=True,
        blank=True,
        help_text=_("It is left out of the list of work until then, or until it happens again."),
    )
    snoozed_why = models.CharField(
        _("why snoozed"), max_length=255, blank=True, default="", db_default=""
    )
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Empty: it resolved itself."),
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    evidence = models.TextField(_("evidence"), max_length=2000, blank=True)

    objects = IncidentQuerySet.as_manager()
    life_cycle = INCIDENT

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        permissions = [("handle_incident", "Can acknowledge and resolve incidents")]
        ordering = ["-severity", "-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                "key", name="incident_once_while_open", condition=~Q(status="RESOLVED")
            ),
            models.CheckConstraint(
                condition=Q(kind__in=IncidentKind.values), name="incident_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=IncidentStatus.values), name="incident_status_known"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="incident_severity_known"
            ),
            models.CheckConstraint(
                condition=~Q(status="ACKNOWLEDGED")
                | Q(acknowledged_by__isnull=False, acknowledged_at__isnull=False),
                name="incident_acknowledged_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(status="RESOLVED", resolved_at__isnull=False) & ~Q(evidence="")
                | ~Q(status="RESOLVED") & Q(resolved_at__isnull=True),
                name="incident_resolved_with_evidence",
            ),
            models.CheckConstraint(
                condition=Q(snoozed_until=None) | ~Q(snoozed_why=""),
                name="incident_snoozed_with_a_reason",
            ),
        ]
        indexes = [
            models.Index(
                IS_OVER.asc(),
                models.F("severity").desc(),
                models.F("created_at").desc(),
                models.F("id").desc(),
                name="incident_list",
            ),
            models.Index(
                fields=["-severity", "-created_at"],
                name="incident_unresolved",
                condition=~Q(status="RESOLVED"),
            ),
            models.Index(
                fields=["created_at", "id"],
                name="incident_oldest",
                condition=~Q(status="RESOLVED"),
            ),
            GinIndex(SearchVector("what", "key", config="simple"), name="incident_words"),
        ]

    def __str__(self) -> str:
        return str(self.get_kind_display())

    @property
    def is_over(self) -> bool:
        return self.status == IncidentStatus.RESOLVED

    def event(
        self, before: str, after: str, *, by: Actor = SYSTEM, reason: str = ""
    ) -> "IncidentEvent":
        return IncidentEvent(
            incident=self, from_status=before, to_status=after, by_id=by.user_id, reason=reason
        )


class CaseQuerySet(models.QuerySet["IncidentCase"]):
    """Query methods for cases."""

    def unended(self) -> "CaseQuerySet":
        return self.filter(ended_at=None)


class IncidentCase(models.Model):
    """One transaction, delivery, order or other thing that an incident affects.

    A `key` has at most one open case, which counts how often it was seen. An ended case stays, with
    time and reason.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, models.PROTECT, related_name="cases")
    key = models.CharField(
        max_length=255,
        editable=False,
        help_text=_("Identifies what is affected. One case can be open for it."),
    )
    what = models.CharField(_("what happened"), max_length=255)
    order = models.ForeignKey(
        RedemptionOrder, models.PROTECT, null=True, blank=True, related_name="incident_cases"
    )
    transaction = models.ForeignKey(
        LoyaltyTransaction, models.PROTECT, null=True, blank=True, related_name="incident_cases"
    )
    facts = models.JSONField(
        default=dict, blank=True, help_text=_("Without codes and personal data.")
    )
    times_seen = models.PositiveIntegerField(_("times seen"), default=1)
    created_at = models.DateTimeField(_("since"), auto_now_add=True)
    seen_at = models.DateTimeField(_("last seen"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    why = models.TextField(_("why it ended"), max_length=2000, blank=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("case of an incident")
        verbose_name_plural = _("cases of incidents")
        ordering = ["-created_at", "-id"]
        indexes = [
            GinIndex(SearchVector("what", "key", config="simple"), name="incident_case_words")
        ]
        constraints = [
            models.UniqueConstraint(
                "key", name="case_once_while_open", condition=Q(ended_at__isnull=True)
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, why="") | Q(ended_at__isnull=False) & ~Q(why=""),
                name="case_ends_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.what


class IncidentEvent(models.Model):
    """One step in an incident's history: what, who, when and why. Events are never changed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, models.PROTECT, related_name="events")
    from_status = models.CharField(max_length=12, blank=True)
    to_status = models.CharField(max_length=12)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(max_length=2000, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("incident event")
        verbose_name_plural = _("incident events")
        ordering = ["at", "id"]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"


class AlertAction(models.TextChoices):
    """The action of an alert, with PagerDuty's values."""

    TRIGGER = "trigger", _("Raised")
    RESOLVE = "resolve", _("Resolved")


class Alert(LeasedWork):
    """A message to the person on call. The row is both the intent and the record.

    It is about one incident, or about all incidents that one reconciliation found.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, models.PROTECT, null=True, related_name="alerts")
    # Needs no index: one_alert_a_run is used.
    run = models.ForeignKey(
        "redemption.Reconciliation",
        models.PROTECT,
        null=True,
        related_name="alerts",
        db_index=False,
    )
    action = models.CharField(_("alert"), max_length=10, choices=AlertAction.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=255, blank=True)

    objects = LeasedQuerySet["Alert"].as_manager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint("incident", "action", name="one_alert_of_a_kind"),
            models.UniqueConstraint("run", "action", name="one_alert_a_run"),
            models.CheckConstraint(
                condition=Q(incident__isnull=False, run__isnull=True)
                | Q(incident__isnull=True, run__isnull=False),
                name="alert_about_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(action__in=AlertAction.values), name="alert_action_known"
            ),
        ]
        indexes = [due_index("alert_due")]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.incident_id or self.run_id}"
