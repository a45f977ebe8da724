"""The authentication backend."""

from typing import Any
from uuid import UUID

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.models import Group, Permission
from django.db.models import Q

from accounts.models import AccountManager, User
from accounts.selectors import usable_seats


class SeatsBackend(AuthenticationBackend):  # type: ignore[misc]
    """Loads the user and the user's seats in one query, because every page needs both."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Refuse machines: they call by key and never sign in, also with a password."""
        return super().user_can_authenticate(user) and not user.is_machine

    def get_user(self, user_id: Any) -> User | None:
        seats: list[AccountManager] = usable_seats(UUID(str(user_id)))
        if not seats:
            found: User | None = super().get_user(user_id)
            return found
        user = seats[0].user
        if user.is_machine:
            return None
        user.loaded_seats = seats
        return user

    def get_all_permissions(self, user_obj: Any, obj: object = None) -> set[str]:
        """The permissions of the person's own and of their groups, in one query for a request."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None:
            return set()
        if user_obj.permissions_held is None:
            user_obj.permissions_held = _held_by(user_obj)
        held: set[str] = user_obj.permissions_held
        return held


def _held_by(user: User) -> set[str]:
    rows = Permission.objects.order_by()
    if not user.is_superuser:
        of_groups = Group.permissions.through.objects.filter(group__in=user.groups.order_by())
        rows = rows.filter(
            Q(pk__in=user.user_permissions.order_by().values("pk"))
            | Q(pk__in=of_groups.values("permission"))
        )
    return {".".join(each) for each in rows.values_list("content_type__app_label", "codename")}
