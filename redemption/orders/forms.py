"""What people say about an order."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.one_line import OneLineField


class RejectOrderForm(forms.Form):
    """Saying no to an order that waits for a yes."""

    reason = OneLineField(
        label=_("Why? The buyer reads it."),
        max_length=255,
        error_messages={"required": _("Give a reason; the buyer will read it.")},
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, data: Any = None, *, order: Any) -> None:
        """Several may stand on one page: the order makes their fields' ids differ."""
        super().__init__(data, auto_id=f"why-{order.pk}-%s")
