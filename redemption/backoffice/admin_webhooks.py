"""Webhook endpoints of companies: how they stand, what was sent, switching off, sending again.

Owners add and change them; nobody of the staff can, because what they are told is the company's.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.backoffice.finding import company_keys
from accounts.tasks import send_letters_of
from loyalty_portal.admin_site.base import ActingAdmin, badge
from loyalty_portal.admin_site.found import Branch, newest_of, with_words
from loyalty_portal.admin_site.verbs import Verb
from loyalty_portal.data.actor import Actor
from redemption.models import EndpointState, EventType, WebhookEndpoint
from redemption.webhooks_out import services
from redemption.webhooks_out.selectors import latest_deliveries, told_tries

_MOMENT = "%Y-%m-%dT%H:%M"
_TONES = {
    EndpointState.ACTIVE: "ok",
    EndpointState.FAILING: "warn",
    EndpointState.PAUSED: "quiet",
    EndpointState.DISABLED: "bad",
}


class SinceForm(forms.Form):
    """From when on what was missed is sent again."""

    since = forms.DateTimeField(
        label=gettext_lazy("Since"),
        input_formats=[_MOMENT],
        widget=UnfoldAdminTextInputWidget({"type": "datetime-local"}),
        help_text=gettext_lazy("At most 30 days back. What arrived is not sent again."),
    )


def _disable(endpoint: WebhookEndpoint, _data: dict[str, Any], by: Actor) -> str:
    services.disable_endpoint(endpoint.pk, by=by)
    send_letters_of(endpoint.company_id)
    return _("Disabled. The owners are told.")


def _enable(endpoint: WebhookEndpoint, _data: dict[str, Any], by: Actor) -> str:
    services.enable_endpoint(endpoint.pk, by=by)
    return _("Switched on again.")


def _replay(endpoint: WebhookEndpoint, data: dict[str, Any], by: Actor) -> str:
    number = services.replay(endpoint.pk, since=data["since"], by=by)
    return ngettext("%(n)s event is sent again.", "%(n)s events are sent again.", number) % {
        "n": number
    }


class EndpointStateFilter(admin.SimpleListFilter):
    """Filters endpoints by their state."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*EndpointState.choices, ("removed", _("Removed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "removed":
            return queryset.filter(removed_at__isnull=False)
        if self.value() in EndpointState.values:
            kept = WebhookEndpoint.objects.kept().in_state(str(self.value()))
            return queryset.filter(pk__in=kept.values("pk"))
        return queryset


class WebhookEndpointAdmin(ActingAdmin[WebhookEndpoint]):
    """Endpoints of all companies, the newest first. No page has a secret."""

    list_display = ["url", "company", "state", "failing_since", "disabled_at"]
    list_select_related = ["company"]
    list_filter = [EndpointStateFilter]
    search_fields = ["url"]
    search_help_text = gettext_lazy("Address or company")
    ordering = ["-id"]  # the time is in the key, which has an index
    page_template = "admin/redemption/webhook_endpoint.html"
    refusals = (services.EndpointRefusedError,)
    verbs = {
        "disable": Verb(gettext_lazy("Disable"), "redemption.disable_webhookendpoint", _disable),
        "enable": Verb(
            gettext_lazy("Switch on again"), "redemption.disable_webhookendpoint", _enable
        ),
        "replay": Verb(
            gettext_lazy("Send again"),
            "redemption.replay_webhookendpoint",
            _replay,
            SinceForm,
        ),
    }

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = WebhookEndpoint.objects.order_by()
        of_companies = newest_of(rows, "company", company_keys(term))
        return [with_words(rows, term, "url"), *of_companies]

    def facts(self, request: HttpRequest, row: WebhookEndpoint) -> dict[str, object]:
        return {
            "endpoint": row,
            "state": _state(row),
            "events": [EventType(event) for event in row.events],
            "deliveries": told_tries(latest_deliveries(row)),
        }

    def first_values(self, row: WebhookEndpoint) -> dict[str, object]:
        began = row.disabled_at or row.failing_since or timezone.now() - timedelta(days=1)
        return {"since": timezone.localtime(began).strftime(_MOMENT)}

    @admin.display(description=gettext_lazy("state"))
    def state(self, endpoint: WebhookEndpoint) -> SafeString:
        return _state(endpoint)


def _state(endpoint: WebhookEndpoint) -> SafeString:
    if endpoint.removed_at:
        return badge("quiet", _("Removed"))
    return badge(_TONES[endpoint.state], endpoint.state.label)
