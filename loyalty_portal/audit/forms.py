"""The filters of the change history."""

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from loyalty_portal.admin_site.fields import DayField
from loyalty_portal.data.one_line import OneLineField


class ChangesFilter(forms.Form):
    """What to show of the change history. Everything may be left empty."""

    of = forms.ChoiceField(
        label=_("Kind of object"), required=False, widget=UnfoldAdminSelectWidget
    )
    key = OneLineField(
        label=_("Key of the object"),
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget,
    )
    who = OneLineField(
        label=_("Who (e-mail)"),
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
    )
    field = forms.ChoiceField(label=_("Field"), required=False, widget=UnfoldAdminSelectWidget)
    since = DayField(label=_("From"), required=False)
    until = DayField(label=_("To"), required=False)

    def __init__(
        self,
        *args: Any,
        models: list[tuple[str, str]],
        fields: list[tuple[str, str]],
        **kwargs: Any,
    ) -> None:
        """`models` and `fields` are the choices, as values and names."""
        super().__init__(*args, **kwargs)
        self.fields["of"].choices = [("", _("All")), *models]  # type: ignore[attr-defined]
        self.fields["field"].choices = [("", _("All")), *fields]  # type: ignore[attr-defined]

    def clean_who(self) -> str:
        """The key of the person with this address; "" without one."""
        typed = self.cleaned_data["who"].strip()
        if not typed:
            return ""
        person = get_user_model().objects.filter(email__iexact=typed).first()
        if person is None:
            raise forms.ValidationError(_("Nobody has this e-mail address."))
        return str(person.pk)
