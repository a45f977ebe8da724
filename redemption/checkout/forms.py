"""The checkout's forms: the recipient, the address, and the company's own reference and note."""

import copy
import functools
from typing import Any

from django import forms
from django.forms.models import fields_for_model
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import Address
from loyalty_portal.data.countries import (
    CountryField,
    Postcodes,
    checked_postcode,
    code_of,
    postcodes,
)
from loyalty_portal.data.one_line import OneLineField, TextField, formfield
from loyalty_portal.data.recipient import FIELDS
from redemption.checkout.rows import (
    ASKED_AT,
    ASKS_MAIL,
    ASKS_PARCEL,
    MISSING,
    PARCEL_ONLY,
    STREET,
)

AUTOCOMPLETE = {
    "recipient_name": "shipping name",
    "recipient_email": "shipping email",
    "recipient_phone": "shipping tel",
    "address_line1": "shipping address-line1",
    "address_line2": "shipping address-line2",
    "postcode": "shipping postal-code",
    "city": "shipping address-level2",
    "region": "shipping address-level1",
    "country": "shipping country",
}


NO_COUNTRY_YET = Postcodes(exist=True, needed=True, pattern=None, example="")


class ChecksPostcode(forms.BaseForm):
    """Checks the postcode by the rules of the chosen country."""

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if "postcode" in said and said.get("country"):
            try:
                said["postcode"] = checked_postcode(said["country"], said["postcode"])
            except forms.ValidationError as error:
                self.add_error("postcode", error)
        return said

    def asked(self) -> Postcodes:
        """The rules for the postcode of the country that is chosen so far."""
        said = self.data.get("country") if self.is_bound else self.initial.get("country")
        country = code_of(str(said or ""))
        return postcodes(country) if country else NO_COUNTRY_YET


