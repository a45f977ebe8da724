"""The form of a bulk edit. What is left empty stays as it is."""

from datetime import UTC
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from accounts.models import TierLevel
from catalog.backoffice.bulk.changes import Rounding
from catalog.models import Category
from loyalty_portal.data.form_fields.choices import RowField

MOST_PERCENT = Decimal(10_000)
_STAYS = ("", gettext_lazy("stays as it is"))


class EditForm(forms.Form):
    """What to change in all products of a selection."""

    percent = forms.DecimalField(
        label=gettext_lazy("Points, by percent"),
        help_text=gettext_lazy("Such as 10 for a tenth more, or -5 for a twentieth less."),
        min_value=-Decimal("99.99"),
        max_value=MOST_PERCENT,
        decimal_places=2,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    rounding = forms.ChoiceField(
        label=gettext_lazy("Round"),
        choices=Rounding.choices,
        widget=UnfoldAdminSelectWidget,
    )
    to = forms.TypedChoiceField(
        label=gettext_lazy("to a multiple of"),
        choices=[(1, "1"), (10, "10"), (100, "100")],
        coerce=int,
        widget=UnfoldAdminSelectWidget,
    )
    is_active = forms.ChoiceField(
        label=gettext_lazy("On offer"),
        choices=[_STAYS, ("yes", gettext_lazy("switch on")), ("no", gettext_lazy("switch off"))],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    category = RowField(
        label=gettext_lazy("Category"),
        queryset=Category.objects.all(),
        empty_label=_STAYS[1],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    minimum_tier = forms.ChoiceField(
        label=gettext_lazy("Minimum tier"),
        choices=[_STAYS, *TierLevel.choices],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    available_from = forms.DateTimeField(
        label=gettext_lazy("Available from"),
        help_text=gettext_lazy("A date, or a time in your time zone, such as 2026-12-31T18:00."),
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )
    from_anytime = forms.BooleanField(
        label=gettext_lazy("Take the beginning away"), required=False, widget=UnfoldBooleanWidget
    )
    available_until = forms.DateTimeField(
        label=gettext_lazy("Available until"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )
    until_ever = forms.BooleanField(
        label=gettext_lazy("Take the end away"), required=False, widget=UnfoldBooleanWidget
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, end = data.get("available_from"), data.get("available_until")
        for name, gone in (("available_from", "from_anytime"), ("available_until", "until_ever")):
            if data.get(name) and data.get(gone):
                self.add_error(name, _("Either a time, or none."))
        if start and end and start >= end:
            self.add_error("available_until", _("This must be after “available from”."))
        if not self.errors and not self.edit():
            raise ValidationError(_("Say what is to change."))
        return data

    def edit(self) -> dict[str, Any]:
        """The edit as the job's parameters hold it (`changes.edited`)."""
        data = self.cleaned_data
        edit: dict[str, Any] = {}
        if data.get("percent") is not None:
            points = {"percent": str(data["percent"]), "round": data["rounding"], "to": data["to"]}
            edit["points"] = points
        if data.get("is_active"):
            edit["is_active"] = data["is_active"] == "yes"
        if data.get("category"):
            edit["category_id"] = str(data["category"].pk)
        if data.get("minimum_tier"):
            edit["minimum_tier"] = data["minimum_tier"]
        for name, gone in (("available_from", "from_anytime"), ("available_until", "until_ever")):
            if data.get(name):
                edit[name] = data[name].astimezone(UTC).isoformat()
            elif data.get(gone):
                edit[name] = None
        return edit
