"""A kept connection is used again only while the server has not closed it."""

from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.selectors import usable_seats
from tests.accounts.factories import SeatFactory

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def next_request() -> None:
    """Begin a request as Django does: it checks the kept connection before its first use."""
    proxied: Any = connection
    proxied.health_check_done = False


def other_connection() -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(**connection.get_connection_params() | {"autocommit": True})


@pytest.mark.both_ways
def test_a_quiet_connection_is_used_again() -> None:
    before = backend()
    next_request()
    with CaptureQueriesContext(connection) as asked:
        assert backend() == before
    assert len(asked) == 1


@pytest.mark.both_ways
def test_a_connection_that_the_server_ended_is_made_anew() -> None:
    before = backend()
    end(before)
    next_request()
    assert backend() != before


def end(pid: int) -> None:
    with other_connection() as operator:
        operator.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_farewell_that_came_after_the_look_costs_nobody_their_page(settings: Any) -> None:
    """The first query of every page is repeated on a new connection."""
    settings.FASTPATH = True
    seat = SeatFactory.create()
    end(backend())
    assert usable_seats(seat.user_id) == [seat]


def test_inside_a_transaction_a_lost_connection_is_told() -> None:
    """The transaction's earlier changes are lost too, so it must fail and not continue."""
    seat = SeatFactory.create()

    @transaction.atomic
    def part_of_something() -> None:
        end(backend())
        usable_seats(seat.user_id)

    with pytest.raises(OperationalError):
        part_of_something()
    assert usable_seats(seat.user_id) == [seat]


def test_what_is_kept_planned_outlives_a_migration(settings: Any) -> None:
    """After a migration PostgreSQL refuses a prepared statement whose result types changed."""
    settings.FASTPATH = True
    seat = SeatFactory.create()
    for _ in range(7):  # by then the statement is prepared
        usable_seats(seat.user_id)
    change = "ALTER TABLE company ALTER approval_threshold TYPE {}"
    with other_connection() as migration:
        migration.execute(change.format("bigint"))
        try:
            assert usable_seats(seat.user_id) == [seat]
        finally:
            connection.close()
            migration.execute(change.format("integer"))


def test_a_notice_is_not_a_farewell() -> None:
    """The server may send a notice at any time; then it is asked, and the connection stays."""
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")
    before = backend()
    with other_connection() as operator:
        operator.execute("NOTIFY news")
    next_request()
    assert backend() == before


def test_triggers_need_no_error_to_find_out_that_they_are_wanted() -> None:
    """Each error rolls back a subtransaction, which takes longer with every earlier row."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW pgtrigger.ignore")
        assert cursor.fetchone() == ("{}",)
