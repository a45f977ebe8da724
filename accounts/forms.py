"""Forms in which staff create and edit users, and people their own profile."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold.forms import UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import Company, User
from accounts.readers import reader_of
from loyalty_portal.admin_site.edits import EditedForm
from loyalty_portal.data.one_line import formfield
from loyalty_portal.data.zones import zones_by_region


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
