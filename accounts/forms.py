"""Forms in which staff create and edit users, people their own profile, and owners look after the
people of their company.
"""

import re
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.forms import UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import AccountManager, Company, LetterTopic, Role, TextsTo, User
from accounts.models.readers import reader_of
from accounts.seats.limits import LARGEST_LIMIT
from loyalty_portal.admin_site.edits import EditedForm
from loyalty_portal.data.one_line import OneLineField, formfield
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.zones import zones_by_region

# Copies are for whoever reads them at a desk.
TEXT_TOPICS = (LetterTopic.PROGRESS, LetterTopic.POINTS_BACK, LetterTopic.APPROVALS)


class StaffUserCreationForm(UserCreationForm):  # type: ignore[misc] # the theme carries no types
    """Creates a user with a first password."""

    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["email", "name"]
        formfield_callback = formfield

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class StaffUserChangeForm(EditedForm):
    """Edits a user. The password is changed on a page of its own."""

    class Meta:
        model = User
        exclude: ClassVar[list[str]] = ["password"]
        formfield_callback = formfield
        # Show the few groups as checkboxes: nobody has to know a group's name to search for it.
        widgets: ClassVar[dict[str, object]] = {"groups": UnfoldAdminCheckboxSelectMultipleWidget}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean_groups(self) -> Any:
        """Keep the groups that the form did not offer: whoever cannot give one cannot take it."""
        chosen, offered = self.cleaned_data["groups"], self.fields["groups"].queryset  # type: ignore[attr-defined]
        kept = self.instance.groups.exclude(pk__in=offered.values("pk"))
        return Group.objects.filter(Q(pk__in=chosen) | Q(pk__in=kept.values("pk")))


