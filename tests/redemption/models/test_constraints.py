"""The constraints of the database hold whatever the code does."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from inventory.models import Inventory, Reservation
from loyalty_portal.data.actor import Actor
from redemption.models import LoyaltyTransaction, OrderItem, RedemptionOrder, TransactionType
from redemption.orders.actions.cancelling import cancel
from redemption.saga.transactions import settle_transaction
from tests.redemption.world import World


def credit(world: World, order: RedemptionOrder, points: int, **fields: Any) -> LoyaltyTransaction:
    return LoyaltyTransaction(
        **{
            "order": order,
            "company": world.company,
            "original": world.debit(order),
            "points_amount": points,
            "transaction_type": TransactionType.CREDIT,
            "key": f"credit:{uuid.uuid4()}",
            "body": "{}",
        }
        | fields
    )


@pytest.fixture
def debited(world: World) -> RedemptionOrder:
    order = world.place((world.product(points=1_000), 2))
    settle_transaction(world.debit(order).pk)
    return order


def test_credits_may_add_up_to_the_debit_and_not_to_a_point_more(
    world: World, debited: RedemptionOrder
) -> None:
    credit(world, debited, 1_500).save()
    credit(world, debited, 500).save()
    with pytest.raises(DatabaseError, match="would exceed its debit"):
        credit(world, debited, 1).save()


def test_two_credits_at_once_see_one_another(world: World, debited: RedemptionOrder) -> None:
    def try_to_credit(_number: int) -> bool:
        try:
            credit(world, debited, 1_500).save()
        except DatabaseError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as people:
        assert sum(people.map(try_to_credit, range(8))) == 1


def test_a_credit_needs_a_succeeded_debit_of_this_very_order(
    world: World, debited: RedemptionOrder
) -> None:
    other = world.place((world.product(points=1_000), 2))
    with pytest.raises(DatabaseError, match="would exceed its debit"):
        credit(world, other, 1).save()
    with pytest.raises(DatabaseError, match="would exceed its debit"):
        credit(world, other, 1, original=world.debit(debited)).save()


def test_an_order_has_one_debit(world: World, debited: RedemptionOrder) -> None:
    twin = world.debit(debited)
    twin.pk, twin.key, twin.external_transaction_id = uuid.uuid4(), "debit:another", "another"
    with pytest.raises(IntegrityError, match="one_debit_an_order"):
        twin.save(force_insert=True)


def test_a_key_is_used_once(world: World, debited: RedemptionOrder) -> None:
    key = world.debit(debited).key
    with pytest.raises(IntegrityError, match="key"):
        credit(world, debited, 1, key=key).save()


def test_one_entry_of_the_partners_ledger_is_one_transaction(
    world: World, debited: RedemptionOrder
) -> None:
    entry = world.debit(debited).external_transaction_id
    with pytest.raises(IntegrityError, match="partners_entry_once"):
        credit(world, debited, 1, external_transaction_id=entry).save()


def test_a_success_names_the_partners_entry(world: World, debited: RedemptionOrder) -> None:
    with pytest.raises(IntegrityError, match="success_names_the_partners_entry"):
        credit(world, debited, 1, status="SUCCEEDED").save()


def test_stock_is_never_below_zero(world: World) -> None:
    book = world.product(stocked=3)
    for column in ("quantity_available", "quantity_reserved"):
        with pytest.raises(IntegrityError, match="not_negative"), transaction.atomic():
            Inventory.objects.filter(product=book).update(**{column: -1})


def test_a_reservation_is_spent_once(world: World) -> None:
    order = world.place((world.product(), 2))
    held = Reservation.objects.get(reference=order.items.get().pk)
    with pytest.raises(IntegrityError, match="reservation_spent_once"):
        Reservation.objects.filter(pk=held.pk).update(released=2, consumed=1)


def test_a_line_is_not_delivered_or_refunded_more_often_than_wanted(world: World) -> None:
    order = world.place((world.product(), 2))
    for column in ("quantity_delivered", "quantity_refunded"):
        with (
            pytest.raises(IntegrityError, match=r"item_(units_once|supplied_or_not)"),
            transaction.atomic(),
        ):
            OrderItem.objects.filter(order=order).update(**{column: 3})


def test_one_form_is_one_order(world: World) -> None:
    order = world.place((world.product(), 1))
    twin = RedemptionOrder(
        company=world.company,
        account_manager=world.seat,
        total_points=1,
        status="PENDING",
        token=order.token,
    )
    with pytest.raises(IntegrityError, match="token"):
        twin.save(force_insert=True)


@pytest.mark.parametrize("status", ["DONE", ""])
def test_a_status_that_is_in_no_table_is_refused(world: World, status: str) -> None:
    order = world.place((world.product(), 1))
    with pytest.raises(IntegrityError, match="order_status_known"):
        RedemptionOrder.objects.filter(pk=order.pk).update(status=status)


def test_the_history_of_changes_is_written_by_triggers(world: World) -> None:
    order: Any = world.place((world.product(), 1))
    assert not order.changes.exists()  # its events record its creation
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    RedemptionOrder.objects.filter(pk=order.pk).update(total_points=7)
    replaced = order.changes.order_by("pgh_id").values_list("status", "total_points")
    assert list(replaced) == [("PENDING", 1_000), ("CANCELLING", 1_000)]
