"""What the feed tells of changed rows: nothing is missed, and a long transaction holds nobody up."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection

from catalog.models import TOUCHED, Category, Family, Product
from loyalty_portal.feed.models import Touch
from loyalty_portal.feed.touches import (
    FeedPlace,
    PlaceLostError,
    forget_touches,
    place_now,
    touched_since,
)
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def another() -> Iterator[psycopg.Connection[Any]]:
    """A second connection, whose transaction stays open until it is committed."""
    ours = connection.settings_dict
    with psycopg.connect(
        host=ours["HOST"], port=ours["PORT"] or None, user=ours["USER"], password=ours["PASSWORD"], dbname=ours["NAME"],
    ) as other:  # fmt: skip
        yield other


def rename(other: psycopg.Connection[Any], product: Product, name: str) -> None:
    other.execute("UPDATE product SET name = %s WHERE id = %s", (name, product.pk))


def told(place: FeedPlace) -> tuple[set[UUID], FeedPlace]:
    changes, now = touched_since(source=TOUCHED, place=place)
    return {key for keys in changes for key in keys}, now


def test_each_change_of_what_the_index_holds_is_told_once() -> None:
    family = FamilyFactory.create()
    product = ProductFactory.create(family=family)
    place = place_now()
    Product.objects.filter(pk=product.pk).update(points_cost=77)
    found, place = told(place)
    assert found == {product.pk, family.pk}
    assert told(place)[0] == set()
    Product.objects.filter(pk=product.pk).update(is_card=False, image_url="/x.svg")
    assert told(place)[0] == set()  # the index has neither
    Family.objects.filter(pk=family.pk).update(name="Other")
    Category.objects.filter(pk=product.category_id).update(name="Shelf")
    found, place = told(place)
    assert found == {family.pk, product.category_id}
    other = FamilyFactory.create()
    Product.objects.filter(pk=product.pk).update(family=other)
    found, place = told(place)
    assert found >= {product.pk, family.pk, other.pk}


def test_one_statement_about_many_products_writes_few_rows() -> None:
    category = CategoryFactory.create()
    place = place_now()
    rows = Product.objects.bulk_create(
        Product(name="P", sku=f"m-{n}", slug=f"m-{n}", product_type="VIRTUAL", points_cost=1, category=category)
        for n in range(2_500)
    )  # fmt: skip
    assert told(place)[0] >= {row.pk for row in rows}
    assert Touch.objects.count() <= 10


def test_what_is_committed_late_is_told_and_holds_nobody_up() -> None:
    slow, quick = ProductFactory.create_batch(2)
    place = place_now()
    with another() as importing:
        rename(importing, slow, "Begun first")  # and committed last
        Product.objects.filter(pk=quick.pk).update(name="Committed first")
        found, place = told(place)
        assert found == {quick.pk}  # while the other is still open
        importing.commit()
    assert told(place)[0] == {slow.pk}


def test_a_cursor_over_ids_would_miss_what_is_committed_late() -> None:
    """The negative control: the naive way, by the highest id that was seen."""
    slow, quick = ProductFactory.create_batch(2)
    seen = Touch.objects.latest("id").pk
    with another() as importing:
        rename(importing, slow, "Begun first")
        Product.objects.filter(pk=quick.pk).update(name="Committed first")
        seen = Touch.objects.filter(pk__gt=seen).latest("id").pk
        importing.commit()
    missed = Touch.objects.filter(keys__contains=[slow.pk]).latest("id")
    assert missed.pk < seen


def test_a_change_that_is_rolled_back_is_not_told() -> None:
    product = ProductFactory.create()
    place = place_now()
    with another() as importing:
        rename(importing, product, "Never")
        importing.rollback()
    assert told(place)[0] == set()


@pytest.mark.parametrize(
    "lost",
    [
        {"database": "another/1/1"},
        {"snapshot": "999999999:999999999:"},
        {"at": "2001-01-01T00:00:00+00:00"},
    ],
)
def test_a_place_that_is_lost_says_so(lost: dict[str, str]) -> None:
    now = place_now()
    values: dict[str, Any] = {"snapshot": now.snapshot, "at": now.at, "database": now.database}
    values |= lost
    if "at" in lost:
        values["at"] = now.at.replace(year=2001)
    with pytest.raises(PlaceLostError):
        touched_since(source=TOUCHED, place=FeedPlace(**values))


def test_rows_are_forgotten_after_two_days() -> None:
    ProductFactory.create()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE feed_touch SET at = now() - interval '3 days'")
    ProductFactory.create()
    forget_touches()
    assert 0 < Touch.objects.count() <= 3
