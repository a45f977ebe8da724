"""Which database reports read: the replica, or the primary when the replica may not be read
(docs/decisions/0070-reports-read-a-replica.md).

Nothing that decides reads the replica. Only what runs inside `reported` does, and an import
contract lists who may call it.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connection, connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from psycopg import errors

logger = logging.getLogger(__name__)

Made = TypeVar("Made")

REPLICA = "replica"  # the alias; it exists while REPLICA_DATABASE_URL is set
LOOK_EVERY = 1.0  # seconds between two looks at the replica, which are made only when one is wanted
LOOK_AGAIN = 10.0  # seconds after a look that found no replica
SAY_EVERY = 60.0  # seconds between two log lines about a replica that is not read
COOKIE = "wrote"  # its browser has sent a form within the longest lag
SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}

# The replica's clock is not asked: the time of the last replayed commit is the primary's.
_OF_THE_REPLICA = """
    SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() - '0/0', pg_last_xact_replay_timestamp(),
        (SELECT system_identifier FROM pg_control_system()), pg_postmaster_start_time(),
        (SELECT min_recovery_end_timeline FROM pg_control_recovery())
"""
_OF_THE_PRIMARY = """
    SELECT pg_current_wal_lsn() - '0/0', clock_timestamp(),
        (SELECT system_identifier FROM pg_control_system()), pg_postmaster_start_time(),
        ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
"""


@dataclass(frozen=True, slots=True)
class Reported(Generic[Made]):
    """What was read, and until when it has everything that was committed, by the primary's clock.
    `as_of` None: it was read from the primary, and is of this moment.
    """

    found: Made
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class _Standing:
    """What a look at the replica found at the time `at` (monotonic). `why` is empty when it can be
    read; `age` is how many seconds its data was behind the primary's then, at most.
    """

    at: float
    why: str = ""
    age: float = math.inf
    as_of: datetime | None = None

    @property
    def age_now(self) -> float:
        return self.age + time.monotonic() - self.at


class _Here(threading.local):
    """What holds for this thread's request."""

    alias = DEFAULT_DB_ALIAS
    wrote = False


class _Watch:
    """What this process knows about the replica."""

    def __init__(self) -> None:
        self._looking = threading.Lock()
        self._standing: _Standing | None = None
        self._said_at = -math.inf
        self._says_so = False
        # When the primary had written how much: a replica that has replayed as much is at most as
        # old. So a primary that writes nothing makes no replica old.
        self._written: deque[tuple[float, int]] = deque(maxlen=600)

    def standing(self) -> _Standing:
        """The last look, or a new one when that is too long ago. One thread looks at a time, and
        the others go by the last look meanwhile.
        """
        last = self._standing
        if last and time.monotonic() - last.at < (LOOK_AGAIN if last.why else LOOK_EVERY):
            return last
        if not self._looking.acquire(blocking=last is None):
            return last or _Standing(time.monotonic(), "has not been looked at yet")
        try:
            self._standing = self._look()
        finally:
            self._looking.release()
        return self._standing

    def lost(self, why: str) -> None:
        """A read failed: go by that until the next look."""
        self._standing = _Standing(time.monotonic(), why)

    def say(self, why: str, *, lasts: bool = True) -> None:
        """Say in the log, at most once a minute, why reports read the primary; "": they do not."""
        now = time.monotonic()
        if why and now - self._said_at >= SAY_EVERY:
            logger.warning("reports read the primary: the replica %s", why)
            self._said_at, self._says_so = now, lasts
        elif not why and self._says_so:
            logger.warning("reports read the replica again")
            self._says_so = False

    def _look(self) -> _Standing:
        began = time.monotonic()
        try:
            # A connection of its own: a kept one to a frozen server would hang, a new one ends
            # after its connect_timeout.
            with closing(connections.create_connection(REPLICA)) as link:
                follows, replayed, replayed_at, *whose = _row(link, _OF_THE_REPLICA)
            at = time.monotonic()
            written, now, *our = _row(connection, _OF_THE_PRIMARY)
        except Error as error:
            reason = type(error.__cause__ or error).__name__
            return _Standing(began, f"does not answer ({reason})")
        if not follows:
            is_it = whose[:2] == our[:2]
            return _Standing(
                at, "is the primary itself" if is_it else "is none any more (promoted?)"
            )
        # A promotion begins a timeline with a higher number. Ours may be ahead of a replica's until
        # that has written its next restart point.
        other = whose[0] != our[0] or whose[2] > our[2]
        if other or replayed is None or replayed > written:
            return _Standing(at, "follows another primary")
        self._written.append((at, written))
        behind = math.inf if replayed_at is None else max(0.0, (now - replayed_at).total_seconds())
        age = min([behind, *(at - then for then, much in self._written if much <= replayed)])
        as_of = now - timedelta(seconds=age) if age < math.inf else None
        return _Standing(at, age=age, as_of=as_of)