class CheckoutForm(ChecksPostcode, forms.Form):
    """The checkout. Asks for an e-mail address where codes are sent, for a postal address where
    parcels are, and for no recipient where others are named for everything.
    """

    reference = OneLineField(
        label=_("Your reference"),
        max_length=100,
        required=False,
        help_text=_("Such as a cost centre or a campaign. You can search for it later."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    note = TextField(
        label=_("Note"),
        max_length=1000,
        required=False,
        help_text=_("Your colleagues can read it, and whoever approves the order."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    save_address = forms.BooleanField(label=_("Keep in our address book"), required=False)
    asks = forms.BooleanField(required=False)

    def __init__(self, *args: Any, by_mail: bool, by_parcel: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = self.asked()
        self.fields = _fields(by_mail, by_parcel, asked.exist, asked.needed, self._asks())

    def _asks(self) -> bool:
        """Whether the recipient is asked where to send it; then no address is needed here."""
        return bool(self.data.get("asks") if self.is_bound else self.initial.get("asks"))

    @property
    def who(self) -> list[forms.BoundField]:
        """The fields about the recipient."""
        return self._shown("recipient_name", "recipient_email", "recipient_phone")

    @property
    def street(self) -> list[forms.BoundField]:
        """The first fields of the address; none when nothing is shipped."""
        return self._shown("address_line1", "address_line2")

    @property
    def land(self) -> list[forms.BoundField]:
        """The field of the country."""
        return self._shown("country")

    @property
    def code(self) -> list[forms.BoundField]:
        """The field of the postcode; none for a country without postcodes."""
        return self._shown("postcode")

    @property
    def town(self) -> list[forms.BoundField]:
        """The other fields of the address."""
        return self._shown("city", "region")

    def _shown(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names if name in self.fields]

    def recipient(self) -> dict[str, str]:
        """All columns of the recipient."""
        return {name: str(self.cleaned_data.get(name) or "") for name in FIELDS}


class _Shared(dict[str, forms.Field]):
    """Gives every form the same field objects. Django copies all fields for each form, which takes
    as long as reading the input.
    """

    def __deepcopy__(self, memo: object) -> "_Shared":
        return self


# The address fields without the cost of a ModelForm: the order stores them.
CheckoutForm.base_fields = _Shared(
    fields_for_model(
        Address,
        fields=("recipient_name", "recipient_email", *PARCEL_ONLY),
        formfield_callback=formfield,
    )
    | {"country": CountryField(label=_("Country"), max_length=80, required=False)}
    | CheckoutForm.base_fields
)
# Choosing another country loads the postcode field again. It uses POST because addresses are
# personal data and must not be in a URL.
ASK_AGAIN = {
    "hx-post": reverse_lazy("checkout_recipient"),
    "hx-target": "#postcode",
    "hx-select": "#postcode",
    "hx-swap": "outerHTML",
    "hx-trigger": "change",
}


# Whoever is asked needs no address here, so the fields are loaded again.
ASK_WITHOUT_ADDRESS = {
    "hx-post": reverse_lazy("checkout_recipient"),
    "hx-target": "#recipient",
    "hx-trigger": "change",
}
_ASKED_BY_PARCEL = _(
    "They get a letter with a link, for 14 days. You see the city; only the desk sees the address. "
    "Without an answer it ends, and its points go back."
)
_ASKED_BY_MAIL = _(
    "They get a letter with a link, for 14 days; the codes are sent once they have confirmed. "
    "Without an answer it ends, and its points go back."
)


@functools.cache
def _fields(
    by_mail: bool, by_parcel: bool, with_postcode: bool, postcode_needed: bool, asks: bool
) -> dict[str, forms.Field]:
    fields = copy.deepcopy(dict(CheckoutForm.base_fields))
    fields["recipient_phone"].help_text = _("For the carrier, should there be a question.")
    if not by_parcel:
        for name in (*PARCEL_ONLY, "save_address"):
            del fields[name]
    if not (by_mail or by_parcel):
        del fields["recipient_name"], fields["recipient_email"], fields["asks"]
    else:
        fields["asks"].label = ASKS_PARCEL if by_parcel else ASKS_MAIL
        fields["asks"].widget.attrs |= ASK_WITHOUT_ADDRESS
        fields["asks"].help_text = _ASKED_BY_PARCEL if by_parcel else _ASKED_BY_MAIL
    if by_mail:
        fields["recipient_email"].required = True
        fields["recipient_email"].help_text = _("The codes go here.")
    for name in AUTOCOMPLETE.keys() & fields.keys():
        fields[name].required |= name in STREET and name in MISSING
        fields[name].error_messages["required"] = MISSING.get(name, "")
        fields[name].widget.attrs["autocomplete"] = AUTOCOMPLETE[name]
    if by_parcel:
        fields["postcode"].required = postcode_needed
        fields["country"].widget.attrs |= ASK_AGAIN
        if not with_postcode:
            del fields["postcode"]
    if asks and "asks" in fields:
        return _of_asked(fields)
    return fields


def _of_asked(fields: dict[str, forms.Field]) -> dict[str, forms.Field]:
    """The fields about somebody who is asked where to send it: no address."""
    email = fields["recipient_email"]
    email.required, email.help_text = True, _("The letter with the link goes here.")
    email.error_messages["required"] = ASKED_AT
    left_out = {*PARCEL_ONLY, "save_address"}
    return {name: field for name, field in fields.items() if name not in left_out}


class AddressForm(ChecksPostcode, forms.ModelForm[Address]):
    """An entry of the address book, as somebody edits it."""

    class Meta:
        model = Address
        fields = (
            "recipient_name",
            "recipient_email",
            "recipient_phone",
            "address_line1",
            "address_line2",
            "country",
            "postcode",
            "city",
            "region",
        )
        field_classes = {"country": CountryField}
        formfield_callback = formfield

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = self.asked()
        self.fields["postcode"].required = asked.needed
        for name in AUTOCOMPLETE.keys() & self.fields.keys():
            field = self.fields[name]
            field.required |= name in STREET and name in MISSING and name != "postcode"
            field.error_messages["required"] = MISSING.get(name, "")
            field.widget.attrs["autocomplete"] = AUTOCOMPLETE[name]
