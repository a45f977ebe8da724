"""Endpoints of companies' own systems, and the deliveries of changes to them."""

import random
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models, transaction
from django.db.models import Count, F, OuterRef, Q, Subquery, Window
from django.db.models.functions import Coalesce, Now, RowNumber
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Company
from loyalty_portal.data.encrypted_field import EncryptedTextField
from loyalty_portal.data.history import tracked
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import LeasedQuerySet, LeasedWork, due_index
from loyalty_portal.feed.models import FeedItem
from loyalty_portal.feed.triggers import followed

AT_ONCE, AT_ONCE_FAILING = 4, 1  # calls of one endpoint that go on at the same time
# Of all endpoints of a company: half of what one sweeper has hands for, so that no company whose
# systems are slow holds up the others.
AT_ONCE_OF_COMPANY = 8
MISSED_KEPT = timedelta(days=30)  # as long as the feed keeps its changes


class EventType(models.TextChoices):
    """What an endpoint may be told. Receivers are told that more may come."""

    ORDER_PLACED = "order.placed", _("Order placed")
    ORDER_APPROVAL_REQUESTED = "order.approval_requested", _("Approval of an order requested")
    ORDER_CONFIRMED = "order.confirmed", _("Order confirmed")
    ORDER_DECLINED = "order.declined", _("Order declined, not approved, or its approval ran out")
    ORDER_SHIPPED = "order.shipped", _("Line of an order shipped")
    ORDER_LINE_DELIVERED = "order.line_delivered", _("Line of an order delivered")
    ORDER_LINE_FAILED = "order.line_failed", _("Line of an order could not be supplied")
    ORDER_COMPLETED = "order.completed", _("Order completed")
    ORDER_CANCELLED = "order.cancelled", _("Order cancelled")
    ORDER_CREDITED = "order.credited", _("Points of an order given back")
    POINTS_SETTLED = "points.settled", _("Points transaction settled")
    POINTS_NEEDS_REVIEW = "points.needs_review", _("Points transaction needs a person")
    MEMBER_CHANGED = "member.changed", _("Member added or changed")
    ENDPOINT_DISABLED = "endpoint.disabled", _("Another endpoint was disabled")


PING = "endpoint.ping"  # sent to one endpoint on request, and never part of the feed


class EndpointState(models.TextChoices):
    """How an endpoint is, which follows from its columns."""

    ACTIVE = "active", _("Active")
    FAILING = "failing", _("Failing")
    PAUSED = "paused", _("Company switched off")
    DISABLED = "disabled", _("Disabled")


class DisabledWhy(models.TextChoices):
    """Why nothing is sent to an endpoint any more."""

    STOPPED = "stopped", _("Every call failed for five days")
    GONE = "gone", _("It answered that it is gone (410)")
    STAFF = "staff", _("Staff of the programme switched it off")


class EndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    """Finds endpoints."""

    def kept(self) -> Self:
        """Those that nobody removed."""
        return self.filter(removed_at=None)

    def told(self) -> Self:
        """Those to which events are sent now; see `WebhookEndpoint.is_told`."""
        return self.kept().filter(disabled_at=None, company__is_active=True)

    def in_state(self, state: str) -> Self:
        """Those in this state; see `WebhookEndpoint.state`."""
        if state == EndpointState.DISABLED:
            return self.filter(disabled_at__isnull=False)
        rows = self.filter(disabled_at=None, company__is_active=state != EndpointState.PAUSED)
        if state == EndpointState.PAUSED:
            return rows
        return rows.filter(failing_since__isnull=state == EndpointState.ACTIVE)


