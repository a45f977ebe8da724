"""The token of a form. What is written with it is written once, however often the form is sent."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError

from loyalty_portal.data.ids import uuid7


class TokenField(forms.UUIDField):
    """A hidden token, new for each form that is shown: the key of the row that the form writes.

    What is missing or cannot be read becomes a new token, since nobody typed it.
    """

    widget = forms.HiddenInput

    def __init__(self) -> None:
        super().__init__(required=False, initial=uuid7)

    def clean(self, value: Any) -> UUID:
        try:
            found: UUID | None = super().clean(value)
        except ValidationError:
            found = None
        return found or uuid7()
