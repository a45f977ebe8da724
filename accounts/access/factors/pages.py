"""The pages on which people manage their second factor: allauth's, with what follows a change."""

from typing import Any

from allauth.mfa.base.views import IndexView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic.edit import FormView

from accounts.access.factors.factor_changes import FactorChange, changed
from accounts.access.factors.second_factor import lacks
from accounts.selectors import SEAT_KEY, choose_seat


class FactorsPage(IndexView):  # type: ignore[misc] # allauth carries no types
    """Lists the person's factors, and says whether something waits for the first one."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        request: Any = self.request
        seat = choose_seat(request.seats, request.session.get(SEAT_KEY))
        facts = {"is_closed": lacks(request, seat), "closed_seat": seat}
        return {**super().get_context_data(**kwargs), **facts}


class _Changing(FormView[Any]):
    """A page whose form changes the factors: what follows is written with the change, or not at
    all.
    """

    change: FactorChange

    def form_valid(self, form: Any) -> HttpResponse:
        name = self.name_of(form)
        with transaction.atomic():
            response = super().form_valid(form)
            changed(self.request, self.change, name=name)
        return response

    def name_of(self, form: Any) -> str:  # noqa: ARG002 - of a passkey only
        return ""


class AddApp(_Changing, ActivateTOTPView):  # type: ignore[misc]
    """Adds an authenticator app."""

    change = FactorChange.APP_ADDED


class RemoveApp(_Changing, DeactivateTOTPView):  # type: ignore[misc]
    """Removes the authenticator app."""

    change = FactorChange.APP_REMOVED


class AddPasskey(_Changing, AddWebAuthnView):  # type: ignore[misc]
    """Adds a passkey. Needs a browser with JavaScript."""

    change = FactorChange.PASSKEY_ADDED

    def name_of(self, form: Any) -> str:
        return str(form.cleaned_data["name"])


class RemovePasskey(_Changing, RemoveWebAuthnView):  # type: ignore[misc]
    """Removes a passkey."""

    change = FactorChange.PASSKEY_REMOVED
    success_url = reverse_lazy("mfa_index")

    def name_of(self, form: Any) -> str:  # noqa: ARG002 - the form has no fields
        return str(self.object.wrap().name)


class MakeCodes(_Changing, GenerateRecoveryCodesView):  # type: ignore[misc]
    """Makes new recovery codes."""

    change = FactorChange.CODES_MADE
