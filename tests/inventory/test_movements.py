"""All stock movements: who, when, why; found quickly among many."""

import re
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import Product
from inventory import services as stock
from inventory.documents.lists import entries
from inventory.documents.services import write
from inventory.models import DocumentKind, StockDocument, StockMovement
from inventory.movements import ON_A_PAGE
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from tests.catalog.factories import ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
LIST = "/admin/inventory/stockmovement/"


@pytest.fixture
def mug() -> Product:
    return ProductFactory.create(sku="MUG-1", in_stock=10)


def reasons(**asked: str) -> list[str]:
    """The reasons on the page, in their order."""
    shown = browser(staff("warehouse")).get(LIST, asked).context["shown"]
    return [row.reason for row in shown.rows]


def test_movements_are_found_by_product_person_kind_reason_document_and_days(mug: Product) -> None:
    ann, bob = staff("warehouse"), staff("warehouse")
    stock.adjust(product=mug, change=-1, reason="Broken cup", by=Actor.person(ann))
    stock.adjust(product=mug, change=-1, reason="Lost", by=Actor.person(bob))
    other = ProductFactory.create(sku="PEN-2", in_stock=3)
    document, _new = write(
        kind=DocumentKind.RECEIPT,
        entries=entries("PEN-2\t4"),
        seen={},
        token=uuid7(),
        reference="Note 5",
        reason="",
        by=Actor.person(ann),
    )
    with pgtrigger.ignore():
        then = timezone.now() - timedelta(days=10)
        StockMovement.objects.filter(reason="Lost").update(created_at=then)
    day = timezone.localdate() - timedelta(days=10)
    assert reasons() == ["Note 5", "First delivery", "Broken cup", "First delivery", "Lost"]
    assert reasons(sku="mug-1") == ["Broken cup", "First delivery", "Lost"]
    assert reasons(by=str(ann.pk)) == ["Note 5", "Broken cup"]
    assert reasons(kind="ADJUSTED") == ["Broken cup", "Lost"]
    assert reasons(reason="bro") == ["Broken cup"]
    assert reasons(reason="%") == []
    assert reasons(document=document.number.lower()) == ["Note 5"]
    assert reasons(until=str(day)) == ["Lost"]
    assert reasons(since=str(day), until=str(day)) == ["Lost"]
    assert reasons(since=str(day + timedelta(days=1)), sku="PEN-2", by=str(ann.pk)) == ["Note 5"]
    assert other.movements.count() == 2


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"sku": "CUP-9"}, "No product has this SKU"),
        ({"document": "S-1"}, "No document has this number"),
        ({"kind": "STOLEN"}, "not one of the available choices"),
        ({"by": "me"}, "Nobody of the staff is meant by this."),
        ({"since": "yesterday"}, "valid date"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "last day is before the first"),
        ({"reason": "\x00"}, "Null characters"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told_at_its_field(
    mug: Product, asked: dict[str, str], why: str
) -> None:
    page = browser(staff("warehouse")).get(LIST, asked)
    assert page.status_code == 200
    assert why in page.content.decode()
    assert page.context["shown"].rows == []


def test_pages_go_on_where_the_one_before_ended_and_never_count(mug: Product) -> None:
    for number in range(ON_A_PAGE * 2):
        stock.receive(product=mug, quantity=1, reason=f"{number}", by=Actor.person(staff()))
    client, found = browser(staff("warehouse")), []
    with _Statements() as asked:
        address = LIST
        for _page in range(3):
            shown = client.get(address).context["shown"]
            found += [row.pk for row in shown.rows]
            address = f"{LIST}?{shown.older}"
    assert found == list(StockMovement.objects.values_list("pk", flat=True))
    assert shown.older == ""
    assert not [each for each in asked.seen if "count(" in each.lower() and "movement" in each]
    for nonsense in ("x", "2026-01-01T00:00:00~x", "~", "2026-01-01T00:00:00+00:00~"):
        assert client.get(LIST, {"after": nonsense}).status_code == 200


class _Statements:
    """Notes each statement."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> "_Statements":
        self._wrapper = connection.execute_wrapper(self._note)
        self._wrapper.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._wrapper.__exit__(*error)

    def _note(self, execute: Any, sql: str, *rest: Any) -> Any:
        self.seen.append(sql)
        return execute(sql, *rest)


@pytest.mark.parametrize(
    "query",
    [
        "ORDER BY created_at DESC, id DESC LIMIT 51",
        "WHERE by_id = '{person}' ORDER BY created_at DESC, id DESC LIMIT 51",
        "WHERE kind = 'ADJUSTED' ORDER BY created_at DESC, id DESC LIMIT 51",
        "WHERE document_id = '{document}' ORDER BY created_at DESC, id DESC LIMIT 51",
        "WHERE NOT reason = '' AND upper(reason) LIKE upper('bro%') LIMIT 51",
    ],
)
def test_each_filter_has_its_index(mug: Product, query: str) -> None:
    document = StockDocument.objects.create(kind=DocumentKind.COUNT, token=uuid7())
    asked = query.format(person=staff().pk, document=document.pk)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN SELECT * FROM inventory_stockmovement {asked}")
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert re.search(r"movement_(newest|by_\w+)", plan), plan


def test_movements_are_shown_to_those_who_may_see_them(mug: Product) -> None:
    assert browser(staff("auditor")).get(LIST).status_code == 200
    assert browser(staff("support")).get(LIST).status_code == 403
    assert browser(staff("warehouse")).post(LIST).status_code == 405