@tracked(
    leave_out=[
        "secret",
        "secret_call",
        "former_secret",
        "failing_since",
        "failed_at",
        "warned_at",
        "pinged_at",
    ]
)
class WebhookEndpoint(models.Model):
    """An address of a company's own system that is told what changed.

    A removed one stays as a row, so that what was sent to it can be explained.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    company = models.ForeignKey(Company, models.PROTECT, related_name="webhook_endpoints")
    url = models.CharField(_("address"), max_length=500)
    events = ArrayField(
        models.CharField(max_length=40, choices=EventType.choices), verbose_name=_("events")
    )
    secret = EncryptedTextField(editable=False)
    secret_call = models.UUIDField(
        null=True, unique=True, editable=False, help_text=_("The API's call that made the secret.")
    )
    former_secret = EncryptedTextField(
        null=True, editable=False, help_text=_("Signs too, until `former_until`.")
    )
    former_until = models.DateTimeField(
        _("former secret until"), null=True, blank=True, editable=False
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)
    failing_since = models.DateTimeField(
        _("failing since"), null=True, blank=True, help_text=_("The first failure in a row.")
    )
    failed_at = models.DateTimeField(_("last failure"), null=True, blank=True)
    warned_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the owners were told that it fails.")
    )
    pinged_at = models.DateTimeField(_("last ping that arrived"), null=True, blank=True)
    disabled_at = models.DateTimeField(_("disabled"), null=True, blank=True)
    disabled_why = models.CharField(
        _("reason"), max_length=10, choices=DisabledWhy.choices, blank=True, default=""
    )

    objects = EndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        ordering = ["created_at", "id"]
        permissions = [
            ("disable_webhookendpoint", "Can disable webhook endpoints of companies"),
            ("replay_webhookendpoint", "Can send what webhook endpoints missed again"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(events=[]) & Q(events__contained_by=EventType.values),
                name="endpoint_events_known",
            ),
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_why="")
                | Q(disabled_at__isnull=False, disabled_why__in=DisabledWhy.values),
                name="endpoint_disabled_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(former_secret__isnull=True, former_until=None)
                | Q(former_secret__isnull=False, former_until__isnull=False),
                name="endpoint_former_secret_ends",
            ),
        ]
        indexes = [GinIndex(SearchVector("url", config="simple"), name="endpoint_words")]
        triggers = [
            followed(
                company="NEW.company_id",
                until="LEAST(NEW.removed_at, NEW.disabled_at + interval '30 days')",
                by=["removed_at", "disabled_at"],
            )
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def state(self) -> EndpointState:
        if self.disabled_at:
            return EndpointState.DISABLED
        if not self.company.is_active:
            return EndpointState.PAUSED
        return EndpointState.FAILING if self.failing_since else EndpointState.ACTIVE

    @property
    def is_told(self) -> bool:
        """Whether events are sent to it now."""
        return not (self.disabled_at or self.removed_at) and self.company.is_active

    @property
    def at_once(self) -> int:
        """How many of its deliveries may be on their way. One that fails holds up one call."""
        return AT_ONCE_FAILING if self.failing_since else AT_ONCE

    @property
    def may_replay(self) -> bool:
        """Whether a ping arrived, and nothing failed since."""
        if not self.is_told or self.pinged_at is None:
            return False
        return self.failed_at is None or self.pinged_at > self.failed_at

    def secrets_now(self) -> list[str]:
        """The secrets that sign a call now, the newest first."""
        former = self.former_secret if self._former_counts() else None
        return [str(each) for each in (self.secret, former) if each]

    def _former_counts(self) -> bool:
        return self.former_until is not None and self.former_until > timezone.now()


class DeliveryQuerySet(LeasedQuerySet["WebhookDelivery"]):
    """Finds and claims deliveries, so that no endpoint has more than its number on their way, and
    no company many more than its own: endpoints that are claimed at once do not see each other.
    """

    def due_ids(self, limit: int) -> list[UUID]:
        """The ids of the most overdue rows, of each endpoint only as many as may go now, and none
        of a company that has enough on their way.
        """
        going = (
            WebhookDelivery.objects.filter(endpoint=OuterRef("endpoint"), lease_until__gt=Now())
            .order_by()
            .values("endpoint")
            .annotate(n=Count("pk"))
            .values("n")
        )
        place = Window(
            RowNumber(), partition_by="endpoint", order_by=[F("next_attempt_at"), F("pk")]
        )
        rows = self.due().exclude(endpoint__company__in=self._busy_companies())
        rows = rows.annotate(place=place, going=Coalesce(Subquery(going), 0))
        free = Q(endpoint__failing_since=None, place__lte=AT_ONCE - F("going")) | Q(
            endpoint__failing_since__isnull=False, place__lte=AT_ONCE_FAILING - F("going")
        )
        due = list(
            rows.filter(free).order_by("next_attempt_at").values_list("pk", flat=True)[:limit]
        )
        random.shuffle(due)  # two sweepers that found the same rows begin with different ones
        return due

    def claim(self, pk: UUID, *, seconds: float) -> "WebhookDelivery | None":
        """Lease one due row for `seconds`, unless its endpoint or its company has enough on their
        way. Returns it with its endpoint and change.

        The endpoint is locked, so that claims at once are counted one after another.
        """
        with transaction.atomic(using=self.db):
            rows = self.due().select_related("endpoint__company", "change").filter(pk=pk)
            row = rows.select_for_update(no_key=True, of=("endpoint",)).first()
            if row is None or self._has_enough(row.endpoint):
                return None
            row.lease_token = self.lease(pk, seconds=seconds)
            row.attempts += 1  # as the lease counts it
            return row if row.lease_token else None

    def _has_enough(self, endpoint: WebhookEndpoint) -> bool:
        going = WebhookDelivery.objects.filter(lease_until__gt=Now())
        counted = going.filter(endpoint__company=endpoint.company_id).aggregate(
            company=Count("pk"), endpoint=Count("pk", filter=Q(endpoint=endpoint))
        )
        return bool(
            counted["endpoint"] >= endpoint.at_once or counted["company"] >= AT_ONCE_OF_COMPANY
        )

    def _busy_companies(self) -> models.QuerySet["WebhookDelivery", UUID]:
        """The ids of companies that have as many on their way as they may."""
        going = WebhookDelivery.objects.filter(lease_until__gt=Now()).order_by()
        busy = going.values("endpoint__company").annotate(n=Count("pk"))
        return busy.filter(n__gte=AT_ONCE_OF_COMPANY).values_list("endpoint__company", flat=True)

    def pings_before(self, moment: datetime) -> Self:
        """The pings that were made before this moment."""
        return self.filter(change=None, created_at__lt=moment)

    def undelivered(self) -> Self:
        return self.filter(delivered_at=None)


class WebhookDelivery(LeasedWork):
    """One delivery of one feed event to one endpoint: queue row and attempt log.

    `tries` are objects with `at` (RFC 3339), `status_code` or null, `duration_ms`, and `error`: ""
    or a word of `loyalty_portal.outbound_http.Failure`. Without a change it is a ping.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, models.PROTECT, related_name="deliveries", db_index=False
    )
    change = models.ForeignKey(
        FeedItem, models.CASCADE, null=True, related_name="deliveries", verbose_name=_("change")
    )
    created_at = models.DateTimeField(_("made"), db_default=Now())
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    tries = models.JSONField(default=list, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "change"], name="delivery_once"),
            models.CheckConstraint(
                condition=Q(delivered_at=None) | Q(next_attempt_at=None),
                name="delivery_ends_delivered",
            ),
        ]
        indexes = [
            due_index("delivery_due"),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="delivery_of_endpoint"),
            models.Index(
                fields=["endpoint"],
                name="delivery_going",
                condition=Q(lease_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"

    @property
    def type(self) -> str:
        return self.change.type if self.change else PING

    @property
    def message_id(self) -> str:
        """The `webhook-id` of each try."""
        return f"msg_{self.pk.hex}"

    @property
    def happened_at(self) -> datetime:
        return self.change.occurred_at if self.change else self.created_at

    @property
    def is_waiting(self) -> bool:
        """Whether it will be tried, again or for the first time."""
        return self.next_attempt_at is not None
