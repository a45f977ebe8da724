"""The actor of a change: a person, a person in a seat of a company, or the portal itself.

Every service that records who did something takes an `Actor` as `by`. The permissions of a room
depend on nothing else about who acts.
"""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


class Person(Protocol):
    """The part of `accounts.models.User` that an actor needs."""

    @property
    def pk(self) -> Any: ...

    @property
    def is_staff(self) -> bool: ...

    @property
    def is_superuser(self) -> bool: ...

    def has_perm(self, perm: str, obj: Any = None) -> bool: ...


class Member(Person, Protocol):
    """The part of `accounts.models.User` that an actor needs of whoever has a seat."""

    @property
    def is_machine(self) -> bool: ...


class LimitedCompany(Protocol):
    """The part of `accounts.models.Company` that limits of calls need."""

    @property
    def api_rate(self) -> int | None: ...


class Seat(Protocol):
    """The part of `accounts.models.AccountManager` that an actor needs."""

    @property
    def pk(self) -> Any: ...

    @property
    def user(self) -> Member: ...

    @property
    def user_id(self) -> UUID: ...

    @property
    def company(self) -> LimitedCompany: ...

    @property
    def company_id(self) -> UUID: ...

    @property
    def role(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. Make one with `Actor.person(user)` or `Actor.in_seat(seat)`; `SYSTEM` is the
    portal.

    `seat` is set when a person acts for a company. Then the seat's role decides what they may do,
    and not their permissions as staff.
    """

    _person: Person | None = None
    seat: Seat | None = None

    @classmethod
    def person(cls, user: Person) -> "Actor":
        """A person outside any seat: staff in the admin, or whoever runs a command."""
        if user.pk is None:
            raise ValueError("Whoever is not signed in does not act")
        return cls(user)

    @classmethod
    def in_seat(cls, seat: Seat) -> "Actor":
        """A person who acts for a company through this seat."""
        return cls(seat=seat)

    @property
    def user(self) -> Person | None:
        """The user; None for the portal itself."""
        return self.seat.user if self.seat else self._person

    @property
    def user_id(self) -> UUID | None:
        """The user's id, for storing; None for the portal itself. Needs no query."""
        if self.seat:
            return self.seat.user_id
        return self._person.pk if self._person else None

    @property
    def person_id(self) -> UUID:
        """The user's id, for actions that only a person does. Raises ValueError for the portal."""
        if self.user_id is None:
            raise ValueError("Only a person does this")
        return self.user_id

    @property
    def is_system(self) -> bool:
        """Whether the portal acts by itself, on schedule or after a partner's answer."""
        return self.user_id is None

    @property
    def is_machine(self) -> bool:
        """Whether a company's own system acts, by an API key, and no person."""
        return self.seat is not None and self.seat.user.is_machine

    def has_perm(self, permission: str) -> bool:
        """Whether the actor is staff with this permission, such as "fulfillment.work_desk"."""
        return self._person is not None and self._person.has_perm(permission)

    @property
    def is_superuser(self) -> bool:
        """Whether the actor is staff who may do everything in the admin."""
        return self._person is not None and self._person.is_superuser

    def __str__(self) -> str:
        return str(self.user) if self.user else "the portal"


SYSTEM = Actor()
