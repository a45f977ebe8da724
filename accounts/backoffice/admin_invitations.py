"""Invitations to seats: whether their letters went out, and sending them again."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.backoffice.finding import company_keys
from accounts.invitations.services import InvitationRefusedError, revoke, send_again
from accounts.models import Invitation, InvitationEnd
from accounts.tasks import send_letters_of
from loyalty_portal.admin_site.base import ActingAdmin, badge
from loyalty_portal.admin_site.found import Branch, newest_of
from loyalty_portal.admin_site.verbs import Verb
from loyalty_portal.data.actor import Actor

_MAY = "accounts.add_accountmanager"


def _send_again(invitation: Invitation, data: dict[str, Any], by: Actor) -> str:
    send_again(invitation=invitation, by=by)
    send_letters_of(invitation.company_id)
    told = _("%(email)s gets a letter with a new link for seven days.")
    return told % {"email": invitation.email}


def _revoke(invitation: Invitation, data: dict[str, Any], by: Actor) -> str:
    revoke(invitation=invitation, by=by)
    return _("Taken back. The link does not work any more.")


class InvitationAdmin(ActingAdmin[Invitation]):
    """Invitations of all companies, the newest first."""

    list_display = ["email", "company", "role", "state", "by", "created_at", "expires_at"]
    list_select_related = ["company", "by"]
    list_filter = ["end", "role"]
    search_fields = ["email"]
    search_help_text = gettext_lazy("E-mail or company")
    ordering = ["-id"]  # the time is in the key, which has an index
    page_template = "admin/accounts/invitation.html"
    refusals = (InvitationRefusedError,)
    verbs = {
        "again": Verb(gettext_lazy("Send again"), _MAY, _send_again),
        "revoke": Verb(gettext_lazy("Take back"), _MAY, _revoke),
    }

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = Invitation.objects.order_by()
        of_companies = newest_of(rows, "company", company_keys(term))
        return [rows.filter(email__istartswith=term), *of_companies]

    def facts(self, request: HttpRequest, row: Invitation) -> dict[str, object]:
        letters = row.letters.order_by("created_at")
        return {"invitation": row, "state": _state(row), "letters": letters}

    @admin.display(description=gettext_lazy("state"))
    def state(self, invitation: Invitation) -> SafeString:
        return _state(invitation)


def _state(invitation: Invitation) -> SafeString:
    if invitation.has_expired:
        return badge("warn", _("Expired"))
    if invitation.is_open and not invitation.company.is_active:
        return badge("quiet", _("Waits for the company"), icon="hourglass_empty")
    if invitation.is_open:
        return badge("live", _("Open"), icon="mail")
    tone = "ok" if invitation.end == InvitationEnd.ACCEPTED else "quiet"
    return badge(tone, invitation.get_end_display())
