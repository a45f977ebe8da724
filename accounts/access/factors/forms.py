"""The forms in which people give a second factor. Each refusal enters the trail."""

from typing import Any

from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.access.factors import codes
from accounts.models import User
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.data.one_line import OneLineField

LONGEST_CREDENTIAL = 20_000  # characters; a browser's has about two thousand
REFUSED = "refused"  # the step in the trail
TOO_MANY_CODES = "too_many_codes"  # the code of that error
_ONE_TIME = {"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}


def _code_field(help_text: Any) -> forms.CharField:
    return OneLineField(
        label=_("Code"),
        help_text=help_text,
        max_length=32,
        widget=forms.TextInput(attrs=_ONE_TIME),
    )


def _refuse(
    person: User | None, factor: str, why: Any, *, code: str | None = None
) -> ValidationError:
    """Write the refusal into the trail, and make the error for the form."""
    record(
        TrailKind.SECOND_FACTOR, by=SYSTEM, about=person, facts={"step": REFUSED, "factor": factor}
    )
    return ValidationError(why, code=code)


class _ByCode(forms.Form):
    """Takes the code of an app, or a recovery code. allauth's form does what follows."""

    user: User

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if not codes.may_try(self.user):
            why = _("Too many wrong codes. Wait some minutes, and then take a new code.")
            raise _refuse(self.user, "code", why, code=TOO_MANY_CODES)
        self.authenticator = codes.use_code(self.user, code)
        if self.authenticator is None:
            why = _("This code is wrong, or it was used already. Take the next one.")
            raise _refuse(self.user, "code", why)
        codes.was_right(self.user)
        return code


class CodeForm(_ByCode, AuthenticateForm):  # type: ignore[misc] # allauth carries no types
    """The second step of a sign-in."""

    code = _code_field(_("From your authenticator app, or one of your recovery codes."))


class ConfirmByCodeForm(_ByCode, ReauthenticateForm):  # type: ignore[misc]
    """Confirms who somebody is."""

    code = _code_field(_("From your authenticator app, or one of your recovery codes."))


class AppForm(ActivateTOTPForm):  # type: ignore[misc]
    """Adds an authenticator app: its first code shows that it works."""

    code = _code_field(_("The six digits that the app shows now."))

    def clean_code(self) -> str:
        try:
            code: str = super().clean_code()
        except ValidationError as error:
            raise _refuse(self.user, "totp", error.message) from error
        return code


class CredentialField(forms.JSONField):
    """What a browser answers for a passkey: a JSON object in a hidden field."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and (len(value) > LONGEST_CREDENTIAL or "\\u0000" in value):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        try:
            credential = super().to_python(value)
        except RecursionError:
            credential = []
        if credential is not None and not isinstance(credential, dict):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return credential

    def bound_data(self, data: Any, initial: Any) -> None:
        """Show a refused form without what was sent: it is of no use a second time."""

    def prepare_value(self, value: Any) -> str:  # noqa: ARG002 - Django's signature
        return ""


def _credential_field() -> CredentialField:
    none = _("Your browser sent no passkey. Try again.")
    return CredentialField(error_messages={"required": none, "invalid": none})


def _credential_of(form: Any, check: Any) -> Any:
    """What `check()` makes of the credential. Whatever is wrong with it is one refusal."""
    try:
        return check()
    except (ValidationError, ValueError, TypeError, LookupError, AttributeError) as error:
        person = form.user if isinstance(form.user, User) else None
        why = _("This passkey is not known here, or it took too long. Try again.")
        raise _refuse(person, "webauthn", why) from error


class PasskeyForm(AuthenticateWebAuthnForm):  # type: ignore[misc]
    """The second step of a sign-in, by passkey."""

    credential = _credential_field()

    def clean_credential(self) -> Any:
        return _credential_of(self, super().clean_credential)


class SignInByPasskeyForm(LoginWebAuthnForm):  # type: ignore[misc]
    """Signs in by passkey alone: it proves the person and the device, so it is the only step."""

    credential = _credential_field()

    def clean_credential(self) -> Any:
        return _credential_of(self, super().clean_credential)


class ConfirmByPasskeyForm(ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """Confirms who somebody is."""

    credential = _credential_field()

    def clean_credential(self) -> Any:
        return _credential_of(self, super().clean_credential)


class NewPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """Adds a passkey."""

    name = OneLineField(
        label=_("Name"),
        required=False,
        max_length=100,
        help_text=_("So that you know it again, such as “Laptop” or “Key on my ring”."),
    )
    passwordless = forms.BooleanField(
        label=_("Sign in with it alone"),
        required=False,
        initial=True,
        help_text=_("Without your password. The device asks for a finger, a face or a PIN."),
    )
    credential = _credential_field()

    def clean(self) -> Any:
        return _credential_of(self, super().clean)
