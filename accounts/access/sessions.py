"""The sessions of a person: from which browsers and apps they are signed in, and ending some or all
of them.

A session remembers when it was last written down, so a request asks and writes nothing for it
within NOTED_EVERY.
"""

import time
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

from allauth.account.app_settings import REAUTHENTICATION_TIMEOUT
from allauth.core.internal.httpkit import is_headless_request
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import PersonSession, User
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.client_address import UNKNOWN, client_address

KEY = "noted"  # in the session: its row, its key, and when the row was written
NOTED_EVERY = 300  # seconds


def begin(request: HttpRequest, person: User, *, proved_by: str) -> None:
    """Write down the session of somebody who signs in. Over the API it gets tokens."""
    row = PersonSession(user=person, **_facts(request))
    if is_headless_request(request):
        request.session.set_expiry(settings.JWT_REFRESH_SECONDS)
        row.proved_by, row.refresh_id = proved_by, uuid4()
        row.refreshed_at = row.confirmed_at = row.last_seen_at
    row.save(force_insert=True)
    _remember(request, row.pk)


def own_row(request: HttpRequest) -> PersonSession:
    """The row of the session of this request."""
    return PersonSession.objects.get(pk=request.session[KEY]["id"])


def confirmed(request: HttpRequest) -> None:
    """Write down that the person of this request, which has tokens, said who they are."""
    PersonSession.objects.filter(pk=own_row(request).pk).update(confirmed_at=timezone.now())


def is_confirmed(row: PersonSession) -> bool:
    """Whether the person of a session with tokens said a moment ago who they are."""
    allowed = timedelta(seconds=REAUTHENTICATION_TIMEOUT)
    return row.confirmed_at is not None and timezone.now() - row.confirmed_at < allowed


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
        **from_where(request),
    }


def from_where(request: HttpRequest) -> dict[str, Any]:
    """The columns of a row that say from where, and when, it was used last."""
    return {
        "browser": request.headers.get("User-Agent", "").replace("\0", "")[:255],
        "address": client_address(request).replace(UNKNOWN, ""),
        "last_seen_at": timezone.now(),
    }


def _remember(request: HttpRequest, row_id: object) -> None:
    key, now = request.session.session_key, int(time.time())
    request.session[KEY] = {"id": str(row_id), "key": key, "at": now}


def open_sessions(person: User) -> QuerySet[PersonSession]:
    """The person's sessions that are still valid, the last used first."""
    rows = unended().filter(user=person, auth_hash=person.get_session_auth_hash())
    return rows.order_by("-last_seen_at", "pk")


def unended() -> QuerySet[PersonSession]:
    """The sessions that nobody ended. One is valid if its `auth_hash` is that of its person."""
    alive = Session.objects.filter(expire_date__gt=timezone.now())
    return PersonSession.objects.filter(session_key__in=alive.values("session_key"))


def is_valid(row: PersonSession) -> bool:
    """Whether a session that nobody ended is one of this person as they are now."""
    person = row.user
    is_theirs = constant_time_compare(row.auth_hash, person.get_session_auth_hash())
    return is_theirs and person.is_active and not person.is_machine


def is_own(request: HttpRequest, row: PersonSession) -> bool:
    """Whether this request belongs to this session."""
    return row.session_key == request.session.session_key


@transaction.atomic
def end_one(*, person: User, session_id: UUID) -> PersonSession | None:
    """End one session of the person: its next request is signed out. None if there is none."""
    row = open_sessions(person).filter(pk=session_id).first()
    if row is None:
        return None
    delete(row)
    _record(person, "one")
    return row


def delete(row: PersonSession) -> None:
    """Delete a session: its next request is signed out."""
    import_module(settings.SESSION_ENGINE).SessionStore().delete(row.session_key)
    row.delete()


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
