"""Seats of companies: what they may do, and switching them. Services write each change."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.backoffice.finding import company_keys, people_keys
from accounts.backoffice.forms import LimitForm, RoleForm, SeatReasonForm
from accounts.invitations.members import spending_by_month, spending_of
from accounts.models import AccountManager
from accounts.seats.limits import set_monthly_limit
from accounts.seats.periods import month_of
from accounts.seats.see_as.views import see_as
from accounts.seats.services import SeatRefusedError, change_role, switch_off, switch_on
from accounts.tasks import send_letters_of
from loyalty_portal.admin_site.base import ActingAdmin, badge
from loyalty_portal.admin_site.found import Branch, newest_of
from loyalty_portal.admin_site.verbs import Verb
from loyalty_portal.data.actor import Actor


def _switching(
    service: Callable[..., None], told: Any
) -> Callable[[AccountManager, dict[str, Any], Actor], str]:
    def act(seat: AccountManager, data: dict[str, Any], by: Actor) -> str:
        service(seat=seat, by=by, reason=data["reason"])
        send_letters_of(seat.company_id)
        return str(told)

    return act


def _change_role(seat: AccountManager, data: dict[str, Any], by: Actor) -> str:
    change_role(seat=seat, role=data["role"], by=by, reason=data["reason"])
    send_letters_of(seat.company_id)
    return _("The role is changed. The owners are told.")


def _set_limit(seat: AccountManager, data: dict[str, Any], by: Actor) -> str:
    set_monthly_limit(seat=seat, points=data["points"], by=by)
    return _("The limit is changed.")


class SeatAdmin(ActingAdmin[AccountManager]):
    """The seats of all companies."""

    list_display = ["user", "email_shown", "company", "role", "state"]
    list_select_related = ["user", "company"]
    list_filter = ["role", "is_active"]
    search_fields = ["user__email"]
    ordering = ["-id"]
    search_help_text = gettext_lazy("Name, e-mail or company")
    page_template = "admin/accounts/seat.html"
    refusals = (SeatRefusedError,)
    verbs = {
        "off": Verb(
            gettext_lazy("Switch off"),
            "accounts.switch_seats",
            _switching(switch_off, gettext_lazy("The seat is switched off. The owners are told.")),
            SeatReasonForm,
        ),
        "on": Verb(
            gettext_lazy("Switch on"),
            "accounts.switch_seats",
            _switching(switch_on, gettext_lazy("The seat is switched on. The owners are told.")),
            SeatReasonForm,
        ),
        "role": Verb(
            gettext_lazy("Change the role"),
            "accounts.change_accountmanager",
            _change_role,
            RoleForm,
        ),
        "limit": Verb(
            gettext_lazy("Change the limit"), "accounts.change_company", _set_limit, LimitForm
        ),
    }

    def get_urls(self) -> list[URLPattern]:
        """Add the page that begins to see the portal as the seat."""
        begin = self.admin_site.admin_view(see_as)
        return [
            path("<uuid:object_id>/see-as/", begin, name="accounts_see_as"),
            *super().get_urls(),
        ]

    def found_by(self, term: str) -> Sequence[Branch]:
        seats = AccountManager.objects.all()
        return [
            *newest_of(seats, "user", people_keys(term)),
            *newest_of(seats, "company", company_keys(term)),
        ]

    def first_values(self, row: AccountManager) -> dict[str, object]:
        return {"role": row.role, "points": row.monthly_limit}

    def facts(self, request: HttpRequest, row: AccountManager) -> dict[str, object]:
        months = spending_by_month(row)
        used, limit = months[0][1], row.monthly_limit
        return {
            "seat": row,
            "state": on_or_off(on=row.is_active),
            "months": months,
            "used": used,
            "left": None if limit is None else max(0, limit - used),
            "renews": month_of(row.company, timezone.now()).renews,
            "budget_left": spending_of(row.company).budget_left,
        }

    @admin.display(description=gettext_lazy("e-mail"))
    def email_shown(self, seat: AccountManager) -> str:
        return seat.email

    @admin.display(description=gettext_lazy("state"))
    def state(self, seat: AccountManager) -> SafeString:
        return on_or_off(on=seat.is_active)


def on_or_off(*, on: bool) -> SafeString:
    if on:
        return badge("ok", _("Active"))
    return badge("quiet", _("Switched off"), icon="block")
