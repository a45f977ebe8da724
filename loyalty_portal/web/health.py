"""Two addresses for probes: whether the process answers, and whether it can work."""

import logging
from collections.abc import Callable, Iterator
from functools import cache

import redis
from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import resolve, reverse
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from loyalty_portal.data.replica import replica_lag
from loyalty_portal.http.draining import draining
from loyalty_portal.metrics.state import StateFigure
from loyalty_portal.partners.breaker import down_since
from loyalty_portal.queue.pause import is_paused
from loyalty_portal.queue.reach import tasks_waiting

logger = logging.getLogger(__name__)

PARTNERS = ("loyalty", "fulfillment")
# True on a standby, or on a primary that was made read-only, by a full disk for example.
_ONLY_READS = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"


def straight_in(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that answers probes before all others, whatever host they name.

    Probes use a container's IP address as host, which ALLOWED_HOSTS cannot list. They need no
    session or language either.
    """
    views = {"healthz": healthz, "readyz": readyz}
    routes = {reverse(name): resolve(reverse(name)) for name in views}

    def answer(request: HttpRequest) -> HttpResponseBase:
        route = routes.get(request.path_info)
        if route is None:
            return get_response(request)
        request.resolver_match = route  # the request's line in the log names it
        told = views[route.view_name](request)
        # CommonMiddleware would add this, but it does not run here.
        told["Content-Length"] = str(len(told.content))
        return told

    return answer


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer 200 if the process runs. It checks nothing else, so a restart is the right
    reaction.
    """
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when requests may be sent here, 503 when not.

    `{"status": "ok" | "degraded" | "unavailable", "parts": {part: "ok" | what is wrong}}`
    """
    needed = {
        "process": "is stopping" if draining.is_set() else "ok",
        "database": _check(_database),
        "migrations": _check(_migrations),
        "static files": _check(_static_files),
    }
    # Only PostgreSQL is required. Without Redis pages are slower and work waits for the sweeper,
    # but every order still finishes; taking the web down as well would make it worse.
    helpful = {
        "cache": _check(lambda: _redis(settings.REDIS_URL)),
        "broker": _check(_broker),
        **{f"{partner} partner": _partner(partner) for partner in PARTNERS},
        **{name: _check(import_string(part)) for name, part in settings.READY_PARTS.items()},
        **({"work": "paused"} if is_paused() else {}),
    }
    status = "ok"
    if set(helpful.values()) != {"ok"}:
        status = "degraded"
    if set(needed.values()) != {"ok"}:
        status = "unavailable"
    return JsonResponse(
        {"status": status, "parts": needed | helpful},
        status=503 if status == "unavailable" else 200,
    )


def _check(part: Callable[[], str]) -> str:
    try:
        return part()
    except (DatabaseError, redis.RedisError, OSError) as error:
        # Log the reason only: anybody who reaches the portal can read this address.
        logger.warning("not ready: %s", error)
        return "does not answer"


def _database() -> str:
    """Check the database. A read-only one counts as failed: no order can be placed there."""
    return "can only be read" if only_reads() else "ok"


def _static_files() -> str:
    """Check the static files: in production each page looks up names that collectstatic
    recorded.
    """
    if isinstance(staticfiles_storage, ManifestFilesMixin) and not staticfiles_storage.hashed_files:
        return "not collected"
    return "ok"


def _migrations() -> str:
    waiting = migrations_to_apply()
    return f"{waiting} to apply" if waiting else "ok"


def _partner(name: str) -> str:
    """The partner's state from the calls of the last minute. Makes no call."""
    return "ok" if down_since(name) is None else "does not answer"


def _redis(address: str) -> str:
    with redis_at(address) as client:
        client.ping()
    return "ok"


def _broker() -> str:
    tasks_waiting()
    return "ok"


# --- Also used by manage.py doctor ---------------------------------------------------------------


def only_reads() -> bool:
    """Whether the database refuses to write. Raises DatabaseError when it does not answer."""
    with connection.cursor() as cursor:
        cursor.execute(_ONLY_READS)
        [refuses] = cursor.fetchone()
    return bool(refuses)


def migrations_to_apply() -> int:
    return len(_known_migrations() - MigrationRecorder(connection).applied_migrations().keys())


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """The migrations of this version. They are read once, which takes as long as many pages:
    balancers ask for `/readyz` each second.
    """
    return frozenset(MigrationLoader(connection).graph.nodes)


def redis_at(address: str) -> redis.Redis:
    """A client of the Redis at this address, which waits at most REDIS_TIMEOUT seconds."""
    # Celery and redis-py use different URL schemes for a socket.
    address = address.replace("redis+socket://", "unix://", 1)
    limit = settings.REDIS_TIMEOUT
    return redis.Redis.from_url(address, socket_timeout=limit, socket_connect_timeout=limit)


# --- For Prometheus (settings.STATE_SOURCES) ----------------------------------------------------


def breakers() -> Iterator[StateFigure]:
    """Whether each partner is known to be down, as all processes see it."""
    rows = [((name,), float(down_since(name) is not None)) for name in PARTNERS]
    yield StateFigure("portal_breaker_open", "1 while the partner is down.", rows, ("partner",))


def replica() -> Iterator[StateFigure]:
    """How far the replica that reports read is behind the primary, if there is one."""
    lag = replica_lag()
    if lag is not None:
        says = "Seconds that the replica is behind, at most; infinite when it cannot be read."
        yield StateFigure("portal_replica_lag_seconds", says, [((), lag)])
