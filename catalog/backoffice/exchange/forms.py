"""The forms of import and export."""

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
)

from catalog.importing.formats import READERS

LARGEST = 99 * 1024 * 1024  # bytes; a request to this page has 100 MB with what is around the file
MOST_PER_UNIT = 1_000_000


class ImportForm(forms.Form):
    """A file of products."""

    file = forms.FileField(
        label=_("File"),
        help_text=_("CSV, XLSX or JSON, at most 99 MB. You see what it changes before."),
        widget=UnfoldAdminFileFieldWidget({"accept": ".csv,.txt,.xlsx,.json"}),
    )
    points_per_unit = forms.DecimalField(
        label=_("Points for one unit of the file's currency"),
        help_text=_("Needed when the file has prices instead of points."),
        min_value=Decimal("0.000001"),
        max_value=MOST_PER_UNIT,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
    )
    format = forms.ChoiceField(
        label=_("Format"),
        choices=[("", _("found by its beginning")), *((name, name) for name in READERS)],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    def clean_file(self) -> Any:
        sent = self.cleaned_data["file"]
        if sent.size > LARGEST:
            told = _("The file is larger than 99 MB. Split it, or use manage.py import_products.")
            raise forms.ValidationError(told)
        return sent


class ExportForm(forms.Form):
    """The format of an export."""

    format = forms.ChoiceField(
        label=_("Format"),
        choices=[("csv", "CSV"), ("xlsx", "XLSX")],
        widget=UnfoldAdminSelectWidget,
    )
