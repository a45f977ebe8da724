"""The answers to load balancers and orchestrators."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from catalog.search.building import build
from catalog.search.state import FollowerState, write_state
from loyalty_portal.partners import breaker
from loyalty_portal.partners.answers import Answer, Outcome
from loyalty_portal.partners.breaker import FAILURES

ROOT = Path(__file__).resolve().parents[3]
NOBODY_LISTENS = "127.0.0.1:9"
ASK = """
import django, logging
django.setup()
logging.disable()
from django.test import Client
for address in ("/healthz", "/readyz"):
    answer = Client().get(address, headers={"host": "localhost"})
    print(answer.status_code, answer.content.decode().strip())
"""


def parts(answer: Any) -> tuple[int, str, dict[str, str]]:
    body = answer.json()
    return answer.status_code, body["status"], body["parts"]


def test_healthz_asks_nobody(client: Client) -> None:
    # without the `db` fixture a query raises an error
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.fixture
def _an_index(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.SEARCH_INDEX_PATH = tmp_path / "search"
    build()
    now = timezone.now()
    write_state(FollowerState(at=now, place_at=now, waiting=0))


@pytest.mark.usefixtures("_an_index")
def test_ready_when_all_is_well(client: Client) -> None:
    assert parts(client.get("/readyz")) == (
        200,
        "ok",
        dict.fromkeys(
            (
                *("process", "database", "migrations", "static files", "cache", "broker"),
                *("loyalty partner", "fulfillment partner", "search index"),
            ),
            "ok",
        ),
    )


@pytest.mark.django_db
def test_without_an_index_it_is_degraded_and_says_so(client: Client) -> None:
    code, status, found = parts(client.get("/readyz"))
    assert (code, status) == (200, "degraded")
    assert found["search index"] == "is not used: there is no index yet"


@pytest.mark.django_db
def test_without_redis_it_is_degraded_but_ready(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = settings.BROKER_URL = f"redis://{NOBODY_LISTENS}/0"
    code, status, found = parts(client.get("/readyz"))
    assert (code, status) == (200, "degraded")
    assert (found["cache"], found["broker"]) == ("does not answer", "does not answer")


@pytest.mark.django_db
def test_with_a_partner_down_it_is_degraded_but_ready(client: Client) -> None:
    for _call in range(FAILURES):
        breaker.hear("loyalty", "POST", Answer(Outcome.UNKNOWN, code="timeout"))
    code, status, found = parts(client.get("/readyz"))
    assert (code, status) == (200, "degraded")
    assert (found["loyalty partner"], found["fulfillment partner"]) == ("does not answer", "ok")


@pytest.mark.django_db
def test_while_the_database_can_only_be_read_it_is_not_ready(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    code, status, found = parts(client.get("/readyz"))
    assert (code, status, found["database"]) == (503, "unavailable", "can only be read")


@pytest.mark.django_db
def test_with_a_migration_to_apply_it_is_not_ready(client: Client) -> None:
    recorder = MigrationRecorder(connection)
    name = recorder.migration_qs.filter(app="redemption").latest("id").name
    recorder.record_unapplied("redemption", name)
    code, status, found = parts(client.get("/readyz"))
    assert (code, status, found["migrations"]) == (503, "unavailable", "1 to apply")


def test_without_the_database_it_answers_but_is_not_ready() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "loyalty_portal.settings",
            "DATABASE_URL": f"postgresql://portal@{NOBODY_LISTENS}/portal",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    healthz, readyz = done.stdout.strip().splitlines()
    assert healthz == "200 ok"
    code, body = readyz.split(" ", 1)
    assert code == "503"
    assert json.loads(body)["parts"]["database"] == "does not answer"
