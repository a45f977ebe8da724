"""What follows when the factors of a person change: the trail, a letter, and their sessions."""

from enum import StrEnum
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.access import sessions
from accounts.access.factors.kinds import APP, PASSKEY, factors_of
from accounts.models import User
from accounts.permissions import may_remove_factors
from accounts.seats import letters
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.sessions import SECOND_FACTOR
from loyalty_portal.http.where import where


class FactorChange(StrEnum):
    """What changed, as the letter and the trail name it."""

    APP_ADDED = "app_added"
    APP_REMOVED = "app_removed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    CODES_MADE = "codes_made"
    LOST = "lost"


class FactorRefusedError(Exception):
    """The factors may not be changed so. The message says why."""


def changed(request: HttpRequest, change: FactorChange, *, name: str = "") -> None:
    """Record and tell what the person of this request changed, and end their other sessions. To be
    called in the transaction of the change. `name` is a passkey's.
    """
    person: Any = request.user
    _tell(person, change, by=Actor.person(person), name=name)
    if change == FactorChange.CODES_MADE:
        return
    sessions.end_all(person)
    sessions.go_on(request)
    factors = factors_of(person)
    if factors:
        request.session.setdefault(SECOND_FACTOR, str(factors[-1].type))
    else:
        request.session.pop(SECOND_FACTOR, None)


@transaction.atomic
def remove_lost(*, person: User, by: Actor, reason: str) -> None:
    """Remove all factors of a person who has lost theirs, and end all their sessions. The person is
    told. Raises FactorRefusedError.
    """
    if not may_remove_factors(by, person):
        raise FactorRefusedError(_("You have no permission for this."))
    held = Authenticator.objects.select_for_update().filter(user=person)
    kinds = sorted({factor.type for factor in held})
    if not {APP, PASSKEY} & set(kinds):
        raise FactorRefusedError(_("This person has no second step to sign in."))
    held.delete()
    sessions.end_all(person)
    _tell(person, FactorChange.LOST, by=by, reason=reason, removed=kinds)


def _tell(
    person: User,
    change: FactorChange,
    *,
    by: Actor,
    name: str = "",
    reason: str = "",
    removed: list[str] | None = None,
) -> None:
    facts: dict[str, Any] = {"step": change.value}
    if reason:
        facts |= {"reason": reason, "removed": removed}
    record(TrailKind.SECOND_FACTOR, by=by, about=person, facts=facts)
    told = {
        "change": change.value,
        "name": name,
        "reason": reason,
        "by_staff": by.user_id != person.pk,
        "address": "" if reason else where().address,
    }
    letters.write_access(person, told)
