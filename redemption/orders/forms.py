"""The forms about an order."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.form_fields.once import TokenField
from loyalty_portal.data.one_line import OneLineField
from redemption.models.questions import LONGEST_QUESTION


class QuestionForm(forms.Form):
    """A question to staff about an order."""

    token = TokenField()
    text = forms.CharField(
        label=_("Your question"),
        max_length=LONGEST_QUESTION,
        error_messages={"required": _("Write your message first.")},
        widget=forms.Textarea({"rows": 3}),
    )


class RejectOrderForm(forms.Form):
    """Rejects an order that is waiting for approval, with a reason."""

    reason = OneLineField(
        label=_("Why? The buyer reads it."),
        max_length=255,
        error_messages={"required": _("Give a reason; the buyer will read it.")},
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, data: Any = None, *, order: Any) -> None:
        """`order` makes the ids of the fields differ, since one page may show several of these
        forms.
        """
        super().__init__(data, auto_id=f"why-{order.pk}-%s")
