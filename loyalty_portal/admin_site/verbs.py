"""The actions that the admin offers on rows, and the actor of a request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest
from django.utils.functional import Promise

from loyalty_portal.data.actor import Actor

Row = TypeVar("Row", bound=Model)


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in member of staff as an actor."""
    return Actor.person(request.user)


@dataclass(frozen=True, slots=True)
class Verb(Generic[Row]):
    """An action of staff on a row: its button, permission, form and service.

    `act` gets the row, the form's cleaned data and the actor. It returns a success message, or
    raises one of the admin's `refusals` with an error message.
    """

    label: Promise
    permission: str
    act: Callable[[Row, dict[str, Any], Actor], str]
    form: type[Form] = Form

    def may(self, actor: Actor) -> bool:
        """Whether the actor may use it; checked when it is offered and when it is done."""
        return actor.has_perm(self.permission)


@dataclass(frozen=True, slots=True)
class Act:
    """An action as `admin/_act.html` shows it. `tried`: it was posted and refused."""

    label: Promise
    href: str
    form: Form
    tried: bool
