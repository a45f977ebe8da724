"""Checks what the portal runs on: PostgreSQL, Redis, the partners, and versions."""

import platform
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from time import monotonic

import django
import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from accounts import loyalty
from accounts.models import Company
from catalog.search.state import standing
from fulfillment import partner as fulfillment
from loyalty_portal.data.replica import replica_lag, replica_trouble
from loyalty_portal.partners import breaker
from loyalty_portal.partners.answers import UNDECIDED
from loyalty_portal.partners.client import Answer, Outcome
from loyalty_portal.queue.pause import is_paused
from loyalty_portal.queue.reach import BrokerAwayError, tasks_waiting
from loyalty_portal.web.health import migrations_to_apply, only_reads, redis_at
from operations.doctor.findings import Finding, State, by_age, counted, fine
from redemption.incidents.partners import who_rejects_us

PATIENCE = 5.0  # seconds to wait for PostgreSQL and for each partner
SLOWEST_QUERY = 15  # seconds
LONG_QUEUE = 1_000  # tasks; a longer queue means that the workers are too slow
TESTED_POSTGRESQL = range(15, 19)
CLOCK_LOOK = timedelta(seconds=1)
CLOCK_BAD = timedelta(minutes=1)
NOBODY = "doctor"  # an unknown account and reference: a partner that answers "not found" is up


def database() -> Iterator[Finding]:
    """Check PostgreSQL, which all checks of data need. Yields one finding."""
    try:
        connection.settings_dict.setdefault("OPTIONS", {})["connect_timeout"] = int(PATIENCE)
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = '{SLOWEST_QUERY}s'")
        read_only = only_reads()
    except DatabaseError:
        yield Finding(
            "PostgreSQL",
            State.BAD,
            "does not answer; nothing about orders, stock and points could be looked at",
            "Start it, or mend DATABASE_URL. Until then the portal is down; nothing is lost.",
        )
        return
    if read_only:
        yield Finding(
            "PostgreSQL",
            State.BAD,
            "can only be read; no order can be placed or go on",
            "Point DATABASE_URL to the primary, or make room on its disk.",
        )
        return
    yield fine("PostgreSQL", "answers")


def replica() -> Iterator[Finding]:
    """Check the replica that reports read. Yields nothing when there is none."""
    lag = replica_lag()
    if lag is None:
        return
    if why := replica_trouble():
        do = "See The read replica in docs/operations.md. Reports are only slower."
        yield Finding("Replica", State.LOOK, f"{why}; reports read the primary", do)
    else:
        yield fine("Replica", f"is at most {lag:.1f} s behind")


def search_index() -> Iterator[Finding]:
    """Check the search index of this machine, and how far it is behind."""
    now = standing()
    if now.sentence == "ok":
        yield fine("Search index", f"is at most {now.behind or 0:.0f} s behind")
        return
    do = "Start `manage.py index_catalog --follow` here, as the user of the web."
    told = f"{now.sentence}; pages ask PostgreSQL where it is not used, and are slower"
    yield Finding("Search index", State.LOOK, told, do)


def clocks() -> Iterator[Finding]:
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [theirs] = cursor.fetchone()
    ours = before + (timezone.now() - before) / 2
    apart = (theirs - ours).total_seconds()
    state = by_age(abs(timedelta(seconds=apart)), look=CLOCK_LOOK, bad=CLOCK_BAD)
    do = "" if state == State.OK else "Have both machines ask the same time server (NTP)."
    yield Finding("Clocks", state, f"the database's is {signed(apart)} from this machine's", do)


def signed(seconds: float) -> str:
    """Seconds with a sign, such as "+0.3 s"; a value that rounds to zero has no minus."""
    return f"{seconds:+z.1f} s"


def migrations() -> Iterator[Finding]:
    waiting = migrations_to_apply()
    if waiting:
        says = f"{counted(waiting, 'migration')} to apply"
        yield Finding("Migrations", State.BAD, says, "Run `manage.py migrate`.")
    else:
        yield fine("Migrations", "all applied")


