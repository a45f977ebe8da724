"""The forms in which owners add and change endpoints, and have events sent again."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.one_line import OneLineField
from redemption.models import EventType
from redemption.webhooks_out.services import LONGEST_URL

_SPANS = (
    (1, _("the last hour")),
    (24, _("the last 24 hours")),
    (168, _("the last 7 days")),
    (720, _("the last 30 days")),
)


def _events() -> list[tuple[str, Any]]:
    return [(event.value, f"{event.label} ({event.value})") for event in EventType]


class EndpointForm(forms.Form):
    """Where events are sent, and which. The service checks the address."""

    url = OneLineField(
        label=_("Address"),
        max_length=LONGEST_URL,
        help_text=_("An https:// address of your own system, reachable from the internet."),
        widget=forms.URLInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=_events,
        initial=EventType.values,
        widget=forms.CheckboxSelectMultiple,
    )


class ReplayForm(forms.Form):
    """From when on what was missed is sent again."""

    hours = forms.TypedChoiceField(
        label=_("What was missed in"), choices=_SPANS, coerce=int, initial=24
    )

    @property
    def since(self) -> datetime:
        return timezone.now() - timedelta(hours=self.cleaned_data["hours"])
