"""Staff's pages that take a company in, check its loyalty account, and invite people to it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.backoffice.forms import CheckForm, InviteForm, OnboardingForm
from accounts.backoffice.pages import Sheet, form_page
from accounts.invitations.onboarding import (
    NoAnswerError,
    OnboardingRefusedError,
    onboard,
    open_company,
)
from accounts.invitations.services import InvitationRefusedError, invite
from accounts.models import Company, Role
from accounts.permissions import may_add_companies, may_give_seats
from accounts.seats.company_rules import TOLD, tell_rules
from accounts.tasks import send_letters_of
from loyalty_portal.admin_site.base import KeptAdmin
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.http.responses import SeeOther


class Onboarding(KeptAdmin[Company]):
    """Adds to the pages of companies what people join by."""

    def get_urls(self) -> list[URLPattern]:
        views = {"invite": self.invite_view, "check": self.check_view}
        ours = [
            path(
                f"<uuid:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"accounts_company_{name}",
            )
            for name, view in views.items()
        ]
        return [*ours, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Take a company in: one form. The loyalty system is asked before anything is written."""
        if not may_add_companies(actor_of(request)):
            raise RefusedError("accounts.add_company")
        if request.method != "POST":
            return self._onboarding(request, OnboardingForm())
        form = OnboardingForm(request.POST)
        if not form.is_valid():
            return self._onboarding(request, form)
        unchecked = "unchecked" in request.POST
        try:
            company = onboard(new=form.told(), by=actor_of(request), unchecked=unchecked)
        except NoAnswerError:
            return self._onboarding(request, form, no_answer=True)
        except OnboardingRefusedError as error:
            form.add_error(error.field or None, str(error))
            return self._onboarding(request, form)
        send_letters_of(company.pk)
        messages.success(request, _told_of(company))
        return SeeOther(_page_of(company))

    def save_model(self, request: HttpRequest, obj: Company, form: Any, change: bool) -> None:
        """Save the company, and tell its owners when rules that are theirs are different now."""
        rows = Company.objects.filter(pk=obj.pk).values(*TOLD)
        saved = rows.first() or {}
        super().save_model(request, obj, form, change)
        before = {name: old for name, old in saved.items() if old != getattr(obj, name)}
        tell_rules(company=obj, before=before, by=actor_of(request))
        send_letters_of(obj.pk)

    def _onboarding(
        self, request: HttpRequest, form: OnboardingForm, *, no_answer: bool = False
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        facts = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": _("New company"),
            "form": form,
            "no_answer": no_answer,
        }
        status = 503 if no_answer else 422 if form.errors else 200
        template = "admin/accounts/onboarding.html"
        return TemplateResponse(request, template, facts, status=status)

    def check_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Check the loyalty account of a company that waits for it, and switch the company on."""
        if not may_add_companies(actor_of(request)):
            raise RefusedError("accounts.add_company")
        company = self._company(object_id)
        first = {"account": company.loyalty_account_id}
        form = CheckForm(request.POST if request.method == "POST" else None, initial=first)
        if form.is_bound and form.is_valid():
            try:
                account = form.cleaned_data["account"]
                open_company(company=company, account=account, by=actor_of(request))
            except NoAnswerError:
                form.add_error(None, _("The loyalty system does not answer. Try again later."))
            except OnboardingRefusedError as error:
                form.add_error(None, str(error))
            else:
                send_letters_of(company.pk)
                messages.success(request, _("The account is known. The company is switched on."))
                return SeeOther(_page_of(company))
        sentence = _(
            "The loyalty system is asked whether it knows the account %(account)s. If it does, the "
            "company is switched on, and whoever waits for it is invited."
        )
        sheet = Sheet(
            title=_("Check the loyalty account"),
            about=str(company),
            back=_page_of(company),
            sentences=[sentence % {"account": company.loyalty_account_id}],
            label=gettext_lazy("Check it now"),
        )
        return form_page(self, request, sheet, form)

    def invite_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Invite somebody to a seat of the company."""
        company, actor = self._company(object_id), actor_of(request)
        if not may_give_seats(actor, company, Role.VIEWER):
            raise RefusedError("accounts.add_accountmanager")
        form = InviteForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            said = form.cleaned_data
            try:
                invite(company=company, email=said["email"], role=said["role"], by=actor)
            except InvitationRefusedError as error:
                form.add_error(None, str(error))
            else:
                send_letters_of(company.pk)
                told = _("%(email)s gets a letter with a link for seven days.")
                messages.success(request, told % {"email": said["email"].lower()})
                return SeeOther(_page_of(company))
        sheet = Sheet(
            title=_("Invite somebody"),
            about=str(company),
            back=_page_of(company),
            sentences=[_("All owners of the company are told when the invitation is accepted.")],
            label=gettext_lazy("Send the invitation"),
        )
        return form_page(self, request, sheet, form)

    def _company(self, key: UUID) -> Company:
        company = Company.objects.filter(pk=key).first()
        if company is None:
            raise Http404
        return company


def _page_of(company: Company) -> str:
    return reverse("admin:accounts_company_change", args=[company.pk])


def _told_of(company: Company) -> str:
    if company.awaits_account_check:
        return _(
            "The company is written down and switched off. Check the loyalty account when the "
            "loyalty system answers; then the owner is invited."
        )
    return _("The company can begin: its owner is invited.")
