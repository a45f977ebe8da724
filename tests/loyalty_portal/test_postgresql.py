"""A kept connection is used again only while the server has not left it."""

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

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
    with other_connection() as operator:
        operator.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    next_request()
    assert backend() != before


def test_a_notice_is_not_a_farewell() -> None:
    """The server may speak unasked; then it is asked, and the connection stays."""
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")
    before = backend()
    with other_connection() as operator:
        operator.execute("NOTIFY news")
    next_request()
    assert backend() == before
