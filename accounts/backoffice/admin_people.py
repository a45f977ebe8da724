"""Sending a person the letter for a new password, and removing a second factor that they lost."""

import logging
import smtplib
from typing import Any
from uuid import UUID

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.access.factors.factor_changes import FactorRefusedError, remove_lost
from accounts.backoffice.forms import LostFactorForm, ResetForm
from accounts.backoffice.pages import Sheet, form_page
from accounts.models import User
from accounts.models.readers import reader_of
from accounts.permissions import may_send_reset
from loyalty_portal.admin_site.base import KeptAdmin
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.http.responses import SeeOther

logger = logging.getLogger(__name__)


class Resetting(KeptAdmin[User]):
    """Adds to the pages of people the ways back in, for whoever lost a password or a factor."""

    def get_urls(self) -> list[URLPattern]:
        reset = self.admin_site.admin_view(self.reset_view)
        lost = self.admin_site.admin_view(self.factors_view)
        return [
            path("<uuid:object_id>/reset/", reset, name="accounts_user_reset"),
            path("<uuid:object_id>/factors/", lost, name="accounts_user_factors"),
            *super().get_urls(),
        ]

    def reset_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Send the letter, with a reason that the trail keeps."""
        person, actor = User.objects.filter(pk=object_id).first(), actor_of(request)
        if not actor.has_perm("accounts.send_reset"):
            raise RefusedError("accounts.send_reset")
        if person is None:
            raise Http404
        if not may_send_reset(actor, person):
            raise RefusedError("accounts.manage_staff")
        form = ResetForm(request.POST if request.method == "POST" else None)
        there = reverse("admin:accounts_user_change", args=[person.pk])
        if form.is_bound and form.is_valid():
            if refusal := _sent(request, person, form.cleaned_data["reason"]):
                form.add_error(None, refusal)
            else:
                messages.success(request, _("%(who)s gets the letter.") % {"who": person.email})
                return SeeOther(there)
        sheet = Sheet(
            title=_("Letter for a new password"),
            about=f"{person} · {person.email}",
            back=there,
            sentences=[
                _("The person gets a link by e-mail and chooses a new password with it."),
                _("Nobody else sees the link, and the present password works until then."),
            ],
            label=gettext_lazy("Send the letter"),
        )
        return form_page(self, request, sheet, form)

    def factors_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Remove the second factor that a person has lost, with a reason that the trail keeps."""
        person, actor = User.objects.filter(pk=object_id).first(), actor_of(request)
        if not actor.has_perm("accounts.remove_factors"):
            raise RefusedError("accounts.remove_factors")
        if person is None:
            raise Http404
        form = LostFactorForm(request.POST if request.method == "POST" else None)
        there = reverse("admin:accounts_user_change", args=[person.pk])
        if form.is_bound and form.is_valid():
            try:
                remove_lost(person=person, by=actor, reason=form.cleaned_data["reason"])
            except FactorRefusedError as error:
                form.add_error(None, str(error))
            else:
                told = _("Removed. %(who)s gets a letter, and can set up another one.")
                messages.success(request, told % {"who": person.email})
                return SeeOther(there)
        sheet = Sheet(
            title=_("Remove a lost second step"),
            about=f"{person} · {person.email}",
            back=there,
            sentences=[
                _("Make sure by telephone that it is this person: a thief asks for the same."),
                _("Their app, passkeys and recovery codes are removed, and they are signed out."),
                _("They get a letter about it, with your reason."),
            ],
            label=gettext_lazy("Remove it"),
        )
        return form_page(self, request, sheet, form)


def _sent(request: HttpRequest, person: User, reason: str) -> str:
    """Send the letter and record it. Returns why not, or "" when it is sent."""
    if not person.is_active:
        return _("This person is switched off and could not sign in with a new password.")
    try:
        _send(request, person)
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("letter for a new password could not be sent: %s", type(error).__name__)
        return _("The mail server does not take the letter at the moment. Try again later.")
    facts: dict[str, Any] = {"reason": reason}
    record(TrailKind.PASSWORD_RESET_ASKED, by=actor_of(request), about=person, facts=facts)
    return ""


def _send(request: HttpRequest, person: User) -> None:
    """Send allauth's letter; its own form would record it without who asked for it."""
    adapter, uid = get_adapter(request), user_pk_to_url_str(person)
    key = default_token_generator.make_token(person)
    context = {
        "user": person,
        "uid": uid,
        "key": key,
        "password_reset_url": adapter.get_reset_password_from_key_url(f"{uid}-{key}"),
        "request": request,
    }
    with reader_of(person).reading():
        adapter.send_mail("account/email/password_reset_key", person.email, context)
