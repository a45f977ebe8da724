"""The forms in which owners make, rotate and revoke API keys."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.access.keys import USUAL_LIFE, USUAL_OVERLAP, ApiKeyTerms
from accounts.models import Role, Scope
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.one_line import OneLineField

_LIVES = ((30, _("30 days")), (90, _("90 days")), (365, _("1 year")), (730, _("2 years")))
_OVERLAPS = ((0, _("It ends at once")), (1, _("1 hour")), (24, _("24 hours")), (168, _("7 days")))
_BETWEEN = re.compile(r"[\s,;]+")


class KeyForm(forms.Form):
    """A new API key. `form` is its id, so that one form makes one key."""

    form = forms.UUIDField(widget=forms.HiddenInput, initial=uuid7)
    name = OneLineField(
        label=_("Name"),
        max_length=100,
        help_text=_("Which system has it, such as “SAP in Hamburg”. It stands beside its orders."),
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"), choices=Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    role = forms.ChoiceField(
        label=_("Role"),
        choices=Role.choices,
        initial=Role.BUYER,
        help_text=_("It does what it may do only as far as this role does. No key approves."),
    )
    life = forms.TypedChoiceField(
        label=_("Valid for"), choices=_LIVES, coerce=int, initial=USUAL_LIFE.days
    )
    networks = forms.CharField(
        label=_("Networks from which it may be used"),
        required=False,
        max_length=2500,
        help_text=_("One a line, such as 192.0.2.0/24. Empty: from everywhere."),
        widget=forms.Textarea({"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
    )
    notify_email = forms.EmailField(
        label=_("E-mail for letters about its orders"),
        required=False,
        max_length=255,
        help_text=_("Empty: an owner of the company gets them."),
    )

    @property
    def key_id(self) -> UUID:
        """The id of the key that this form makes."""
        made: UUID = self.cleaned_data["form"]
        return made

    @property
    def terms(self) -> ApiKeyTerms:
        """What was chosen."""
        said: dict[str, Any] = self.cleaned_data
        return ApiKeyTerms(
            name=said["name"],
            role=said["role"],
            scopes=said["scopes"],
            allowed_networks=[each for each in _BETWEEN.split(said["networks"]) if each],
            notify_email=said["notify_email"],
            expires_at=timezone.now() + timedelta(days=said["life"]),
        )


class RotateForm(forms.Form):
    """How long the old key stays valid beside its successor."""

    hours = forms.TypedChoiceField(
        label=_("How long the old key stays valid"),
        choices=_OVERLAPS,
        coerce=int,
        initial=int(USUAL_OVERLAP / timedelta(hours=1)),
    )

    @property
    def overlap(self) -> timedelta:
        """What was chosen."""
        return timedelta(hours=self.cleaned_data["hours"])


class RevokeForm(forms.Form):
    """Why a key is revoked."""

    reason = OneLineField(
        label=_("Why? All owners read it."),
        max_length=255,
        widget=forms.TextInput({"autocomplete": "off"}),
    )
