"""Form fields that pages of the back office share."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget


class DayField(forms.DateField):
    """A date field with the browser's date picker, which sends ISO dates in every language."""

    def __init__(self, **said: Any) -> None:
        super().__init__(widget=UnfoldAdminTextInputWidget({"type": "date"}), **said)