def versions(*, with_database: bool) -> Iterator[Finding]:
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
        portal = tomllib.load(file)["project"]["version"]
    says = f"portal {portal}, Django {django.__version__}, Python {platform.python_version()}"
    if not with_database:
        yield fine("Versions", says)
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        [postgresql] = cursor.fetchone()
    says += f", PostgreSQL {postgresql.split()[0]}"
    if int(postgresql.split(".")[0].split()[0]) in TESTED_POSTGRESQL:
        yield fine("Versions", says)
    else:
        do = "The portal is tested with PostgreSQL 15 to 18."
        yield Finding("Versions", State.LOOK, says, do)


def pause() -> Iterator[Finding]:
    """Report a pause, if there is one."""
    if is_paused():
        says = (
            "PORTAL_PAUSED is set: workers, sweeper and scheduler are idle, the checkout is closed"
        )
        do = "After a restore: see docs/operations.md for what to compare before it is taken away."
        yield Finding("Pause", State.LOOK, says, do)


def cache() -> Iterator[Finding]:
    try:
        with redis_at(settings.REDIS_URL) as client:
            client.ping()
    except (redis.RedisError, OSError):
        yield Finding(
            "Redis, cache",
            State.BAD,
            "does not answer; pages are slower, and whether a partner is down is not known",
            "Start it, or mend REDIS_URL. Orders go on without it.",
        )
    else:
        yield fine("Redis, cache", "answers")


def queues() -> Iterator[Finding]:
    names = {settings.CELERY_TASK_DEFAULT_QUEUE}
    names |= {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    try:
        lengths = tasks_waiting(sorted(names))
    except BrokerAwayError:
        yield Finding(
            "Queues",
            State.BAD,
            "the broker does not answer; work waits for the sweeper's next look",
            "Start it, or mend BROKER_URL. Nothing is lost.",
        )
        return
    says = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
    if max(lengths.values()) > LONG_QUEUE and not is_paused():
        do = "Do the workers run? Start more of them. The sweeper does the work as well."
        yield Finding("Queues", State.LOOK, f"tasks waiting: {says}", do)
    else:
        yield fine("Queues", f"tasks waiting: {says}")


def partners(*, with_database: bool) -> Iterator[Finding]:
    account = _known_account() if with_database else NOBODY
    balance = partial(
        loyalty.client().get, "/balance/{account_id}", patience=PATIENCE, account_id=account
    )
    delivery = partial(
        fulfillment.client().get,
        "/fulfillments/{fulfillment_id}",
        patience=PATIENCE,
        fulfillment_id=NOBODY,
    )
    for subject, name, ask in (
        ("Loyalty partner", loyalty.PARTNER, balance),
        ("Fulfillment partner", fulfillment.PARTNER, delivery),
    ):
        found = _partner(subject, name, ask)
        rejected = found.state != State.BAD and with_database and who_rejects_us([name])
        yield _rejected(subject, "what waits to be asked again") if rejected else found


def _known_account() -> str:
    rows = Company.objects.filter(is_active=True).order_by("pk")
    return rows.values_list("loyalty_account_id", flat=True).first() or NOBODY


def _partner(subject: str, name: str, ask: Callable[[], Answer]) -> Finding:
    was_down = breaker.down_since(name) is not None
    began = monotonic()
    answer = ask()
    took = f"in {1000 * (monotonic() - began):.0f} ms"
    if answer.outcome is Outcome.UNKNOWN:
        return _troubled(subject, answer)
    if was_down:
        says = f"answers {took}, but was down a moment ago; new checkouts may be halted still"
        return Finding(subject, State.LOOK, says, "Look again in a minute.")
    return fine(subject, f"answers {took}")


def _troubled(subject: str, answer: Answer) -> Finding:
    if answer.rejects_us:
        return _rejected(subject, answer.code)
    if answer.status_code is None:
        says = f"does not answer ({answer.code})"
        do = "Ask the partner, and see its address and the network. Orders wait; nothing is lost."
    elif answer.status_code >= 500 or answer.status_code in UNDECIDED:
        says = f"is out of order or too busy at the moment ({answer.status_code})"
        do = "Ask the partner when it is well again. Orders wait; nothing is lost."
    else:
        says = f"answers what its contract does not have ({answer.code})"
        do = "Run `manage.py check_partners` against its test environment, and ask the partner."
    return Finding(subject, State.BAD, says, do)


def _rejected(subject: str, where: str) -> Finding:
    says = f"does not accept our credentials ({where})"
    do = "Mend its API key or OAuth variables. Orders wait meanwhile; nothing is lost."
    return Finding(subject, State.BAD, says, do)
