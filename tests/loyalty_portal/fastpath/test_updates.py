"""Updates whose SQL is compiled once do the same as Django's."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.db import IntegrityError
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Company
from loyalty_portal.fastpath.updates import PreparedPair, PreparedUpdate, delete, update
from redemption.models import (
    Callback,
    CallbackState,
    CartLine,
    Letter,
    LetterKind,
    OrderEvent,
    RedemptionOrder,
)
from redemption.saga.steps import new_letter
from tests.accounts.factories import CompanyFactory, UserFactory
from tests.redemption.factories import fill_cart
from tests.redemption.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.both_ways]


def callback() -> Callback:
    made = Callback.objects.create(
        webhook_id=str(uuid.uuid4()), event_type="t", reference="r", body="{}"
    )
    made.refresh_from_db()
    return made


def test_an_update_changes_the_rows_that_it_names_and_says_how_many() -> None:
    first, second = callback(), callback()
    when = timezone.now()
    for row in (first, second):  # the second one uses the SQL compiled for the first
        changes = {"state": CallbackState.PROCESSED, "processed_at": when, "attempts": 3}
        assert update(Callback, {"pk": row.pk, "state": CallbackState.RECEIVED}, changes) == 1
        row.refresh_from_db()
        assert (row.state, row.processed_at, row.attempts) == (CallbackState.PROCESSED, when, 3)
    as_it_was = {"pk": first.pk, "state": CallbackState.RECEIVED}
    assert update(Callback, as_it_was, {"attempts": 9}) == 0
    assert Callback.objects.filter(attempts=9).count() == 0


def test_an_update_knows_expressions_nothing_and_further_conditions() -> None:
    row = callback()
    later = {"attempts": F("attempts") + 1, "lease_until": Now() + timedelta(hours=1)}
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=Now())
    assert update(Callback, {"pk": row.pk}, later, also=free) == 1
    assert update(Callback, {"pk": row.pk}, later, also=free) == 0
    row.refresh_from_db()
    assert row.attempts == 1
    assert row.lease_until is not None
    assert update(Callback, {"pk": row.pk}, {"lease_until": None, "attempts": 0}) == 1
    row.refresh_from_db()
    assert (row.lease_until, row.attempts) == (None, 0)


def test_an_update_takes_rows_for_foreign_keys_and_refuses_what_is_encrypted_for_its_row(
    world: World,
) -> None:
    order, person = world.place((world.product(), 1)), UserFactory.create()
    assert update(RedemptionOrder, {"pk": order.pk}, {"decided_by": person}) == 1
    order.refresh_from_db()
    assert order.decided_by == person
    row = callback()
    with pytest.raises(FieldError, match="save the row"):
        update(Callback, {"pk": row.pk}, {"body": "a secret"})
    with pytest.raises(IntegrityError):
        update(RedemptionOrder, {"pk": order.pk}, {"total_points": 0})


def test_an_update_of_one_value_for_many_rows_changes_all_of_them() -> None:
    companies = [CompanyFactory.create(name="Twins") for _ in range(2)]
    assert update(Company, {"name": "Twins"}, {"approval_threshold": 5}) == 2
    assert {each.approval_threshold for each in Company.objects.filter(name="Twins")} == {5}
    assert len(companies) == 2


def test_nothing_equals_none() -> None:
    """As in SQL: a row that nobody holds is not one that is held by none."""
    row = callback()
    held = {"pk": row.pk, "lease_token": None}
    assert update(Callback, held, {"attempts": 9}) == 0
    assert delete(Callback, held) == 0
    assert Callback.objects.filter(pk=row.pk, lease_token=None, attempts=0).exists()


def test_a_deletion_takes_the_rows_that_it_names_and_says_how_many(world: World) -> None:
    fill_cart(world.seat, (world.product(), 1), (world.product(), 1))
    first, second = CartLine.objects.order_by("pk")
    assert delete(CartLine, {"pk": first.pk, "quantity": 1}) == 1
    assert delete(CartLine, {"pk": second.pk, "quantity": 7}) == 0
    assert list(CartLine.objects.values_list("pk", flat=True)) == [second.pk]


def test_a_prepared_update_changes_a_row_by_its_old_values_and_says_the_new_ones() -> None:
    counted = PreparedUpdate(
        lambda key, more: (
            Callback.objects.filter(pk=key),
            Q(attempts__lte=4),
            {"attempts": F("attempts") + more, "problem": "100 % tried"},
        ),
        uuid.UUID(int=1),
        1_000_001,
        returning=("attempts", "problem"),
    )
    row, other = callback(), callback()
    assert counted(row.pk, 3) == (3, "100 % tried")
    assert counted(row.pk, 2) == (5, "100 % tried")
    assert counted(row.pk, 1) is None  # the condition does not hold any more
    assert counted(uuid.uuid4(), 1) is None
    assert Callback.objects.get(pk=row.pk).attempts == 5
    assert Callback.objects.get(pk=other.pk).attempts == 0


def test_of_two_updates_in_one_statement_the_second_and_the_rows_follow_the_first(
    world: World,
) -> None:
    order = world.place((world.product(), 1))
    placeholders = (uuid.UUID(int=1), uuid.UUID(int=2), 1_000_001)
    both = PreparedPair(
        PreparedUpdate(
            lambda first, _second, most: (
                Callback.objects.filter(pk=first),
                Q(attempts__lt=most),
                {"attempts": F("attempts") + 1},
            ),
            *placeholders,
            returning=("attempts",),
        ),
        PreparedUpdate(
            lambda _first, second, most: (
                Callback.objects.filter(pk=second),
                Q(attempts__lt=most),
                {"attempts": F("attempts") + 10},
            ),
            *placeholders,
            returning=("attempts", "problem"),
        ),
    )
    first, second, nobody = callback(), callback(), uuid.uuid4()

    def told() -> list[OrderEvent]:
        return [order.event("", "PENDING", reason="along")]

    def state() -> tuple[int, int, int]:
        rows = Callback.objects.in_bulk([first.pk, second.pk])
        events = OrderEvent.objects.filter(reason="along").count()
        return rows[first.pk].attempts, rows[second.pk].attempts, events

    assert both(first.pk, second.pk, 2, along=told()) == (10, "")
    assert state() == (1, 10, 1)
    assert both(nobody, second.pk, 99, along=told()) is None
    assert both(first.pk, second.pk, 1, along=told()) is None  # the first may not change
    assert state() == (1, 10, 1)
    assert both(first.pk, second.pk, 2, along=told()) is None  # the second may not
    assert state() == (2, 10, 2)
    assert both(first.pk, second.pk, 11) == (20, "")


def test_an_update_of_several_rows_by_their_keys_changes_those_alone() -> None:
    first, second, third = callback(), callback(), callback()
    some = {"pk": [first.pk, second.pk], "state": CallbackState.RECEIVED}
    assert update(Callback, some, {"attempts": 3}) == 2
    assert update(Callback, {"pk": [], "attempts": 3}, {"attempts": 9}) == 0
    assert set(Callback.objects.filter(attempts=3)) == {first, second}
    assert Callback.objects.get(attempts=0) == third


def test_rows_that_go_along_are_inserted_only_if_something_changed(world: World) -> None:
    order = world.place((world.product(), 1))
    kept = OrderEvent.objects.count()

    def told() -> list[Any]:
        return [
            *(order.event("PENDING", "CONFIRMED", reason=f"{n} of 2") for n in (1, 2)),
            new_letter(order, LetterKind.CONFIRMED, occasion=order.pk),
        ]

    as_it_is, as_it_is_not = (
        {"pk": order.pk, "status": status} for status in ("PENDING", "DECLINED")
    )
    assert update(RedemptionOrder, as_it_is_not, {"status": "CONFIRMED"}, along=told()) == 0
    assert (OrderEvent.objects.count(), Letter.objects.count()) == (kept, 0)
    assert update(RedemptionOrder, as_it_is, {"status": "CONFIRMED"}, along=told()) == 1
    assert OrderEvent.objects.filter(reason__endswith="of 2").count() == 2
    assert Letter.objects.get().key == f"confirmed:{order.pk}"


def test_each_test_here_runs_with_the_fastpath_and_without_it(
    request: pytest.FixtureRequest, settings: Any
) -> None:
    assert request.node.callspec.id == ("fast" if settings.FASTPATH else "plain")
