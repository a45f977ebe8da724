"""Asks people to confirm who they are before something that must not be done by whoever finds a
browser open.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from allauth.account.decorators import reauthentication_required
from django.http import HttpResponseBase

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def reauthenticated(view: View) -> View:
    """Decorate a view of somebody who is signed in: it is shown, and done, within five minutes
    after they signed in or confirmed who they are. Else they confirm first, and then it goes on,
    with what a form had sent.

    Put it inside of what checks that they are signed in.
    """
    asked: Any = reauthentication_required
    return cast("View", asked(view))
