"""The forms of invitations: a new person's name and password, and whom to invite."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from loyalty_portal.data.one_line import OneLineField


def _new_password(label: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, strip=False, widget=widget, max_length=4096)


class NewPersonForm(forms.Form):
    """What a new person says about themselves. The address is the invited one."""

    email = forms.EmailField(
        label=_("E-mail"),
        disabled=True,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    name = OneLineField(
        label=_("Your name"),
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password1 = _new_password(_("Password"))
    password2 = _new_password(_("The same again"))

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        first, second = said.get("password1"), said.get("password2")
        if first and second and first != second:
            self.add_error("password2", _("These are two different passwords."))
        elif first:
            person = User(email=said.get("email", ""), name=said.get("name", ""))
            try:
                validate_password(first, person)
            except forms.ValidationError as error:
                self.add_error("password1", error)
        return said
