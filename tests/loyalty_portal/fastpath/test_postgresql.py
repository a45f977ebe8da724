"""A kept connection is used again only while the server has not left it."""

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
    """As Django begins one: the connection it kept is looked at before its first use."""
    connection.health_check_done = False


def other_connection() -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(**connection.get_connection_params() | {"autocommit": True})


def test_a_quiet_connection_is_used_again() -> None:
    before = backend()
    next_request()
    with CaptureQueriesContext(connection) as asked:
        assert backend() == before
    assert len(asked) == 1


def test_a_connection_that_the_server_ended_is_made_anew() -> None:
    before = backend()
    end(before)
    next_request()
    assert backend() != before


def end(pid: int) -> None:
    with other_connection() as operator:
        operator.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_farewell_that_came_after_the_look_costs_nobody_their_page() -> None:
    """What is read first on every page is asked again on a new connection."""
    seat = SeatFactory()
    end(backend())
    assert usable_seats(seat.user_id) == [seat]


def test_inside_a_transaction_a_lost_connection_is_told() -> None:
    """What was done before in it is gone as well; going on would hide that."""
    seat = SeatFactory()

    @transaction.atomic
    def part_of_something() -> None:
        end(backend())
        usable_seats(seat.user_id)

    with pytest.raises(OperationalError):
        part_of_something()
    assert usable_seats(seat.user_id) == [seat]


def test_what_is_kept_planned_outlives_a_migration() -> None:
    """PostgreSQL refuses a plan whose answer has other types than when it was made."""
    seat = SeatFactory()
    for _ in range(7):  # it is kept by then
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
    """The server may speak unasked; then it is asked, and the connection stays."""
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")
    before = backend()
    with other_connection() as operator:
        operator.execute("NOTIFY news")
    next_request()
    assert backend() == before


def test_triggers_need_no_error_to_find_out_that_they_are_wanted() -> None:
    """Each error would roll a subtransaction back, which takes longer with every row before."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW pgtrigger.ignore")
        assert cursor.fetchone() == ("{}",)
