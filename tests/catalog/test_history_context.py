"""The record of who changed a product: with a context, without one, and without catching errors."""

from typing import Any

import pghistory
import pytest
from django.db import connection

from tests.catalog.factories import ProductFactory

pytestmark = pytest.mark.django_db


def test_a_change_has_its_context_and_one_outside_any_has_none() -> None:
    product: Any = ProductFactory.create()
    assert product.changes.order_by("pgh_id").last().pgh_context is None
    with pghistory.context(user="one"):
        product.name = "Another"
        product.save()
    assert product.changes.order_by("pgh_id").last().pgh_context.metadata == {"user": "one"}


def test_no_row_of_a_long_statement_looks_through_the_checks_of_all_before_it() -> None:
    """PostgreSQL does that whenever a function catches an error; pghistory's did for each row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = '_pgh_attach_context'")
        [source] = cursor.fetchone()
    assert "EXCEPTION" not in source.upper()
