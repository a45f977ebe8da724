"""The fields about an order that staff place for a seat."""

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from loyalty_portal.data.one_line import OneLineField, TextField


class AboutForm(forms.Form):
    """About the order. `token` makes one form place one order; `seen` is what was checked."""

    token = forms.UUIDField(widget=forms.HiddenInput)
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    asked = OneLineField(
        label=_("Who asked for it, and when?"),
        max_length=255,
        help_text=_("Such as “Ms Jensen by phone, 14:10”. Only staff read it, and it stays."),
        error_messages={"required": _("Say who asked for the order, and when.")},
        widget=UnfoldAdminTextInputWidget,
    )
    reference = OneLineField(
        label=_("Their reference"),
        max_length=100,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )
    note = TextField(
        label=_("Note"),
        help_text=_("The company reads it, and whoever approves the order."),
        max_length=1000,
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
    )
