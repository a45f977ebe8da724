"""Forms of the staff for people who sign in."""

from typing import ClassVar

from unfold.forms import UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.models import User
from loyalty_portal.admin_site.edits import EditedForm
from loyalty_portal.data.one_line import formfield


class StaffUserCreationForm(UserCreationForm):  # type: ignore[misc] # the theme carries no types
    """A new person, with the first password."""

    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["email", "name"]
        formfield_callback = formfield

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class StaffUserChangeForm(EditedForm):
    """A person, without the password: that has a page of its own."""

    class Meta:
        model = User
        exclude: ClassVar[list[str]] = ["password"]
        formfield_callback = formfield
        # A handful of groups is read at a glance; nobody has to know what to type.
        widgets: ClassVar[dict[str, object]] = {"groups": UnfoldAdminCheckboxSelectMultipleWidget}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()
