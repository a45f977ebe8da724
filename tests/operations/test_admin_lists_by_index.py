"""Each search and each sort of each list of the back office is served by an index.

PostgreSQL is asked how it would do it, with its two other ways made very expensive: to read a table
from end to end, and to sort all of it. What it still does so, no index serves.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.http import HttpRequest
from django.test import RequestFactory

from accounts.models import User
from catalog.models import Category, Synonym
from inventory.models import LowStockRule, StockMovement
from tests.accounts.factories import SeatFactory, UserFactory
from tests.catalog.factories import ProductFactory
from tests.operations.test_permission_matrix import one_of_everything
from tests.redemption.factories import paid

pytestmark = pytest.mark.django_db

# Staff make these by hand, a few of each. Movements have a page of their own.
SMALL = {Category, Group, LowStockRule, StockMovement, Synonym}
SMALL_TABLES = {model._meta.db_table for model in SMALL - {StockMovement}}  # of filters
LISTS = sorted({*admin.site._registry} - SMALL, key=lambda model: model._meta.label)
SEARCHED = ("Northwind Traders", "ada@example", "R-7KQ4M-2XDTP", "1Z5R89390357567127", "MUG-1")


@pytest.fixture
def person() -> User:
    return UserFactory.create(superuser=True)


def request_of(person: User, **query: str) -> HttpRequest:
    request = RequestFactory().get("/admin/", query)
    request.user = person
    return request


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def planned(cursor: CursorWrapper, sql: str) -> list[dict[str, Any]]:
    cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
    plan = cursor.fetchone()[0]
    return list(nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))


def asked(person: User, model: Any, **query: str) -> list[str]:
    """The statements of a list about its own table, as they are sent."""
    sent: list[str] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append(str(context["cursor"].mogrify(sql, params)))
        return execute(sql, params, many, context)

    page: Any = admin.site._registry[model]
    with connection.execute_wrapper(record):
        shown = page.get_changelist_instance(request_of(person, **query))
        list(shown.result_list)
    return [sql for sql in sent if sql.startswith(("SELECT", "(SELECT"))]


def whole(sql: list[str], *ways: str) -> list[str]:
    """The statements that read a table from end to end, or sort all that they read."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        return [
            f"{node['Node Type']} {node.get('Relation Name', '')}: {each}"
            for each in sql
            for node in planned(cursor, each)
            if node["Node Type"] in ways and node.get("Relation Name") not in SMALL_TABLES
        ]


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_a_search_of_a_list_reads_no_table_from_end_to_end(model: Any, person: User) -> None:
    page: Any = admin.site._registry[model]
    if not page.get_search_fields(request_of(person)):
        return  # the list has no search
    for text in SEARCHED:
        sent = asked(person, model, q=text)
        assert not whole(sent, "Seq Scan"), text
        for each in sent:
            assert "DISTINCT" not in each
            assert not re.search(r"JOIN.* OR ", each), each


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.label)
def test_a_sort_of_a_list_has_an_index_in_its_order(model: Any, person: User) -> None:
    page: Any = admin.site._registry[model]
    request = request_of(person)
    columns = page.get_changelist_instance(request).list_display
    orders = [{}, *({"o": str(at)} for at, name in enumerate(columns) if name in page.sortable_by)]
    for order in orders:
        sent = [each for each in asked(person, model, **order) if "ORDER BY" in each]
        own = [each for each in sent if f'FROM "{model._meta.db_table}"' in each]
        assert not whole(own, "Sort"), order


def test_without_an_index_both_are_noticed() -> None:
    """The negative control: a column that no index has."""
    table = User._meta.db_table
    by_hand = [f"SELECT * FROM \"{table}\" WHERE language = 'de'"]
    assert whole(by_hand, "Seq Scan")
    assert whole([f'SELECT * FROM "{table}" ORDER BY language LIMIT 5'], "Sort")


def test_each_list_can_be_searched_with_something_in_it(person: User) -> None:
    one_of_everything()
    number = paid(SeatFactory.create(), (ProductFactory.create(in_stock=9), 1)).order_number
    for model in LISTS:
        for text in (number, "a", "…", "%", "\\", "'"):
            asked(person, model, q=text)
