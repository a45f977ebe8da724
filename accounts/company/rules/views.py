"""The page of the company: its facts, and for owners what they may change."""

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.company.rules.forms import CopiesForm, MoneyForm, PlaceForm
from accounts.invitations.members import spending_of
from accounts.models import Company
from accounts.permissions import acts_as_owner, may_change_rules
from accounts.seats.company_rules import RulesRefusedError, change_copies, change_rules, copies_of
from accounts.seats.limits import set_quarterly_budget
from accounts.seats.services import SeatRefusedError
from accounts.selectors import owners_of
from accounts.tasks import send_letters_of
from accounts.views import PortalRequest, with_seat
from loyalty_portal.http.responses import SeeOther, form_only


@dataclass(frozen=True, slots=True)
class CompanyPage:
    """The one object of the page's template. The forms are owners' alone."""

    company: Company
    owners: list[str]
    budget: str  # what is left of it; "" without one
    may_change: bool
    money: MoneyForm
    place: PlaceForm
    copies: CopiesForm


@require_safe
@with_seat()
def page(request: PortalRequest) -> HttpResponse:
    """What the company is at the programme, and by which rules it orders."""
    return _show(request)


@form_only("company:page")
@with_seat(allowed=acts_as_owner)
def change_money(request: PortalRequest) -> HttpResponse:
    """Change which orders need approval, and the budget of a quarter. All owners are told."""
    company, form = request.seat.company, MoneyForm(request.POST)

    def change() -> bool:
        budget, before = form.cleaned_data["quarterly_budget"], company.quarterly_budget
        with transaction.atomic():
            different = change_rules(company=company, changes=form.cleaned_data, by=request.actor)
            set_quarterly_budget(company=company, points=budget, by=request.actor)
        return different or budget != before

    return _saved(request, form, change, money=form)


@form_only("company:page")
@with_seat(allowed=acts_as_owner)
def change_place(request: PortalRequest) -> HttpResponse:
    """Change how the company signs, its time zone and its language."""
    company = request.seat.company
    form = PlaceForm(request.POST, company=company)
    return _saved(
        request,
        form,
        lambda: change_rules(company=company, changes=form.cleaned_data, by=request.actor),
        place=form,
    )


@form_only("company:page")
@with_seat(allowed=acts_as_owner)
def change_letters(request: PortalRequest) -> HttpResponse:
    """Change who gets copies of letters about orders."""
    company = request.seat.company
    form = CopiesForm(request.POST, copies={})
    return _saved(
        request,
        form,
        lambda: change_copies(company=company, copies=form.told, by=request.actor),
        copies=form,
    )


def _saved(
    request: PortalRequest,
    form: forms.Form,
    change: Callable[[], bool],
    *,
    money: MoneyForm | None = None,
    place: PlaceForm | None = None,
    copies: CopiesForm | None = None,
) -> HttpResponse:
    """Do the change of a valid form and say so; show the page with the form of a refused one."""
    if form.is_valid():
        try:
            different = change()
        except (RulesRefusedError, SeatRefusedError) as problem:
            form.add_error(None, str(problem))
        else:
            send_letters_of(request.seat.company_id)
            told = (
                _("Saved. All owners are told by e-mail.") if different else _("Nothing changed.")
            )
            messages.success(request, told)
            return SeeOther(resolve_url("company:page"))
    return _show(request, money=money, place=place, copies=copies, status=422)


def _show(
    request: PortalRequest,
    *,
    money: MoneyForm | None = None,
    place: PlaceForm | None = None,
    copies: CopiesForm | None = None,
    status: int = 200,
) -> HttpResponse:
    company = Company.objects.get(pk=request.seat.company_id)  # anew: a form must not rename it
    columns = (*MoneyForm.base_fields, *PlaceForm.base_fields)
    now = {name: getattr(company, name) for name in columns}
    made = CompanyPage(
        company=company,
        owners=[str(person) for person in owners_of(company.pk).order_by("name", "email")],
        budget=spending_of(company).budget,
        may_change=may_change_rules(request.actor, company),
        money=money or MoneyForm(initial=now),
        place=place or PlaceForm(initial=now, company=company),
        copies=copies or CopiesForm(copies=copies_of(company)),
    )
    return render(request, "accounts/company/company.html", {"page": made}, status=status)
