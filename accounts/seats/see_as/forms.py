"""The form with which staff begin to see the portal as a seat."""

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from loyalty_portal.data.one_line import OneLineField


class SeeAsForm(forms.Form):
    """Asks why."""

    reason = OneLineField(
        label=_("Why?"),
        max_length=255,
        help_text=_(
            "Such as the number of a ticket, or “does not find the cart”. The trail keeps it for "
            "good, so write nothing personal."
        ),
        error_messages={"required": _("Give the reason; the trail keeps it.")},
        widget=UnfoldAdminTextInputWidget,
    )
