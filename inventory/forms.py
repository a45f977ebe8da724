"""The forms in which staff change stock."""

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from inventory.shelves import MOST
from loyalty_portal.data.one_line import OneLineField


class MovementForm(forms.Form):
    """`seen`: pieces on the shelf when the page was made, so that no form counts twice."""

    seen = forms.IntegerField(widget=forms.HiddenInput)


class ReceiveForm(MovementForm):
    """Receives new pieces."""

    quantity = forms.IntegerField(
        label=_("Pieces that came in"),
        min_value=1,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = OneLineField(
        label=_("Delivery note or supplier"),
        max_length=255,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )


class CountForm(MovementForm):
    """Records a count of the shelf."""

    quantity = forms.IntegerField(
        label=_("Pieces counted on the shelf"),
        help_text=_("Including those that are held for orders."),
        min_value=0,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = OneLineField(
        label=_("Why it was counted"),
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
    )


class AdjustForm(MovementForm):
    """Records pieces that are broken, lost or found."""

    quantity = forms.IntegerField(
        label=pgettext_lazy("a change", "Change"),
        help_text=_("Such as −2 for two broken pieces, or 1 for one found again."),
        min_value=-MOST,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    reason = OneLineField(label=_("Reason"), max_length=255, widget=UnfoldAdminTextInputWidget)


class StopCountingForm(MovementForm):
    """Stops counting a product that is ordered on demand or never runs out."""

    reason = OneLineField(
        label=_("Why it need not be counted"),
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
    )


class LowMarkForm(forms.Form):
    """Sets the number of pieces up to which a product counts as low."""

    low_stock_at = forms.IntegerField(
        label=_("Low at"),
        help_text=_(
            "Shown as low when this many or fewer are available. Empty: as its category, or else "
            "the programme, says."
        ),
        required=False,
        min_value=0,
        max_value=MOST,
        widget=UnfoldAdminIntegerFieldWidget,
    )
