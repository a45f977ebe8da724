"""Forms in which staff create and edit users."""

from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.db.models import Q
from unfold.forms import UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import User
from loyalty_portal.admin_site.edits import EditedForm
from loyalty_portal.data.one_line import formfield


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