_here, _watch = _Here(), _Watch()


def _row(link: Any, query: str) -> Any:
    with link.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()


def reporting() -> str:
    """The alias of the database for `queryset.using(...)`: the replica inside of `reported` where
    that reads it, else the primary.
    """
    return _here.alias


def reported(read: Callable[[], Made], *, since: datetime | None = None) -> Reported[Made]:
    """Call `read`, whose queries use `reporting()`, with the replica if it may be read now.

    It may not when it is older than REPLICA_MAX_LAG, away, or no replica of this primary, nor in a
    request that changes something, nor for whoever did so a moment ago. With `since`, a time of the
    primary's clock, it must have everything that was committed until then. `read` must read all
    that it returns, and is called again with the primary when the replica gives up.
    """
    if REPLICA not in connections.settings or _here.wrote:
        return Reported(read(), None)
    standing = _watch.standing()
    why = _unfit(standing)
    _watch.say(why)
    if why or standing.as_of is None or (since is not None and standing.as_of < since):
        return Reported(read(), None)
    _here.alias = REPLICA
    try:
        return Reported(read(), standing.as_of)
    except Error as error:
        if isinstance(error.__cause__, errors.QueryCanceled):
            raise  # it took too long; the primary has other work
        reason = f"gave up ({type(error.__cause__ or error).__name__})"
        if getattr(error.__cause__, "sqlstate", None) is None:  # the connection is gone
            _watch.lost(reason)
        _watch.say(reason, lasts=False)
        connections[REPLICA].close_if_unusable_or_obsolete()
    finally:
        _here.alias = DEFAULT_DB_ALIAS
    return Reported(read(), None)


def _unfit(standing: _Standing) -> str:
    """Why the replica may not be read; "" when it may."""
    if standing.why or standing.age_now <= settings.REPLICA_MAX_LAG:
        return standing.why
    if standing.age == math.inf:
        return "has replayed nothing yet"
    return f"is {standing.age_now:.0f} s behind"


def replica_lag() -> float | None:
    """How many seconds the replica is behind the primary, at most; infinite when it cannot be read,
    None when there is none. For metrics and the doctor.
    """
    if REPLICA not in connections.settings:
        return None
    standing = _watch.standing()
    return math.inf if standing.why else standing.age_now


def replica_trouble() -> str:
    """Why reports read the primary, as the end of a sentence that begins with "the replica"; ""
    when they read the replica, or there is none.
    """
    return _unfit(_watch.standing()) if REPLICA in connections.settings else ""


def read_own_writes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: a request that changes something reads the primary, and so do the pages of that
    browser until every replica that may be read has the change.

    The browser counts the time, so no clocks are compared.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        if REPLICA not in connections.settings:
            return get_response(request)
        writes = request.method not in SAFE
        _here.wrote = writes or COOKIE in request.COOKIES
        try:
            response = get_response(request)
        finally:
            _here.wrote = False
        if writes:
            response.set_cookie(
                COOKIE,
                "1",
                max_age=math.ceil(settings.REPLICA_MAX_LAG + 2 * LOOK_EVERY),
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return answer
