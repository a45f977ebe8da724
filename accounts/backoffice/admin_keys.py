"""API keys of companies: what they may do, when they were used, and revoking them.

Owners make and rotate keys; nobody of the staff can, because a key acts for its company.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.access.keys import KeyRefusedError, revoke_key
from accounts.backoffice.finding import company_keys
from accounts.backoffice.forms import KeyReasonForm
from accounts.models import AccountManager, ApiKey, Scope
from accounts.models.keys import SHOWN_FIRST
from accounts.tasks import send_letters_of
from loyalty_portal.admin_site.base import ActingAdmin, badge
from loyalty_portal.admin_site.found import Branch, with_words
from loyalty_portal.admin_site.verbs import Verb
from loyalty_portal.data.actor import Actor


def _revoke(key: ApiKey, data: dict[str, Any], by: Actor) -> str:
    revoke_key(key=key, reason=data["reason"], by=by)
    send_letters_of(key.seat.company_id)
    return _("Revoked. The owners are told.")


class KeyStateFilter(admin.SimpleListFilter):
    """Filters keys by whether they can be used."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", _("Live")), ("ended", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        live = ApiKey.objects.live()
        if self.value() == "live":
            return queryset.filter(pk__in=live.values("pk"))
        if self.value() == "ended":
            return queryset.exclude(pk__in=live.values("pk"))
        return queryset


class ApiKeyAdmin(ActingAdmin[ApiKey]):
    """Keys of all companies, the newest first. No page has a key itself."""

    list_display = ["name", "company", "shown_text", "state", "used", "expires_at"]
    list_select_related = ["seat__company", "seat__user"]
    list_filter = [KeyStateFilter]
    search_fields = ["name"]
    search_help_text = gettext_lazy("Name, company or the first characters of the key")
    ordering = ["-id"]  # the time is in the key, which has an index
    page_template = "admin/accounts/api_key.html"
    refusals = (KeyRefusedError,)
    verbs = {
        "revoke": Verb(gettext_lazy("Revoke"), "accounts.revoke_apikey", _revoke, KeyReasonForm),
    }

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = ApiKey.objects.order_by()
        seats = AccountManager.objects.filter(company__in=company_keys(term), user__is_machine=True)
        return [
            with_words(rows, term, "name"),
            rows.filter(shown_first=term[:SHOWN_FIRST]),
            rows.filter(seat__in=seats),
        ]

    def facts(self, request: HttpRequest, row: ApiKey) -> dict[str, object]:
        successor = ApiKey.objects.filter(replaces=row.pk).first()
        scopes = [Scope(scope) for scope in row.scopes]
        return {"key": row, "state": _state(row), "scopes": scopes, "successor": successor}

    @admin.display(description=gettext_lazy("company"))
    def company(self, key: ApiKey) -> str:
        return str(key.seat.company)

    @admin.display(description=gettext_lazy("key"))
    def shown_text(self, key: ApiKey) -> str:
        return key.shown

    @admin.display(description=gettext_lazy("last used"))
    def used(self, key: ApiKey) -> Any:
        return key.last_used_at or _("Never")

    @admin.display(description=gettext_lazy("state"))
    def state(self, key: ApiKey) -> SafeString:
        return _state(key)


def _state(key: ApiKey) -> SafeString:
    if key.revoked_at:
        return badge("quiet", _("Revoked"), icon="block")
    if key.expires_at <= timezone.now():
        return badge("quiet", _("Expired"))
    if not key.seat.is_usable:
        return badge("warn", _("Its seat or company is off"))
    return badge("ok", _("Live"))
