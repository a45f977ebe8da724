"""The forms of the desk."""

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from loyalty_portal.data.one_line import OneLineField, TextField

# More units than any order line has, and less than the columns' limit.
MOST = 1_000_000_000


class ShipForm(forms.Form):
    """Ships units. `seen`: units that were open when the page was made, so that no form counts
    twice.
    """

    seen = forms.IntegerField(widget=forms.HiddenInput)
    quantity = forms.IntegerField(
        label=_("Pieces in this parcel"),
        min_value=1,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    carrier = OneLineField(label=_("Carrier"), max_length=80, widget=UnfoldAdminTextInputWidget)
    tracking_number = OneLineField(
        label=_("Tracking number"),
        max_length=120,
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )


class CannotSupplyForm(forms.Form):
    """Gives up units that cannot be supplied; `seen` as above."""

    seen = forms.IntegerField(widget=forms.HiddenInput)
    quantity = forms.IntegerField(
        label=_("Pieces that cannot be supplied"),
        min_value=1,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = TextField(
        label=_("Reason"),
        help_text=_("The company reads this. The points of these pieces go back to it."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class ReturnForm(forms.Form):
    """Records that delivered units came back."""

    reason = TextField(
        label=_("Why it came back"),
        help_text=_("The company reads this. The points of what came back go back to it."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class DeliverForm(forms.Form):
    """Records that a parcel has arrived."""

    shipment = forms.UUIDField(widget=forms.HiddenInput)


class TakeOverForm(forms.Form):
    """Takes work over from a colleague: the one who had it when the page was made, nobody else."""

    whose = forms.UUIDField(widget=forms.HiddenInput)
