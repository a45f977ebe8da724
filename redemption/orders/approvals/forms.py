"""The forms of approvals: deciding on several at once, and who stands in."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager
from loyalty_portal.data.one_line import OneLineField

MOST_CHOSEN = 200


class DecideForm(forms.Form):
    """Which orders and files are decided on, and why they are rejected."""

    reason = OneLineField(
        label=_("Why? The buyer reads it."),
        max_length=255,
        error_messages={"required": _("Give a reason; the buyer will read it.")},
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, data: Any = None, *, name: str = "chosen") -> None:
        """`name` makes the ids of the fields differ, since one page shows two of these forms."""
        super().__init__(data, auto_id=f"{name}-%s")
        self.chosen: list[str] = data.getlist("what")[:MOST_CHOSEN] if data else []
        self.rejects = bool(data) and data.get("do") == "reject"
        self.fields["reason"].required = self.rejects or not data

    def clean(self) -> dict[str, Any]:
        """Require a choice."""
        if not self.chosen:
            raise forms.ValidationError(_("Choose at least one order first."))
        return self.cleaned_data


class SeatField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A seat by its key. What is no key is no choice either."""

    def to_python(self, value: Any) -> Any:
        """Return the seat. Raises ValidationError."""
        try:
            return super().to_python(value)
        except forms.ValidationError:
            told = self.error_messages["invalid_choice"]
            raise forms.ValidationError(told, code="invalid_choice") from None


class AwayForm(forms.Form):
    """Who decides in the place of an approver, and on which days."""

    deputy = SeatField(
        label=_("Who decides in your place?"),
        queryset=AccountManager.objects.none(),
        empty_label=_("Choose somebody"),
        help_text=_(
            "Anybody with an active seat. Nobody decides on their own orders, or on yours."
        ),
        error_messages={
            "required": _("Choose who decides in your place."),
            "invalid_choice": _("Choose somebody with an active seat in your company."),
        },
    )
    first = forms.DateField(
        label=_("First day"),
        widget=forms.DateInput({"type": "date", "autocomplete": "off"}, format="%Y-%m-%d"),
        error_messages={"required": _("Choose the first day.")},
    )
    last = forms.DateField(
        label=_("Last day"),
        help_text=_("It ends with this day, in your company’s time zone."),
        widget=forms.DateInput({"type": "date", "autocomplete": "off"}, format="%Y-%m-%d"),
        error_messages={"required": _("Choose the last day.")},
    )

    def __init__(self, data: Any = None, *, seat: AccountManager) -> None:
        super().__init__(data)
        others = AccountManager.objects.usable().filter(company=seat.company_id)
        people = others.exclude(pk=seat.pk).exclude(user__is_machine=True)
        field: Any = self.fields["deputy"]
        field.queryset = people.select_related("user").order_by("user__name", "user__email")
        field.label_from_instance = lambda each: f"{each.user} ({each.get_role_display()})"
