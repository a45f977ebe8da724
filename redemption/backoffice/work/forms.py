"""The form that changes several incidents at once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from loyalty_portal.data.form_fields.choices import RowField
from loyalty_portal.data.one_line import OneLineField
from redemption.backoffice.work.selectors import who_may_handle

MOST = 100  # incidents at once
DOINGS = ("mine", "assign", "give_back", "snooze", "wake")
_MOMENT = "%Y-%m-%dT%H:%M"


def tomorrow_morning() -> str:
    """Nine o'clock tomorrow, as the field shows it."""
    day = timezone.localtime() + timedelta(days=1)
    return day.replace(hour=9, minute=0).strftime(_MOMENT)


class SeveralForm(forms.Form):
    """What to do with the incidents that are ticked. `seen` says for each who had it when the page
    was made.
    """

    do = forms.ChoiceField(
        choices=[(each, each) for each in DOINGS],
        error_messages={
            "required": _("Press one of the buttons."),
            "invalid_choice": _("Press one of the buttons."),
        },
    )
    colleague = RowField(
        who_may_handle(),
        label=_("Colleague"),
        required=False,
        empty_label=_("Choose …"),
        error_messages={
            "invalid_choice": _(
                "Choose a colleague from the list. It has those who may handle incidents."
            )
        },
        widget=UnfoldAdminSelectWidget,
    )
    until = forms.DateTimeField(
        label=_("Until"),
        required=False,
        input_formats=[_MOMENT],
        widget=UnfoldAdminTextInputWidget({"type": "datetime-local"}),
    )
    why = OneLineField(
        label=_("Why it can wait"),
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("do") == "assign" and not given.get("colleague"):
            self._missing("colleague", _("Choose a colleague."))
        if given.get("do") == "snooze":
            if not given.get("until"):
                self._missing("until", _("Say until when."))
            if not given.get("why"):
                self._missing("why", _("Say why it can wait."))
        given["chosen"] = self._chosen()
        return given

    def _missing(self, name: str, told: Any) -> None:
        if name not in self.errors:
            self.add_error(name, told)

    def _chosen(self) -> dict[UUID, UUID | None]:
        """The ticked incidents, each with who had it."""
        data: Any = self.data
        ticked = data.getlist("incident")
        if not ticked:
            self.add_error(None, _("Tick the incidents that it is about."))
        elif len(ticked) > MOST:
            told = _("At most %(most)s at once.") % {"most": MOST}
            self.add_error(None, told)
            return {}
        try:
            return {UUID(key): _key(data.get(f"seen-{key}", "")) for key in ticked}
        except ValueError:
            self.add_error(None, _("Open the list again and tick the incidents there."))
            return {}


def _key(text: str) -> UUID | None:
    return UUID(text) if text else None