class ProfileForm(forms.ModelForm[User]):
    """A person's name, language and time zone, as they choose them. `company` is of their seat."""

    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["name", "language", "time_zone"]
        formfield_callback = formfield

    def __init__(self, *args: Any, company: Company | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unchosen = User(is_staff=self.instance.is_staff)
        zone = reader_of(unchosen, company).zone
        whose = _("As the company: {zone}") if company else _("As the programme: {zone}")
        if company and unchosen.is_staff:
            whose = _("As the programme: {zone}")
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["language"] = forms.ChoiceField(
            label=_("Language"),
            required=False,
            choices=[("", _("As the browser asks")), *settings.LANGUAGES],
            help_text=_("Of pages and letters. Until you choose, letters are in the company’s."),
        )
        self.fields["time_zone"] = forms.ChoiceField(
            label=_("Time zone"),
            required=False,
            choices=[("", format_lazy(whose, zone=zone)), *zones_by_region().items()],
            help_text=_("All times on pages and in letters are told in it."),
        )


class LettersForm(forms.Form):
    """Which letters about orders a person gets. What must be read is not offered."""

    letters = forms.MultipleChoiceField(
        label=_("Send me letters about"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(
        self, *args: Any, person: User, seat: AccountManager | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        approves = seat is not None and seat.role in {Role.OWNER, Role.APPROVER}
        theirs = (LetterTopic.APPROVALS, LetterTopic.COPIES)
        self.offered = [each for each in LetterTopic if approves or each not in theirs]
        off = set(person.letters_off.values_list("topic", flat=True))
        field = self.fields["letters"]
        field.choices = [(each.value, each.label) for each in self.offered]  # type: ignore[attr-defined]
        field.initial = [each.value for each in self.offered if each not in off]


_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}")


class TextsForm(forms.Form):
    """Where a person gets text messages about orders, and about what. No number: nowhere."""

    number = OneLineField(
        label=_("Mobile number"),
        required=False,
        max_length=30,
        help_text=_("With the code of its country, such as +49 151 23456789. Empty: none."),
        widget=forms.TextInput({"autocomplete": "tel", "inputmode": "tel", "type": "tel"}),
    )
    topics = forms.MultipleChoiceField(
        label=_("Send me text messages about"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self, *args: Any, person: User, seat: AccountManager | None, **kwargs: Any
    ) -> None:
        now = TextsTo.objects.filter(user=person).first()
        told = {"number": now.number, "topics": now.topics} if now else {}
        super().__init__(*args, **{"initial": told, **kwargs})
        approves = seat is not None and seat.role in {Role.OWNER, Role.APPROVER}
        offered = [each for each in TEXT_TOPICS if approves or each != LetterTopic.APPROVALS]
        self.fields["topics"].choices = [(each.value, each.label) for each in offered]  # type: ignore[attr-defined]

    def clean_number(self) -> str:
        """The number as the provider takes it: + and digits."""
        said = re.sub(r"[\s()./-]", "", self.cleaned_data["number"])
        number = re.sub(r"^00", "+", said)
        if number and not _NUMBER.fullmatch(number):
            raise forms.ValidationError(
                _("Write the number with the code of its country, such as +49 151 23456789.")
            )
        return number

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if said.get("number") and not said.get("topics"):
            self.add_error("topics", _("Choose what you want to be told, or leave the number out."))
        return said


# --- The people of a company -------------------------------------------------------------------

_GROUPED = re.compile(r"[0-9]+|[0-9]{1,3}(?P<by>[.,'’\s])[0-9]{3}(?:(?P=by)[0-9]{3})*")
WHAT_ROLES_DO = [
    (Role.OWNER, _("Owner: everything, and looks after people, rules and points")),
    (Role.APPROVER, _("Approver: orders, and approves orders of others")),
    (Role.BUYER, _("Buyer: orders")),
    (Role.VIEWER, _("Viewer: only looks")),
]


def _role_field() -> forms.ChoiceField:
    return forms.ChoiceField(label=_("Role"), choices=WHAT_ROLES_DO, initial=Role.BUYER)


class PointsField(forms.CharField):
    """A whole number of points, perhaps with separators of thousands; None when empty.

    Points have no decimals, so 5,000 and 5.000 are five thousand in each language.
    """

    def __init__(self, *, largest: int, **options: Any) -> None:
        self.largest = largest
        attrs = {"inputmode": "numeric", "autocomplete": "off"}
        super().__init__(max_length=30, widget=forms.TextInput(attrs), **options)

    def clean(self, value: Any) -> int | None:
        text = str(super().clean(value)).strip()
        if not text:
            return None
        points = int(re.sub(r"[^0-9]", "", text)) if _GROUPED.fullmatch(text) else -1
        if not 0 <= points <= self.largest:
            told = _("Enter a whole number of points from 0 to %(most)s, or leave it empty.")
            raise forms.ValidationError(told, params={"most": grouped(self.largest)})
        return points

    def prepare_value(self, value: Any) -> Any:
        return grouped(value) if isinstance(value, int) else value


class SomebodyForm(forms.Form):
    """Whom to invite. The service checks the address, for the API too."""

    email = OneLineField(
        label=_("E-mail"),
        max_length=255,
        help_text=_("They get a letter with a link that works once, for seven days."),
        widget=forms.EmailInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    role = _role_field()


class SwitchForm(forms.Form):
    """Why a seat is switched off or on."""

    reason = OneLineField(
        label=_("Why? All owners read it."),
        required=False,
        max_length=255,
        widget=forms.TextInput({"autocomplete": "off"}),
    )


class MonthlyLimitForm(forms.Form):
    """How many points a member may order in a month."""

    points = PointsField(
        label=_("Limit for a calendar month, in points"),
        required=False,
        largest=LARGEST_LIMIT,
        help_text=_(
            "In the company’s time zone. Empty: as much as there are points. What waits for "
            "approval counts too; a lower limit takes nothing back."
        ),
    )


class NewRoleForm(SwitchForm):
    """Another role."""

    role = _role_field()
    field_order: Any = ("role", "reason")
