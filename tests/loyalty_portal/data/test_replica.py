"""Reports read a real streaming replica by its rules, or the primary."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings as settings_of_the_portal
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from psycopg import errors
from pytest_django.plugin import DjangoDbBlocker

from inventory.models import Inventory
from loyalty_portal.configuration.databases import databases
from loyalty_portal.configuration.environment import Environment
from loyalty_portal.data import replica
from loyalty_portal.data.replica import REPLICA, replica_lag, reported, reporting
from loyalty_portal.jobs.models import Job
from loyalty_portal.local.embedded import Postgres
from loyalty_portal.local.embedded_folder import Folder
from loyalty_portal.web.health import replica as told_to_prometheus
from operations.doctor.findings import State
from operations.doctor.infrastructure_checks import replica as doctors_word
from redemption.analytics.forms import ReportForm
from redemption.analytics.reports.registry import REPORTS
from redemption.analytics.services import rebuild_figures
from tests.catalog.factories import ProductFactory
from tests.production.stores.standby import ROOT, Standby, standby_of
from tests.redemption.analytics.gallery import Gallery
from tests.support.staff import browser, staff
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
STOCK = "/admin/reports/stock/"
HIDDEN = (  # who is signed in, what signs people and systems in, and what is sealed
    "session_key FROM django_session",
    "session_key FROM accounts_personsession",
    "data FROM mfa_authenticator",
    "secret_hash FROM accounts_apikey",
    "key_hash FROM accounts_keyedapicall",
    "token_hash FROM accounts_invitation",
    "secret FROM accounts_personletter",
    "code FROM fulfillment_virtualcode",
    "body FROM redemption_callback",
    "secret FROM redemption_webhookendpoint",
    "token_hash FROM redemption_recipientask",
    "password FROM accounts_user",
)


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Standby]:
    with django_db_blocker.unblock(), standby_of(primary_address()) as running:
        yield running


def primary_address() -> str:
    here = connection.settings_dict
    who = f"{here['USER']}:{quote(here['PASSWORD'])}"
    return f"postgresql://{who}@{here['HOST']}:{here['PORT']}/{here['NAME']}"


@pytest.fixture
def reads_from(
    transactional_db: None, django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """Set a replica by its address, read from the environment as in production."""

    def set_up(address: str) -> None:
        monkeypatch.setenv("DATABASE_URL", primary_address())
        monkeypatch.setenv("REPLICA_DATABASE_URL", address)
        both = connections.configure_settings(databases(Environment(), debug=True))
        connections.settings[REPLICA] = both[REPLICA]
        # replaced: what the process knows, so that each test begins without it
        monkeypatch.setattr(replica, "_watch", replica._Watch())
        with connection.cursor() as cursor:  # the tests' server has it off
            cursor.execute("SET synchronous_commit = on")

    with django_db_blocker.unblock():  # Django would refuse the second database
        yield set_up
        connections[REPLICA].close()
    del connections[REPLICA], connections.settings[REPLICA]
    connection.close()


@pytest.fixture
def standby(server: Standby, reads_from: Callable[[str], None]) -> Standby:
    """The portal's replica, which has all that the primary has."""
    reads_from(server.address)
    eventually(lambda: server.has_all, "the standby has all")
    return server


def look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: how long a look counts, so that the next read looks
    monkeypatch.setattr(replica, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(replica, "LOOK_AGAIN", 0.0)


def database_read() -> str:
    """Where a report reads now: which database answers, and the portal's own word for it."""

    def read() -> str:
        with connections[reporting()].cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            [is_replica] = cursor.fetchone()
        assert is_replica == (reporting() == REPLICA)
        return reporting()

    return reported(read).found


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if "reports read" in each.message]


def answers() -> dict[str, Any]:
    """Every report, and where each was read."""
    found = {}
    for name, kind in REPORTS.items():
        form = ReportForm(kind, {}, now=timezone.now())
        assert form.is_valid()
        found[name] = kind.answer(form.question())
    return found


def test_reports_equal_those_of_the_primary_once_the_replica_has_caught_up(
    standby: Standby,
) -> None:
    gallery = Gallery(7)
    for _ in range(12):
        gallery.draw()
    rebuild_figures()
    eventually(lambda: standby.has_all, "the standby has all")

    read = reported(lambda: (reporting(), answers()))

    assert read.found == (REPLICA, answers())
    assert read.as_of is not None
    assert read.found[1]["redeemed"].tiles[0].value


def test_nothing_reads_the_replica_outside_of_a_report(standby: Standby) -> None:
    assert database_read() == REPLICA
    assert reporting() == DEFAULT_DB_ALIAS


