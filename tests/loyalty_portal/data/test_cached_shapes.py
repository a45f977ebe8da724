"""Two versions of the portal share one cache, and neither reads the other's values wrongly."""

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, make_dataclass
from typing import Any, NamedTuple

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import AccountManager, Company, KnownBalance
from accounts.services import refresh_balance
from catalog.freshness import remember
from loyalty_portal.admin_site.counts import briefly
from loyalty_portal.data.shapes import shape_of
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.support.sandbox_process import SandboxProcess

SignIn = Callable[[AccountManager], Client]


def released(**shape: Any) -> Any:
    """The class `Page` of this module with these fields, as another version defines it."""
    page = make_dataclass("Page", shape.items(), frozen=True, slots=True)
    page.__module__ = __name__
    setattr(sys.modules[__name__], "Page", page)  # noqa: B010 - mypy knows no such name
    return page


def test_a_pickle_gives_values_to_the_wrong_fields_once_a_field_was_inserted() -> None:
    """The control: the error that the next test guards against does happen."""
    written = pickle.dumps(released(title=str, q=str)("Kitchen", "mug"))
    after = released(title=str, subtitle=str, q=str)
    assert isinstance(after, type)
    assert pickle.loads(written).subtitle == "mug"


def test_a_version_with_another_shape_finds_nothing_of_the_other(settings: Any) -> None:
    settings.FASTPATH = True  # plain Django caches no pages
    before = released(title=str, q=str)
    old = remember("of-a-test", before, "asked", lambda: before("Kitchen", "mug"))
    after = released(title=str, subtitle=str, q=str)
    new = remember("of-a-test", after, "asked", lambda: after("Kitchen", "For tea", "mug"))
    assert [getattr(new, field.name) for field in fields(after)] == ["Kitchen", "For tea", "mug"]
    released(title=str, q=str)
    assert remember("of-a-test", before, "asked", lambda: before("made", "anew")).q == old.q


def test_a_class_that_moved_to_another_module_has_another_shape() -> None:
    """A pickle names the module, which the version before finds no more."""
    here, there = released(title=str), released(title=str)
    assert shape_of(here) == shape_of(there)
    moved = released(title=str)
    moved.__module__ = "catalog.elsewhere"
    assert shape_of(moved) != shape_of(here)


def test_what_the_first_page_of_the_admin_caches_is_of_one_shape() -> None:
    before = released(late=int, later=int)
    assert briefly("of-a-test", before, lambda: before(3, 8)).later == 8
    after = released(late=int, soon=int, later=int)
    assert briefly("of-a-test", after, lambda: after(3, 5, 8)).soon == 5
    released(late=int, later=int)
    assert briefly("of-a-test", before, lambda: before(0, 0)).later == 8, "kept, beside the other"


class Inner(NamedTuple):
    name: str


class WiderInner(NamedTuple):
    name: str
    number: int


@dataclass(frozen=True)
class Outer:
    inner: list[Inner]


def test_a_shape_is_told_by_names_types_and_what_is_inside() -> None:
    shapes = [
        released(title=str, q=str),
        released(q=str, title=str),
        released(title=str, query=str),
        released(title=str, q=int),
        released(title=str, q=list[Inner]),
        released(title=str, q=list[WiderInner]),
        released(title=str, q=Outer | None),
        Company,
        KnownBalance,
    ]
    assert len({shape_of(shape) for shape in shapes}) == len(shapes)
    assert shape_of(released(title=str, q=str)) == shape_of(released(title=str, q=str))


@pytest.mark.django_db(transaction=True)
def test_each_object_in_the_cache_stands_under_a_key_with_its_shape(
    client_for: SignIn, partners: SandboxProcess, settings: Any
) -> None:
    """All cached objects; plain values read the same in every version."""
    settings.FASTPATH = True
    seat = SeatFactory.create()
    partners.account(seat.company.loyalty_account_id, 10_000)
    client, product = client_for(seat), ProductFactory.create()
    assert client.get("/catalog/").status_code == 200
    assert client.get(product.get_absolute_url()).status_code == 200
    refresh_balance(company=seat.company)
    keys = cache.keys("*")  # type: ignore[attr-defined]
    found = {
        key: shape for key, value in cache.get_many(keys).items() for shape in shapes_in(value)
    }
    assert len(found) >= 3  # the facets, the product, the balance
    assert [key for key, shape in found.items() if shape not in key] == []


def shapes_in(value: Any) -> list[str]:
    """The shapes of the outermost objects within plain values."""
    if type(value) in {list, tuple}:
        return [shape for part in value for shape in shapes_in(part)]
    if type(value) is dict:
        return [shape for part in value.values() for shape in shapes_in(part)]
    plain = {str, int, float, bool, bytes, type(None)}
    kind: Any = type(value)
    return [] if kind in plain else [shape_of(kind)]
