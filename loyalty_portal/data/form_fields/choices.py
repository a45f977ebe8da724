"""A form field that chooses a row, and says one thing of whatever is not in its list."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class RowField(forms.ModelChoiceField[Any]):
    """A choice of a row. Of a text that is no key Django's field says what the key's column says,
    such as “x” is not a valid UUID; this one says `invalid_choice`, as for any wrong choice.
    """

    default_error_messages = {"invalid_choice": _("Choose one from the list.")}

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except ValidationError as error:
            told = self.error_messages["invalid_choice"]
            raise ValidationError(told, code="invalid_choice", params={"value": value}) from error
