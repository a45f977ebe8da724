"""The doctor finds problems, says what to do, and works with any part missing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pgtrigger
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.utils import timezone

from catalog.search.building import build
from catalog.search.following import IndexFollower
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.virtual import saga as virtual
from inventory.models import Inventory
from loyalty_portal.data.leases import MOST_RAISED
from operations.doctor import infrastructure_checks
from operations.doctor.findings import Finding, State, by_age, counted, spoken
from operations.doctor.services import examine, worst
from redemption.incidents.services import raise_incident
from redemption.models import (
    Callback,
    CallbackState,
    LoyaltyTransaction,
    Reconciliation,
    RedemptionOrder,
    RunOutcome,
)
from redemption.points.reconciliation.services import reconcile
from redemption.saga.tasks import settle_transaction as settle_task
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind
from tests.redemption.world import World, make_all_due
from tests.support.orders.ageing import make_orders_older

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[3]
CLOSED = "127.0.0.1:9"


@pytest.fixture
def well(world: World) -> World:
    """A portal without problems: one settled order being packed, and a reconciliation."""
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    order.letters.update(next_attempt_at=None, sent_at=timezone.now())
    reconcile(company=world.company)
    return world


@pytest.fixture
def followed(well: World, settings: Any, tmp_path: Path) -> None:
    """A search index of this test alone, which a follower has just brought up to date."""
    settings.SEARCH_INDEX_PATH = tmp_path / "search"
    follower = IndexFollower()
    follower.turn()
    follower.close()


def found(subject: str) -> list[Finding]:
    return [finding for finding in examine() if finding.subject == subject]


def the(subject: str) -> Finding:
    [finding] = found(subject)
    assert finding.state == State.OK or finding.do
    return finding


def old(**age: int) -> Any:
    return Now() - timedelta(**age)


@pytest.mark.usefixtures("followed")
def test_a_portal_that_is_well_is_told_so_line_by_line(
    well: World, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("doctor", "--no-color")
    lines = capsys.readouterr().out.splitlines()
    assert {line[:4].strip() for line in lines} == {"ok"}
    told = "\n".join(lines)
    for subject in (
        "PostgreSQL", "Redis, cache", "Queues", "Loyalty partner", "Fulfillment partner",
        "Versions", "Clocks", "Migrations", "Due transactions", "Due partner calls", "Due polls",
        "Due callbacks", "Due letters", "Due alerts", "Leases", "Rows put aside",
        "Parked callbacks", "Stuck orders", "Overdue orders", "Incidents", "Unsettled points",
        "Reconciliation", "Stock", "Low stock", "Search index",
    ):  # fmt: skip
        assert subject in told


@pytest.mark.usefixtures("followed")
def test_for_programs_the_same_is_json_and_the_exit_code_says_bad(
    well: World, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("doctor", "--json")
    assert json.loads(capsys.readouterr().out)["state"] == "ok"
    Inventory.objects.update(quantity_available=99)
    with pytest.raises(CommandError, match="1 of") as ended:
        call_command("doctor", "--json")
    assert ended.value.returncode == 1
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "bad"
    [stock] = [each for each in told["findings"] if each["subject"] == "Stock"]
    assert set(stock) == {"subject", "state", "says", "do"}
    assert Inventory.objects.get().product.sku in stock["says"]


def test_an_index_that_is_missing_wants_a_look(well: World, settings: Any, tmp_path: Path) -> None:
    settings.SEARCH_INDEX_PATH = tmp_path / "search"
    finding = the("Search index")
    assert finding.state == State.LOOK
    assert finding.says.startswith("is not used: there is no index yet")
    build()
    assert the("Search index").state == State.OK


def test_what_only_wants_a_look_is_no_failure(well: World) -> None:
    RedemptionOrder.objects.update(needs_attention=True)
    assert the("Stuck orders").state == State.LOOK
    call_command("doctor")


@pytest.mark.parametrize(("age", "state"), [(0, State.OK), (120, State.LOOK), (900, State.BAD)])
def test_due_work_is_worse_the_older_it_is(well: World, age: int, state: State) -> None:
    order = well.place((well.product(), 1))
    rows = LoyaltyTransaction.objects.filter(order=order)
    rows.update(next_attempt_at=old(seconds=age))
    finding = the("Due transactions")
    assert finding.state == state
    assert finding.says.startswith("1, the oldest for")


def test_a_lease_that_ended_without_a_result_is_seen_in_the_end(well: World) -> None:
    rows = LoyaltyTransaction.objects.all()
    rows.update(lease_until=old(seconds=10), next_attempt_at=old(seconds=10))
    assert the("Leases").says == "0 running, 1 ended without a result"
    rows.update(lease_until=old(minutes=20))
    assert the("Leases").state == State.LOOK


def test_a_lease_of_what_has_been_settled_meanwhile_is_nobodys_work(well: World) -> None:
    """A poll is killed, and then the repeated request is answered with the end."""
    well.partners.dial(mode="silent", delay=0)
    order = well.place((well.virtual(), 1))
    settle_transaction(well.debit(order).pk)
    well.partners.fault("fulfill", "error_500_after")
    call = PartnerCall.objects.get()
    virtual.ask(call.pk)
    make_all_due()
    card = well.fulfillment(order)
    Fulfillment.objects.filter(pk=card.pk).update(next_attempt_at=old(seconds=10))
    assert Fulfillment.objects.lease(card.pk, seconds=60)
    assert the("Leases").says == "1 running, 0 ended without a result"
    virtual.ask(call.pk)
    card.refresh_from_db()
    assert (card.status, card.lease_until, card.lease_token) == ("DELIVERED", None, None)
    assert the("Leases").says == "0 running, 0 ended without a result"


def test_a_lease_that_an_older_version_left_on_what_is_over_is_not_counted(well: World) -> None:
    LoyaltyTransaction.objects.update(lease_until=old(minutes=20))
    assert the("Leases").says == "0 running, 0 ended without a result"


def test_an_order_past_its_deadline_that_nobody_marked_is_bad(well: World) -> None:
    order = well.place((well.product(), 1))
    make_orders_older(timedelta(hours=1))
    finding = the("Overdue orders")
    assert finding.state == State.BAD
    assert order.order_number in finding.says


@pytest.mark.parametrize(
    ("kind", "state"),
    [(IncidentKind.STUCK_ORDER, State.LOOK), (IncidentKind.HORIZON, State.BAD)],
)
def test_incidents_are_counted_by_severity(well: World, kind: IncidentKind, state: State) -> None:
    raise_incident(kind=kind, key="x", what="Something.")
    finding = the("Incidents")
    assert finding.state == state
    assert finding.says.startswith("open: 1 ")


def test_rows_that_were_put_aside_are_bad(well: World) -> None:
    LoyaltyTransaction.objects.update(raised=MOST_RAISED, next_attempt_at=None)
    finding = the("Rows put aside")
    assert finding.state == State.BAD
    assert "1 transactions" in finding.says


def test_parked_callbacks_want_a_look(well: World) -> None:
    Callback.objects.create(
        webhook_id="m", event_type="e", reference="r", body="", state=CallbackState.PARKED
    )
    assert the("Parked callbacks").state == State.LOOK


@pytest.mark.parametrize(
    ("age", "state"),
    [({"minutes": 1}, State.OK), ({"hours": 1}, State.LOOK), ({"days": 2}, State.BAD)],
)
def test_points_that_stay_unsettled_are_told_by_company(
    well: World, age: dict[str, int], state: State
) -> None:
    order = well.place((well.product(points=321), 1))
    with pgtrigger.ignore():
        LoyaltyTransaction.objects.filter(order=order).update(created_at=old(**age))
    finding = the("Unsettled points")
    assert finding.state == state
    assert f"{well.company.name}: 321 being taken, 0 being given back" in finding.says


def test_many_companies_with_unsettled_points_do_not_fill_the_screen(
    well: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that two findings are more than are shown
    monkeypatch.setattr("operations.doctor.data_checks.SHOWN", 1)
    well.place((well.product(), 1))
    other = well.new_company(points=10)
    well.place((well.product(points=5), 1), seat=well.new_seat("buyer", other))
    assert "and 1 more" in found("Unsettled points")[-1].says


def test_a_company_that_was_never_compared_wants_a_look(well: World, settings: Any) -> None:
    well.new_company(points=1)
    finding = found("Reconciliation")[-1]
    assert finding.state == State.LOOK
    assert "never compared" in finding.says
    settings.LOYALTY_API_STATEMENT = False
    assert "Upload" in found("Reconciliation")[-1].do


@pytest.mark.parametrize(
    ("changes", "state", "says"),
    [
        ({"outcome": RunOutcome.FAILED}, State.BAD, "could not be made"),
        ({"outcome": RunOutcome.DIFFERS}, State.BAD, "differs"),
        ({"finished_at": "2026-01-01T00:00:00Z"}, State.LOOK, "last compared"),
    ],
)
def test_the_last_reconciliation_of_a_company_is_told(
    well: World, changes: dict[str, Any], state: State, says: str
) -> None:
    with pgtrigger.ignore():
        Reconciliation.objects.update(**changes)
    finding = found("Reconciliation")[-1]
    assert finding.state == state
    assert well.company.name in finding.says
    assert says in finding.says


def test_days_that_were_never_compared_are_told(well: World) -> None:
    with pgtrigger.ignore():
        Reconciliation.objects.update(
            since=timezone.now() - timedelta(days=6), until=timezone.now() - timedelta(days=5)
        )
    reconcile(company=well.company, since=timezone.now() - timedelta(hours=1))
    finding = found("Reconciliation")[-1]
    assert finding.state == State.LOOK
    assert "never compared" in finding.says
    assert "manage.py reconcile" in finding.do


def test_a_migration_that_was_not_applied_is_bad(well: World) -> None:
    rows = MigrationRecorder(connection).migration_qs.filter(app="inventory")
    last = rows.order_by("-pk")[0]
    last.delete()
    try:
        assert the("Migrations").state == State.BAD
    finally:
        MigrationRecorder(connection).record_applied(last.app, last.name)


@pytest.mark.parametrize(("seconds", "state"), [(5, State.LOOK), (-3_600, State.BAD)])
def test_clocks_that_differ_are_told_in_seconds(
    well: World, monkeypatch: pytest.MonkeyPatch, seconds: int, state: State
) -> None:
    def wrong() -> Any:
        return real() + timedelta(seconds=seconds)

    real = timezone.now
    # replaced: this machine's clock cannot be set
    monkeypatch.setattr(timezone, "now", wrong)
    finding = the("Clocks")
    assert finding.state == state
    assert f"{-seconds:+d}" in finding.says


@pytest.mark.parametrize(
    ("seconds", "says"), [(-0.04, "+0.0 s"), (0.0, "+0.0 s"), (-0.3, "-0.3 s")]
)
def test_what_rounds_to_nothing_has_no_minus(seconds: float, says: str) -> None:
    assert infrastructure_checks.signed(seconds) == says


@pytest.mark.parametrize(
    ("subject", "operation", "fault", "says"),
    [
        ("Loyalty partner", "balance", "reset_before", "does not answer (connection)"),
        ("Loyalty partner", "balance", "unavailable_503", "is out of order or too busy"),
        ("Loyalty partner", "balance", "too_many_429", "is out of order or too busy"),
        ("Loyalty partner", "balance", "bare_403_before", "does not have (http_403)"),
        ("Loyalty partner", "balance", "unauthorized_403", "does not accept our credentials"),
        ("Fulfillment partner", "get_fulfillment", "bare_401", "does not accept our credentials"),
        ("Fulfillment partner", "get_fulfillment", "timeout_before", "does not answer"),
    ],
)
def test_a_partner_that_is_down_is_bad(
    well: World, subject: str, operation: str, fault: str, says: str
) -> None:
    well.partners.fault(operation, fault, times=None)
    finding = the(subject)
    assert finding.state == State.BAD
    assert says in finding.says


def test_a_partner_that_refuses_our_credentials_is_told_so(well: World, settings: Any) -> None:
    settings.LOYALTY_API_KEY = "wrong-and-secret"
    finding = the("Loyalty partner")
    assert finding.state == State.BAD
    assert "credentials" in finding.says
    assert "wrong-and-secret" not in str(examine())


def test_a_partner_that_was_down_a_moment_ago_is_told(well: World) -> None:
    cache.set("partner-down:loyalty", 1.0, timeout=60)
    assert the("Loyalty partner").state == State.LOOK


def test_a_portal_without_companies_asks_the_partner_all_the_same(
    partners: object, transactional_db: None
) -> None:
    assert the("Loyalty partner").state == State.OK
    assert the("Reconciliation").says == "0 companies agree"


def test_without_redis_the_rest_is_examined(well: World, settings: Any) -> None:
    settings.REDIS_URL = settings.BROKER_URL = f"redis://:secret-word@{CLOSED}/0"
    findings = {finding.subject: finding for finding in examine()}
    assert findings["Redis, cache"].state == findings["Queues"].state == State.BAD
    assert findings["Stock"].state == State.OK
    assert "secret-word" not in str(findings)


def test_tasks_that_pile_up_want_a_look(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: so that one task makes a long queue
    monkeypatch.setattr(infrastructure_checks, "LONG_QUEUE", 0)
    settle_task.apply_async(("01a00000-0000-7000-8000-000000000000",))
    try:
        finding = the("Queues")
        assert finding.state == State.LOOK
        assert "loyalty 1" in finding.says
    finally:
        settle_task.app.control.purge()


def test_a_database_that_can_only_be_read_is_bad(well: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            findings = examine()
        finally:
            cursor.execute("SET default_transaction_read_only = off")
    assert findings[0].subject == "PostgreSQL"
    assert findings[0].state == State.BAD
    assert "only be read" in findings[0].says


def test_a_check_that_fails_hides_no_other(well: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        raise ZeroDivisionError("postgresql://user:secret-word@host")

    # replaced: an error of ours, which nothing from outside causes
    monkeypatch.setattr(infrastructure_checks, "versions", lambda **_asked: broken())
    findings = {finding.subject: finding for finding in examine()}
    assert findings["Versions"].says == "could not be looked at (ZeroDivisionError)"
    assert findings["Stock"].state == State.OK
    assert "secret-word" not in str(findings)


def test_without_a_table_its_line_says_so(well: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE redemption_callback RENAME TO elsewhere")
        try:
            findings = {finding.subject: finding for finding in examine()}
        finally:
            cursor.execute("ALTER TABLE elsewhere RENAME TO redemption_callback")
    assert "ProgrammingError" in findings["Due work"].says
    assert findings["Stock"].state == State.OK


def test_with_everything_down_it_says_so_and_ends_with_1(tmp_path: Path) -> None:
    """In a separate process, because this one needs its database."""
    down = {
        "DEBUG": "true",
        "DATABASE_URL": f"postgresql://portal:secret-word@{CLOSED}/none",
        "REDIS_URL": f"redis://:secret-word@{CLOSED}/0",
        "LOYALTY_API_URL": f"http://{CLOSED}/loyalty",
        "LOYALTY_API_KEY": "secret-word",
        "FULFILLMENT_API_URL": f"http://{CLOSED}/fulfillment",
        "PARTNER_DEADLINE": "2",
        "PARTNER_TIMEOUT": "1",
        "SEARCH_INDEX_PATH": str(tmp_path / "none"),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **down},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout)
    states = {each["subject"]: each["state"] for each in told["findings"]}
    assert done.returncode == 1, done.stderr
    assert states.pop("Versions") == "ok"
    assert states.pop("Search index") == "look"  # without it pages are only slower
    assert states == dict.fromkeys(
        ("PostgreSQL", "Redis, cache", "Queues", "Loyalty partner", "Fulfillment partner"), "bad"
    )
    assert all(each["do"] for each in told["findings"] if each["state"] != "ok")
    assert "secret-word" not in done.stdout + done.stderr


def test_the_words_of_a_finding() -> None:
    assert [spoken(timedelta(seconds=s)) for s in (-3, 5, 119, 120, 7_200, 172_800)] == [
        "0 s", "5 s", "119 s", "2 min", "2 h", "2 days",
    ]  # fmt: skip
    assert (counted(1, "order"), counted(2_000, "order")) == ("1 order", "2,000 orders")
    hour = timedelta(hours=1)
    assert by_age(hour, look=2 * hour, bad=3 * hour) == State.OK
    assert worst([Finding("a", State.OK, ""), Finding("b", State.LOOK, "")]) == State.LOOK
