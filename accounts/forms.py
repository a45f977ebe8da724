"""Forms of the staff for people who sign in."""

from typing import ClassVar

from unfold.forms import UserChangeForm, UserCreationForm

from accounts.models import User


class StaffUserCreationForm(UserCreationForm):  # type: ignore[misc] # the theme carries no types
    """A new person, with the first password."""

    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["email", "name"]

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class StaffUserChangeForm(UserChangeForm):  # type: ignore[misc] # the theme carries no types
    """A person; of the password it shows only that there is one."""

    class Meta:
        model = User
        fields = "__all__"

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()
