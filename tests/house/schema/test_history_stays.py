"""Every history table refuses UPDATE, DELETE and TRUNCATE by the portal's own role."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from pghistory.models import Event
from psycopg import sql

ROOMS = {"accounts", "catalog", "fulfillment", "inventory", "loyalty_portal", "redemption"}
ONE, OTHER = (f"00000000-0000-7000-8000-00000000000{number}" for number in (1, 2))
NOON = "2026-01-01T12:00:00Z"

# Tables that become history later, with the columns that make a row history.
HISTORY: dict[str, dict[str, str]] = {
    "redemption.OrderEvent": {},
    "redemption.IncidentEvent": {},
    "redemption.Decision": {
        "status": "CONFIRMED", "verdict": "DELIVERED", "evidence": "seen", "item_id": ONE,
        "decided_by_id": OTHER, "decided_at": NOON,
    },
    "redemption.LineReturn": {"to": "STOCK", "decided_at": NOON, "credited": "1"},
    "redemption.Reconciliation": {
        "source": "API", "outcome": "AGREED", "finished_at": NOON, "since": "2025-12-31T00:00:00Z",
    },
    "redemption.OrderNote": {"text": "seen"},
    "redemption.Callback": {"state": "RECEIVED"},
    "redemption.OrderMessage": {"kind": "ANSWER", "text": "seen"},
    "fulfillment.FulfillmentEvent": {},
    "fulfillment.CodeReveal": {},
    "inventory.StockMovement": {},
    "inventory.StockDocument": {"kind": "COUNT"},
    "audit.TrailEntry": {},
    "audit.ChainLink": {},
    "admin.LogEntry": {"action_flag": "1"},
    "pghistory.Context": {},
}  # fmt: skip
# pghistory adds to a request's context during the request (accounts/migrations/0002), and what
# became of a callback is written to it.
GROWS = {"pghistory.Context", "redemption.Callback"}
BY_TYPE = {
    "uuid": ONE, "boolean": "false", "jsonb": "{}", "timestamp with time zone": NOON, "date": NOON,
    "ARRAY": "{}",
}  # fmt: skip


def changes() -> list[str]:
    """pghistory's tables, found by their models."""
    return [
        model._meta.label
        for model in apps.get_models()
        if issubclass(model, Event) and not model._meta.abstract and model._meta.managed
    ]


ALL = [*HISTORY, *changes()]


def table(label: str) -> str:
    return str(apps.get_model(label)._meta.db_table)


@pytest.fixture
def role(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """A connection as in production, without the setting that allows tests to truncate."""
    params = connection.get_connection_params()
    params["options"] = params["options"].replace(" -c portal.history_may_go=yes", "")
    for own in ("cursor_factory", "context", "prepare_threshold"):
        params.pop(own, None)
    with psycopg.connect(**params) as link:
        yield link
        link.rollback()


def insert_a_row(role: psycopg.Connection[Any], label: str) -> None:
    """Insert any row, with foreign keys that lead nowhere and triggers switched off."""
    columns = role.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s"
        " AND is_nullable = 'NO' AND is_identity = 'NO' AND column_default IS NULL",
        [table(label)],
    ).fetchall()
    values = {name: BY_TYPE.get(kind, "1") for name, kind in columns} | HISTORY.get(label, {})
    role.execute("SET LOCAL session_replication_role = replica")
    into = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table(label)),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(map(sql.Literal, values.values())),
    )
    role.execute(into)
    role.execute("SET LOCAL session_replication_role = origin")


def refused(role: psycopg.Connection[Any], statement: str, label: str) -> bool:
    role.execute("SAVEPOINT before")
    try:
        asked = sql.SQL(statement).format(sql.Identifier(table(label)))
        assert role.execute(asked).rowcount != 0, "there is a row"
    except psycopg.errors.RaiseException:
        role.execute("ROLLBACK TO before")
        return True
    return False


@pytest.mark.parametrize("label", ALL)
def test_history_can_be_neither_changed_nor_removed(
    role: psycopg.Connection[Any], label: str
) -> None:
    insert_a_row(role, label)
    pk = apps.get_model(label)._meta.pk.column
    assert refused(role, f"UPDATE {{}} SET {pk} = {pk}", label) == (label not in GROWS)
    assert refused(role, "DELETE FROM {}", label)
    assert refused(role, "TRUNCATE {} CASCADE", label)


def test_each_table_that_only_grows_is_among_them() -> None:
    """Found by name, so that a new history table must be protected, and by its triggers, so that it
    is in the list.
    """
    ours = [
        model
        for model in apps.get_models()
        if model.__module__.split(".")[0] in ROOMS and not model._meta.proxy
    ]
    kinds = (
        *("Event", "Change", "Movement", "Reveal", "Decision", "Reconciliation"),
        *("Entry", "Link", "Return", "Note", "Message"),
    )
    found = {model._meta.label for model in ours if model.__name__.endswith(kinds)}
    stay = {
        model._meta.label
        for model in ours
        if any(trigger.name == "rows_stay" for trigger in getattr(model._meta, "triggers", ()))
    }
    assert found | stay <= set(ALL)
    assert {"redemption.OrderMessage", "inventory.StockMovement"} <= stay


def test_a_proposal_is_open_until_it_is_decided(role: psycopg.Connection[Any]) -> None:
    insert_a_row(role, "redemption.Decision")
    role.execute("SET LOCAL session_replication_role = replica")
    role.execute(
        "UPDATE redemption_decision SET status = 'PROPOSED', decided_by_id = NULL, decided_at = NULL"
    )
    role.execute("SET LOCAL session_replication_role = origin")
    assert not refused(role, "UPDATE {} SET evidence = 'more'", "redemption.Decision")
    assert refused(role, "DELETE FROM {}", "redemption.Decision")


def test_flush_empties_no_history_outside_the_tests(transactional_db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET portal.history_may_go = 'no'")
    try:
        with pytest.raises(CommandError, match="couldn't be flushed") as caught:
            call_command("flush", interactive=False, verbosity=0)
        assert "history stays" in str(caught.value.__cause__)
    finally:
        connection.close()
