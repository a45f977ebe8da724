"""The authentication backend."""

from typing import Any
from uuid import UUID

from allauth.account.auth_backends import AuthenticationBackend

from accounts.models import AccountManager, User
from accounts.selectors import usable_seats


class SeatsBackend(AuthenticationBackend):  # type: ignore[misc]
    """Loads the user and the user's seats in one query, because every page needs both."""

    def get_user(self, user_id: Any) -> User | None:
        seats: list[AccountManager] = usable_seats(UUID(str(user_id)))
        if not seats:
            found: User | None = super().get_user(user_id)
            return found
        user = seats[0].user
        user.loaded_seats = seats
        return user
