"""What staff say about an order."""

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget


class CancelForm(forms.Form):
    """Cancelling for the company."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("The company reads this."),
        max_length=255,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )
