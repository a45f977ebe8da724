"""A form with a field of each kind, as the portal and as the back office show it."""

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from fulfillment.states import ReturnedTo
from loyalty_portal.data.one_line import OneLineField, TextField


class PortalForm(forms.Form):
    """A field of each kind that the portal's forms have."""

    name = OneLineField(label=_("Name"), max_length=255)
    email = forms.EmailField(label=_("E-mail"), help_text=_("The company reads this."))
    units = forms.IntegerField(label=_("Units"), min_value=1, max_value=1000)
    to = forms.ChoiceField(label=_("Where to"), choices=ReturnedTo.choices)
    how = forms.ChoiceField(
        label=_("How it comes"), choices=ReturnedTo.choices, widget=forms.RadioSelect
    )
    reason = TextField(
        label=_("Reason"), max_length=255, required=False, widget=forms.Textarea({"rows": 2})
    )
    agreed = forms.BooleanField(label=_("In stock"))


class BackOfficeForm(forms.Form):
    """A field of each kind that actions of staff have."""

    name = OneLineField(label=_("Name"), max_length=255, widget=UnfoldAdminTextInputWidget)
    units = forms.IntegerField(
        label=_("Units"), min_value=1, max_value=1000, widget=UnfoldAdminIntegerFieldWidget
    )
    reason = TextField(
        label=_("Reason"),
        help_text=_("The company reads this."),
        max_length=255,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
    )


def wrong(form: type[forms.Form]) -> forms.Form:
    """The form as it is shown again after it was sent with wrong values."""
    sent = {"wrong-email": "nobody", "wrong-units": "0", "wrong-to": "?", "wrong-name": " "}
    return form(sent, prefix="wrong")
