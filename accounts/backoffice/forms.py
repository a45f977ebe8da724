"""Forms of staff about companies, seats, invitations and people."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.invitations.onboarding import NewCompany
from accounts.models import Role, TierLevel, languages, programme_language, programme_zone
from accounts.seats.limits import LARGEST_LIMIT
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.one_line import OneLineField, TextField
from loyalty_portal.data.zones import zone_names

LARGEST_POINTS = 2_147_483_647


def _reason(help_text: Any) -> TextField:
    return TextField(
        label=_("Reason"),
        help_text=help_text,
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class SeatReasonForm(forms.Form):
    """Why a seat is switched off or on."""

    reason = _reason(_("The owners of the company read this, and the trail keeps it."))


class KeyReasonForm(forms.Form):
    """Why an API key is revoked."""

    reason = _reason(_("The owners of the company read this."))


class LimitForm(forms.Form):
    """How many points a seat may order in a month."""

    points = forms.IntegerField(
        label=_("Points a month"),
        required=False,
        min_value=0,
        max_value=LARGEST_LIMIT,
        help_text=_("In a calendar month of the company’s time zone. Empty: no limit."),
        widget=UnfoldAdminIntegerFieldWidget({"inputmode": "numeric"}),
    )


class RoleForm(SeatReasonForm):
    """Another role for a seat."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, widget=UnfoldAdminSelectWidget)
    field_order = ("role", "reason")


class ResetForm(forms.Form):
    """Why a person is sent the letter for a new password."""

    reason = _reason(_("The trail keeps this for ever: write no names and no addresses."))


class LostFactorForm(forms.Form):
    """Why a person's second factor is removed."""

    reason = _reason(_("The person reads this, and the trail keeps it: write no names."))


class CheckForm(forms.Form):
    """Check a company's loyalty account: the one that the page shows."""

    account = OneLineField(
        max_length=100,
        widget=forms.HiddenInput,
        error_messages={"required": _("Open the page and read which account is checked.")},
    )


class InviteForm(forms.Form):
    """Whom to invite."""

    email = forms.EmailField(label=_("E-mail"), max_length=255, widget=UnfoldAdminEmailInputWidget)
    role = forms.ChoiceField(
        label=_("Role"), choices=Role.choices, initial=Role.BUYER, widget=UnfoldAdminSelectWidget
    )


class OnboardingForm(forms.Form):
    """A new company with its first owner. `id` is the company's key, the same however often the
    form is sent.
    """

    id = forms.UUIDField(
        widget=forms.HiddenInput,
        initial=uuid7,
        error_messages={
            "required": _("Open the form again, so that it makes one company only."),
            "invalid": _("Open the form again, so that it makes one company only."),
        },
    )
    name = OneLineField(label=_("Name"), max_length=255, widget=UnfoldAdminTextInputWidget)
    loyalty_account_id = OneLineField(
        label=_("Loyalty account"),
        max_length=100,
        help_text=_("The loyalty system is asked whether it knows the account."),
        widget=UnfoldAdminTextInputWidget,
    )
    tier_level = forms.ChoiceField(
        label=_("Tier"),
        choices=TierLevel.choices,
        help_text=_("The company sees the products of this tier and of those below it."),
        widget=UnfoldAdminSelectWidget,
    )
    approval_threshold = forms.IntegerField(
        label=_("Approval threshold"),
        required=False,
        min_value=0,
        max_value=LARGEST_POINTS,
        help_text=_("Orders above this number of points need approval. Empty: no order does."),
        widget=UnfoldAdminIntegerFieldWidget({"inputmode": "numeric"}),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=[(name, name) for name in zone_names()],
        initial=programme_zone,
        widget=UnfoldAdminSelectWidget,
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=languages,
        initial=programme_language,
        help_text=_("Of letters to people of the company who have chosen none."),
        widget=UnfoldAdminSelectWidget,
    )
    owner_email = forms.EmailField(
        label=_("E-mail of the first owner"),
        max_length=255,
        help_text=_("Gets an invitation, and can invite everybody else."),
        widget=UnfoldAdminEmailInputWidget,
    )

    def clean_id(self) -> UUID:
        key: UUID = self.cleaned_data["id"]
        if key.version != 7:
            raise ValidationError(_("Open the form again, so that it makes one company only."))
        return key

    def told(self) -> NewCompany:
        """What a valid form says."""
        said = self.cleaned_data
        return NewCompany(**{name: said[name] for name in self.fields})
