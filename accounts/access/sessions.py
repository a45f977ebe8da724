"""The sessions of a person: from which browsers they are signed in, and ending some or all of them.

A session remembers when it was last written down, so a request asks and writes nothing for it
within NOTED_EVERY.
"""

import time
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import PersonSession, User
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.client_address import UNKNOWN, client_address

KEY = "noted"  # in the session: its row, its key, and when the row was written
NOTED_EVERY = 300  # seconds


def begin(request: HttpRequest, person: User) -> None:
    """Write down the session of somebody who signs in."""
    row = PersonSession(user=person, **_facts(request))
    row.save(force_insert=True)
    _remember(request, row.pk)


def note(request: Any) -> None:
    """Write down that a session is used, or that it has another key since a new password. To be
    called after each response; mostly it only looks into the session.
    """
    noted = request.session.get(KEY)
    if noted is None:
        return
    is_known = noted["key"] == request.session.session_key
    if is_known and time.time() - noted["at"] < NOTED_EVERY:
        return
    if PersonSession.objects.filter(pk=noted["id"]).update(**_facts(request)):
        _remember(request, noted["id"])


def _facts(request: HttpRequest) -> dict[str, Any]:
    return {
        "session_key": request.session.session_key,
        "auth_hash": request.session[HASH_SESSION_KEY],
        "browser": request.headers.get("User-Agent", "").replace("\0", "")[:255],
        "address": client_address(request).replace(UNKNOWN, ""),
        "last_seen_at": timezone.now(),
    }


def _remember(request: HttpRequest, row_id: object) -> None:
    key, now = request.session.session_key, int(time.time())
    request.session[KEY] = {"id": str(row_id), "key": key, "at": now}


def open_sessions(person: User) -> QuerySet[PersonSession]:
    """The person's sessions that are still valid, the last used first."""
    alive = Session.objects.filter(expire_date__gt=timezone.now())
    rows = PersonSession.objects.filter(user=person, auth_hash=person.get_session_auth_hash())
    return rows.filter(session_key__in=alive.values("session_key")).order_by("-last_seen_at", "pk")


def is_own(request: HttpRequest, row: PersonSession) -> bool:
    """Whether this request belongs to this session."""
    return row.session_key == request.session.session_key


@transaction.atomic
def end_one(*, person: User, session_id: UUID) -> PersonSession | None:
    """End one session of the person: its next request is signed out. None if there is none."""
    row = open_sessions(person).filter(pk=session_id).first()
    if row is None:
        return None
    import_module(settings.SESSION_ENGINE).SessionStore().delete(row.session_key)
    row.delete()
    _record(person, "one")
    return row


@transaction.atomic
def end_others(request: HttpRequest) -> None:
    """End all sessions of the person of this request but this one."""
    person: Any = request.user
    end_all(person)
    go_on(request)
    _record(person, "others")


def end_all(person: User) -> None:
    """End all sessions of a person: the next request of each is signed out."""
    User.objects.filter(pk=person.pk).update(sessions_ended=F("sessions_ended") + 1)


def go_on(request: HttpRequest) -> None:
    """Let the session of this request go on, after all sessions of its person were ended."""
    person: Any = request.user
    person.refresh_from_db(fields=["sessions_ended"])
    update_session_auth_hash(request, person)


def forget_ended() -> int:
    """Delete the rows of sessions that are over. Returns how many."""
    over = PersonSession.objects.exclude(session_key__in=Session.objects.values("session_key"))
    return over.delete()[0]


def _record(person: User, which: str) -> None:
    record(TrailKind.SESSION_ENDED, by=Actor.person(person), about=person, facts={"which": which})
