"""Who acts: a person, a person in a seat of a company, or the portal itself.

Every service that records who did something takes an `Actor` as `by`; what permissions.py of a
room says about it depends on nothing else.
"""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


class Person(Protocol):
    """Somebody who can sign in, as far as the ground knows: `accounts.models.User`."""

    @property
    def pk(self) -> Any: ...

    @property
    def is_staff(self) -> bool: ...

    def has_perm(self, perm: str, obj: Any = None) -> bool: ...


class Seat(Protocol):
    """A person's place in a company: `accounts.models.AccountManager`."""

    @property
    def pk(self) -> Any: ...

    @property
    def user(self) -> Person: ...

    @property
    def user_id(self) -> UUID: ...

    @property
    def company_id(self) -> UUID: ...

    @property
    def role(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Made by `Actor.person(user)` or `Actor.in_seat(seat)`; the portal itself is `SYSTEM`.

    `seat` is set where a person acts for a company: there the seat's role says what they may do,
    and not their permissions as staff.
    """

    _person: Person | None = None
    seat: Seat | None = None

    @classmethod
    def person(cls, user: Person) -> "Actor":
        """A person who acts as such: staff in the back office, or whoever runs a command."""
        if user.pk is None:
            raise ValueError("Whoever is not signed in does not act")
        return cls(user)

    @classmethod
    def in_seat(cls, seat: Seat) -> "Actor":
        """A person who acts for the company in which they have this seat."""
        return cls(seat=seat)

    @property
    def user(self) -> Person | None:
        """Who it is; None is the portal itself."""
        return self.seat.user if self.seat else self._person

    @property
    def user_id(self) -> UUID | None:
        """What the trail stores; None is the portal itself. Needs no query."""
        if self.seat:
            return self.seat.user_id
        return self._person.pk if self._person else None

    @property
    def person_id(self) -> UUID:
        """The same, for what only a person does. Raises ValueError for the portal."""
        if self.user_id is None:
            raise ValueError("Only a person does this")
        return self.user_id

    @property
    def is_system(self) -> bool:
        """Whether the portal acts by itself: by the clock, or since a partner answered."""
        return self.user_id is None

    def has_perm(self, permission: str) -> bool:
        """Whether they are staff with this permission, such as "fulfillment.work_desk"."""
        return self._person is not None and self._person.has_perm(permission)

    def __str__(self) -> str:
        return str(self.user) if self.user else "the portal"


SYSTEM = Actor()