def test_without_a_replica_reports_read_the_primary() -> None:
    read = reported(reporting)
    assert (read.found, read.as_of, replica_lag()) == (DEFAULT_DB_ALIAS, None, None)


def test_a_primary_that_writes_nothing_makes_no_replica_old(
    standby: Standby, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REPLICA_MAX_LAG = 1
    look_again(monkeypatch)
    ProductFactory.create()
    since_the_last = "SELECT now() - pg_last_xact_replay_timestamp() > '3 s'"
    eventually(lambda: standby.ask(since_the_last), "nobody has written for three seconds")
    lag = replica_lag()
    assert lag is not None
    assert lag < 1
    assert database_read() == REPLICA


def test_one_that_is_older_than_the_limit_is_not_read_and_it_is_said(
    standby: Standby,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.REPLICA_MAX_LAG = 1
    look_again(monkeypatch)
    assert database_read() == REPLICA
    standby.ask("SELECT pg_wal_replay_pause()")
    try:
        ProductFactory.create()
        eventually(lambda: database_read() == DEFAULT_DB_ALIAS, "it is too old", pause=0.2)
        assert (replica_lag() or 0) > 1
        for _ in range(5):
            assert database_read() == DEFAULT_DB_ALIAS
        [line] = said(caplog)
        assert line.startswith("reports read the primary: the replica is ")
        assert line.endswith(" s behind")
    finally:
        standby.ask("SELECT pg_wal_replay_resume()")
    eventually(lambda: database_read() == REPLICA, "it has caught up")
    assert said(caplog)[1:] == ["reports read the replica again"]


def test_one_that_is_away_is_not_read_until_it_is_back(
    standby: Standby, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look_again(monkeypatch)
    assert database_read() == REPLICA
    standby.__exit__(None, None, None)
    try:
        assert database_read() == DEFAULT_DB_ALIAS
        assert replica_lag() == float("inf")
        assert "does not answer" in said(caplog)[0]
    finally:
        assert standby.launch()
    eventually(lambda: database_read() == REPLICA, "it is back")


def test_one_that_goes_away_amid_a_report_is_left_for_the_primary(
    standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> str:
        with connections[reporting()].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            [mine] = cursor.fetchone()
            if reporting() == REPLICA:
                standby.ask(f"SELECT pg_terminate_backend({mine})")
            cursor.execute("SELECT 1")
        return reporting()

    assert database_read() == REPLICA
    assert reported(read).found == DEFAULT_DB_ALIAS
    assert "gave up" in said(caplog)[0]


def test_one_that_is_frozen_holds_no_report_up(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_again(monkeypatch)
    standby.freeze()
    try:
        assert database_read() == DEFAULT_DB_ALIAS
    finally:
        standby.thaw()
    eventually(lambda: database_read() == REPLICA, "it answers again")


def test_a_report_that_stands_in_the_way_of_replaying_is_read_from_the_primary(
    standby: Standby, caplog: pytest.LogCaptureFixture
) -> None:
    ProductFactory.create()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE in_the_way AS SELECT 1 AS n")
    eventually(lambda: standby.has_all, "the standby has all")
    held = f"SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%in_the_way%' AND pid <> pg_backend_pid() AND usename = '{standby.roles['REPORTS_ROLE']}'"

    def read() -> str:
        with connections[reporting()].cursor() as cursor:
            wait = 60 if reporting() == REPLICA else 0
            cursor.execute("SELECT n, pg_sleep(%s) FROM in_the_way", [wait])
        return reporting()

    def stand_in_the_way() -> None:
        eventually(lambda: standby.ask(held), "the report reads")
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE in_the_way")
        connection.close()

    other = threading.Thread(target=stand_in_the_way)
    other.start()
    try:
        assert reported(read).found == DEFAULT_DB_ALIAS
    finally:
        other.join()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE in_the_way")
    assert said(caplog) == ["reports read the primary: the replica gave up (SerializationFailure)"]
    eventually(lambda: standby.has_all, "the standby has all")
    assert database_read() == REPLICA  # the next report tries it again
    assert len(said(caplog)) == 1


def test_the_primary_itself_is_no_replica(
    reads_from: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    reads_from(primary_address())
    assert database_read() == DEFAULT_DB_ALIAS
    assert replica_lag() == float("inf")
    assert said(caplog) == ["reports read the primary: the replica is the primary itself"]


def test_one_that_was_promoted_is_no_replica(
    reads_from: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with standby_of(primary_address()) as other:
        reads_from(other.address)
        look_again(monkeypatch)
        eventually(lambda: other.has_all, "the standby has all")
        eventually(lambda: database_read() == REPLICA, "it is read")
        reads_from(other.address)  # forgets what was said until then, which counts for a minute
        caplog.clear()
        other.ask("SELECT pg_promote()")
        assert database_read() == DEFAULT_DB_ALIAS
    assert said(caplog) == ["reports read the primary: the replica is none any more (promoted?)"]


@pytest.fixture
def foreign(transactional_db: None) -> Iterator[Standby]:
    """The standby of another portal's primary, which has written more, or less, than ours."""
    with (
        Folder(ROOT / ".local" / f"foreign-{os.getpid()}") as folder,
        Postgres(folder, durable=False) as primary,
    ):
        try:
            with psycopg.connect(primary.address, autocommit=True) as link:
                link.execute("CREATE TABLE accounts_user (id int, password text)")
            with standby_of(primary.address) as running:
                yield running
        finally:
            shutil.rmtree(folder.path, ignore_errors=True)


def test_one_that_follows_another_primary_is_not_read_and_it_is_said_once_a_minute(
    foreign: Standby,
    reads_from: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reads_from(foreign.address)
    look_again(monkeypatch)
    for _ in range(3):
        assert database_read() == DEFAULT_DB_ALIAS
    assert said(caplog) == ["reports read the primary: the replica follows another primary"]
    # replaced: so that the minute is over
    monkeypatch.setattr(replica, "SAY_EVERY", 0.0)
    assert database_read() == DEFAULT_DB_ALIAS
    assert len(said(caplog)) == 2
    [figure] = told_to_prometheus()
    assert figure.rows == [((), float("inf"))]
    [look] = doctors_word()
    assert "follows another primary" in look.says


def test_one_that_follows_a_promoted_server_is_not_read(
    reads_from: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our primary has written more since, so positions in the log say nothing."""
    with standby_of(primary_address()) as promoted:
        eventually(lambda: promoted.has_all, "the standby has all")
        promoted.ask("SELECT pg_promote()")
        with standby_of(promoted.administration) as follower:
            for _ in range(3):  # each a segment of the log
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_switch_wal()")
                ProductFactory.create()
            reads_from(follower.address)
            look_again(monkeypatch)
            assert database_read() == DEFAULT_DB_ALIAS
    assert said(caplog) == ["reports read the primary: the replica follows another primary"]


def test_what_was_wanted_after_a_moment_has_all_that_was_saved_until_then(standby: Standby) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [before] = cursor.fetchone()
    ProductFactory.create()
    eventually(lambda: standby.has_all, "the standby has all")
    assert reported(reporting, since=before).found == REPLICA
    after = datetime.max.replace(tzinfo=before.tzinfo)
    assert reported(reporting, since=after).found == DEFAULT_DB_ALIAS


def test_the_role_of_reports_is_read_only_and_its_queries_end_after_a_minute(
    standby: Standby,
) -> None:
    """By itself, whatever the portal asks for (deploy/postgres/roles.sql)."""
    for server in (standby.address, standby.on_the_primary):
        with psycopg.connect(server, autocommit=True) as link:
            told = [
                link.execute(f"SHOW {name}").fetchone()
                for name in ("statement_timeout", "default_transaction_read_only")
            ]
            assert told == [("1min",), ("on",)]
            assert link.execute("SELECT count(*) FROM redemption_order").fetchone() is not None
            assert link.execute("SELECT count(email) FROM accounts_user").fetchone() is not None
            for hidden in HIDDEN:
                with pytest.raises(errors.InsufficientPrivilege):
                    link.execute(f"SELECT {hidden} LIMIT 1".encode())
    with psycopg.connect(standby.on_the_primary, autocommit=True) as link:
        link.execute("SET default_transaction_read_only = off")
        for statement in ("UPDATE company SET name = 'x'", "CREATE TABLE public.mine (n int)"):
            with pytest.raises(errors.InsufficientPrivilege):
                link.execute(statement.encode())


def test_a_table_of_a_later_migration_can_be_reported(standby: Standby) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE of_a_later_version AS SELECT 7 AS n")
    try:
        eventually(lambda: standby.has_all, "the standby has all")
        with connections[REPLICA].cursor() as cursor:
            cursor.execute("SELECT n FROM of_a_later_version")
            assert cursor.fetchone() == (7,)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE of_a_later_version")


def test_the_portal_opens_the_replica_for_reading_only_whatever_its_role_may(
    server: Standby, reads_from: Callable[[str], None]
) -> None:
    reads_from(server.administration)
    with connections[REPLICA].cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        assert cursor.fetchone() == ("1min",)
        cursor.execute("SELECT current_setting('default_transaction_read_only')")
        assert cursor.fetchone() == ("on",)


def test_the_doctor_says_how_the_replica_is(
    standby: Standby, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_again(monkeypatch)
    [fine] = doctors_word()
    assert (fine.subject, fine.state) == ("Replica", State.OK)
    standby.freeze()
    try:
        [frozen] = doctors_word()
    finally:
        standby.thaw()
    assert frozen.state == State.LOOK
    assert "does not answer" in frozen.says


def test_prometheus_is_told_how_far_it_is_behind(
    standby: Standby, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_again(monkeypatch)
    [figure] = told_to_prometheus()
    [(_labels, lag)] = figure.rows
    assert figure.name == "portal_replica_lag_seconds"
    assert 0 <= lag < settings_of_the_portal.REPLICA_MAX_LAG
    standby.freeze()
    try:
        [figure] = told_to_prometheus()
    finally:
        standby.thaw()
    assert list(figure.rows) == [((), float("inf"))]


def test_the_doctor_says_nothing_of_a_replica_that_there_is_not() -> None:
    assert list(doctors_word()) == []


# --- One's own writes --------------------------------------------------------------------------


class Clerk:
    """Receives pieces of a product, and looks at the report about stock right after."""

    def __init__(self) -> None:
        self.stock = Inventory.objects.get(product=ProductFactory.create(in_stock=0))
        self.client: Client = browser(staff("warehouse", "finance"))
        self.pieces = 0

    def receive(self) -> None:
        """Received by one POST."""
        there = reverse("admin:inventory_inventory_do", args=[self.stock.pk, "receive"])
        form = {"seen": self.pieces, "quantity": 1, "reason": "Note 77"}
        assert self.client.post(there, form).status_code == 303
        self.pieces += 1

    def sees_it(self) -> bool:
        page = self.client.get(STOCK)
        assert page.status_code == 200
        return bool(page.context["tiles"][0].value == self.pieces)


@pytest.fixture
def clerk(standby: Standby) -> Iterator[Clerk]:
    """The replica replays two seconds late, so that each stale read is seen."""
    found = Clerk()
    assert found.client.get(STOCK).status_code == 200
    eventually(lambda: standby.has_all, "the standby has all")
    standby.lag_behind("2s")
    try:
        yield found
    finally:
        standby.lag_behind("0")


def shown_as_of(client: Client) -> object:
    return client.get(STOCK).context["as_of"]


def test_right_after_a_post_the_page_has_it(clerk: Clerk) -> None:
    assert shown_as_of(clerk.client) is not None  # read from the replica
    for _ in range(10):
        clerk.receive()
        assert clerk.sees_it()
    assert shown_as_of(clerk.client) is None


@pytest.mark.long
def test_right_after_a_post_the_page_has_it_500_times(clerk: Clerk) -> None:
    stale = 0
    for _ in range(500):
        clerk.receive()
        stale += not clerk.sees_it()
    assert stale == 0


def test_a_browser_that_forgets_that_it_wrote_reads_a_stale_page(clerk: Clerk) -> None:
    """The control of the two above: without the rule they would fail."""
    stale = 0
    for _ in range(10):
        clerk.receive()
        del clerk.client.cookies[replica.COOKIE]
        stale += not clerk.sees_it()
    assert stale > 0


def test_what_a_post_answers_is_read_from_the_primary(clerk: Clerk) -> None:
    clerk.receive()
    del clerk.client.cookies[replica.COOKIE]
    file = clerk.client.post(f"{STOCK}export/dead/csv/")
    assert file.status_code == 200
    sku = clerk.stock.product.sku
    assert [line.split(",")[2] for line in file.content.decode().splitlines() if sku in line] == [
        "1"
    ]


def test_the_note_of_a_write_lasts_as_long_as_the_replica_may_be_behind(clerk: Clerk) -> None:
    clerk.receive()
    note = clerk.client.cookies[replica.COOKIE]
    assert int(note["max-age"]) == settings_of_the_portal.REPLICA_MAX_LAG + 2
    assert (note["httponly"], note["samesite"], note.value) == (True, "Lax", "1")


def test_a_job_that_exports_has_what_was_saved_before_it_was_asked_for(clerk: Clerk) -> None:
    clerk.receive()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [asked_at] = cursor.fetchone()
    assert reported(reporting, since=asked_at).found == DEFAULT_DB_ALIAS
    assert reported(reporting).found == REPLICA
    assert Job._meta.get_field("created_at").has_db_default()  # the same clock
