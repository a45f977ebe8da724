"""The forms with which somebody says where to send something."""

from collections.abc import Mapping
from typing import Any

from django import forms

from loyalty_portal.data.recipient import FIELDS
from redemption.checkout.forms import AddressForm
from redemption.checkout.rows import PARCEL_ONLY


class OwnAddressForm(AddressForm):
    """The recipient's own answer: their name and, for a parcel, phone and address, checked as at
    the checkout. The e-mail address is the one at which they were asked.
    """

    def __init__(
        self, data: Any = None, *, by_parcel: bool, initial: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        left_out = ["recipient_email", *(() if by_parcel else PARCEL_ONLY)]
        for name in left_out:
            del self.fields[name]
        for field in self.fields.values():
            _their_own(field)

    def recipient(self) -> dict[str, str]:
        """All columns of the recipient."""
        return {name: str(self.cleaned_data.get(name) or "") for name in FIELDS}


class TheirAddressForm(AddressForm):
    """What the company says in the recipient's place."""

    def __init__(
        self, data: Any = None, *, by_parcel: bool, initial: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        if not by_parcel:
            for name in PARCEL_ONLY:
                del self.fields[name]
            self.fields["recipient_email"].required = True

    def recipient(self) -> dict[str, str]:
        """All columns of the recipient."""
        return {name: str(self.cleaned_data.get(name) or "") for name in FIELDS}


def _their_own(field: forms.Field) -> None:
    """Let browsers fill in the person's own address, and not one that they send things to."""
    told = field.widget.attrs.get("autocomplete", "")
    field.widget.attrs["autocomplete"] = told.removeprefix("shipping ")
