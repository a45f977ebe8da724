"""The forms in which owners change their company: rules about points, its place, its letters."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from accounts.forms import PointsField
from accounts.models import COPIED, Company, CopyTo, LetterTopic
from accounts.seats.limits import LARGEST_LIMIT
from loyalty_portal.data.one_line import OneLineField, has_link
from loyalty_portal.data.zones import zones_by_region

LARGEST_THRESHOLD = 2_147_483_647  # points


class MoneyForm(forms.Form):
    """Which orders need approval, and how many points are ordered in a quarter."""

    approval_threshold = PointsField(
        label=_("Approval threshold, in points"),
        required=False,
        largest=LARGEST_THRESHOLD,
        help_text=_(
            "Orders above this number of points need approval. Empty: no order does. Orders that "
            "were placed already stay as they are."
        ),
    )
    quarterly_budget = PointsField(
        label=_("Budget for a calendar quarter, in points"),
        required=False,
        largest=LARGEST_LIMIT,
        help_text=_(
            "What all of you together may order in a quarter, in the company’s time zone. Empty: "
            "as much as there are points. Members have limits of their own."
        ),
    )


class PlaceForm(forms.Form):
    """How the company signs, and where it is."""

    sender_name = OneLineField(
        label=_("Sender of messages"),
        required=False,
        max_length=100,
        widget=forms.TextInput({"autocomplete": "organization"}),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_(
            "A line with a date is sent at nine in the morning of that day in this zone. Lines "
            "that wait already keep their time."
        ),
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=settings.LANGUAGES,
        help_text=_("Of letters to people of the company who have chosen none."),
    )

    text_messages = forms.BooleanField(
        label=_("Text messages too"),
        required=False,
        help_text=_(
            "Whoever gives a phone number in their profile is told by SMS too, about what they "
            "choose."
        ),
    )

    def __init__(self, *args: Any, company: Company, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        told = _("Stands below messages to recipients, after your name. Empty: {company}.")
        if not settings.SMS_URL:
            del self.fields["text_messages"]
        self.fields["sender_name"].help_text = format_html(str(told), company=company.name)
        self.fields["time_zone"].choices = list(zones_by_region().items())  # type: ignore[attr-defined]

    def clean_sender_name(self) -> str:
        name: str = self.cleaned_data["sender_name"]
        if has_link(name):
            raise forms.ValidationError(_("A name may not have links or web addresses."))
        return name


_LETTERS = {
    LetterTopic.PROGRESS: _("Orders that go on: confirmed, sent, delivered"),
    LetterTopic.POINTS_BACK: _("Orders that do not: declined, cancelled, points given back"),
}
_PEOPLE = [(CopyTo.OWNERS, _("All owners")), (CopyTo.APPROVERS, _("All who approve"))]


class CopiesForm(forms.Form):
    """Who gets copies of letters about orders, besides whoever ordered."""

    def __init__(self, *args: Any, copies: Mapping[tuple[str, str], str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for topic in COPIED:
            people = [to for to in (CopyTo.OWNERS, CopyTo.APPROVERS) if (topic, to) in copies]
            self.fields[f"{topic}_to"] = forms.MultipleChoiceField(
                label=_LETTERS[topic],
                required=False,
                choices=_PEOPLE,
                initial=people,
                widget=forms.CheckboxSelectMultiple,
            )
            self.fields[f"{topic}_mailbox"] = forms.EmailField(
                label=_("And to this address"),
                required=False,
                max_length=255,
                initial=copies.get((topic, CopyTo.MAILBOX), ""),
            )

    @property
    def told(self) -> dict[tuple[str, str], str]:
        """What was chosen: addresses by topic and kind."""
        said = self.cleaned_data
        chosen = {(str(topic), to): "" for topic in COPIED for to in said[f"{topic}_to"]}
        named = {(str(t), str(CopyTo.MAILBOX)): said[f"{t}_mailbox"].lower() for t in COPIED}
        return chosen | {key: address for key, address in named.items() if address}
