"""A draft of many rows: what is saved, what two tabs do to it, and the order that it becomes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.layout import header_of
from accounts.models import AccountManager
from catalog.models import Product, ProductType
from loyalty_portal.data.actor import Actor
from redemption.checkout.cart import services as cart
from redemption.checkout.cart.selectors import cart_lines, lines_of
from redemption.checkout.cart.services import (
    RowsChangedError,
    change_quantity,
    replace_rows,
    share_out,
)
from redemption.checkout.drafts import place_draft
from redemption.checkout.rows import DraftRow, version_of
from redemption.checkout.services import CheckoutInput
from redemption.checkout.shown import Shown
from redemption.models import CartLine, OrderItem, RedemptionOrder
from redemption.models.cart import MOST_ROWS
from redemption.saga.steps import RedemptionError
from tests.redemption.factories import fill_cart
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.world import RECIPIENT, World

pytestmark = pytest.mark.django_db(transaction=True)


def people(product: Product, count: int, **columns: Any) -> list[DraftRow]:
    names = [f"Person {number}" for number in range(1, count + 1)]
    return [
        DraftRow(product, 1, {**RECIPIENT, "recipient_name": name}, **columns) for name in names
    ]


def save(
    seat: AccountManager, product: Product, rows: Sequence[DraftRow], *, total: int = 1
) -> None:
    seen = version_of(lines_of(seat, product.pk))
    replace_rows(seat=seat, product=product, rows=rows, total=total, seen=seen)


def saved(seat: AccountManager) -> list[tuple[int, str]]:
    """Pieces and name of each row, in order; of nobody's rows the name is empty."""
    rows = CartLine.objects.filter(cart=seat.pk)
    return [(row.quantity, row.recipient_name) for row in rows]


def place(seat: AccountManager, **changes: Any) -> RedemptionOrder:
    """Place the draft as its page shows it now."""
    seat = AccountManager.objects.select_related("company", "user").get(pk=seat.pk)
    rows = cart_lines(seat)
    total = sum(row.quantity * row.product.points_cost for row in rows)
    shown = Shown.of([row.product for row in rows], waits=False)
    facts = {
        "token": rows[0].cart.token,
        "cart": rows[0].cart,
        "seen_points": total,
        "shown": shown,
    }
    entered = CheckoutInput(**{**facts, **changes})
    return place_draft(
        seat=seat, rows=rows, recipient=RECIPIENT, entered=entered, by=Actor.in_seat(seat)
    )


def statements(act: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as seen:
        act()
    return len(seen)


# --- Rows ----------------------------------------------------------------------------------


def test_what_nobody_gets_yet_stays_in_the_cart_and_the_cart_grows_with_its_people(
    world: World,
) -> None:
    mug, seat = world.product(stocked=100), world.seat
    fill_cart(seat, (mug, 5))
    save(seat, mug, people(mug, 2), total=5)
    assert saved(seat) == [(1, "Person 1"), (1, "Person 2"), (3, "")]
    assert header_of(seat, known=None).cart_count == 1  # one product, whoever gets it
    save(seat, mug, people(mug, 7), total=5)
    assert saved(seat) == [(1, f"Person {number}") for number in range(1, 8)]
    fill_cart(seat, (mug, 2))
    assert saved(seat)[-1] == (2, "")
    change_quantity(seat=seat, product_id=mug.pk, quantity=8)
    assert saved(seat)[-1] == (1, "")
    change_quantity(seat=seat, product_id=mug.pk, quantity=7)
    assert len(saved(seat)) == 7
    change_quantity(seat=seat, product_id=mug.pk, quantity=9)
    assert saved(seat)[-1] == (2, "")
    with pytest.raises(RedemptionError, match="7 of these are for people whom you named"):
        change_quantity(seat=seat, product_id=mug.pk, quantity=6)


def test_pieces_are_shared_out_evenly_and_never_to_nobody() -> None:
    assert share_out(total=7, people=3) == [3, 2, 2]
    assert share_out(total=0, people=0) == []
    with pytest.raises(RedemptionError, match=r"at least one piece. People: 3, pieces: 2\."):
        share_out(total=2, people=3)


def test_one_tab_never_erases_what_the_other_saved(world: World) -> None:
    mug, seat = world.product(stocked=100), world.seat
    fill_cart(seat, (mug, 1))
    seen_by_both = version_of(lines_of(seat, mug.pk))
    first = {"seat": seat, "product": mug, "total": 1, "seen": seen_by_both}
    replace_rows(rows=people(mug, 3), **first)  # type: ignore[arg-type]
    with pytest.raises(RowsChangedError, match=r"\(people now: 3, pieces: 3\)"):
        replace_rows(rows=people(mug, 1), **first)  # type: ignore[arg-type]
    assert len(saved(seat)) == 3
    fill_cart(seat, (world.product(), 1))  # another product does not matter
    save(seat, mug, people(mug, 1))
    assert len(saved(seat)) == 2


def test_two_tabs_that_save_at_once_do_so_one_after_another(world: World) -> None:
    mug, seat = world.product(stocked=100), world.seat
    fill_cart(seat, (mug, 1))
    seen = version_of(lines_of(seat, mug.pk))
    with (
        while_somebody(lambda: save(seat, mug, people(mug, 3))),
        pytest.raises(RowsChangedError),
    ):
        replace_rows(seat=seat, product=mug, rows=people(mug, 2), total=1, seen=seen)
    assert len(saved(seat)) == 3


def test_rows_of_a_product_that_was_taken_out_are_refused(world: World) -> None:
    mug = world.product()
    with pytest.raises(RedemptionError, match="not in your cart any more"):
        save(world.seat, mug, people(mug, 1))


def full_but_for(world: World, room: int) -> tuple[Product, Product]:
    """Fill the draft but for so many rows. Returns its products, one of many people and one of
    nobody.
    """
    mug, cap = world.product(), world.product()
    fill_cart(world.seat, (mug, 1), (cap, 1))
    save(world.seat, mug, people(mug, MOST_ROWS - 1 - room))
    return mug, cap


def test_a_draft_holds_500_rows_and_not_one_more(world: World) -> None:
    mug, cap = full_but_for(world, 0)
    assert len(saved(world.seat)) == MOST_ROWS
    for one_too_many in (
        lambda: save(world.seat, cap, people(cap, 2)),
        lambda: fill_cart(world.seat, (world.product(), 1)),
        lambda: change_quantity(seat=world.seat, product_id=mug.pk, quantity=MOST_ROWS),
    ):
        with pytest.raises(RedemptionError, match="your cart has 501 rows"):
            one_too_many()
    with pytest.raises(RedemptionError, match="at most 1,000 of one product"):
        save(world.seat, cap, people(cap, 1), total=1_001)
    assert len(saved(world.seat)) == MOST_ROWS


def test_two_saves_at_once_do_not_add_up_to_more_than_500_rows(world: World) -> None:
    _mug, cap = full_but_for(world, 1)
    more = people(cap, 2)
    with (
        while_somebody(lambda: fill_cart(world.seat, (world.product(), 1))),
        pytest.raises(RedemptionError, match="501 rows"),
    ):
        save(world.seat, cap, more)
    assert len(saved(world.seat)) == MOST_ROWS


def test_without_the_lock_two_saves_at_once_would_add_up_to_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: negative control, the lock taken away
    monkeypatch.setattr(cart, "_renew", lambda _seat: None)
    _mug, cap = full_but_for(world, 1)
    with transaction.atomic():
        fill_cart(world.seat, (world.product(), 1))
        in_another_thread(lambda: save(world.seat, cap, people(cap, 2)))
    assert len(saved(world.seat)) == MOST_ROWS + 1


def in_another_thread(deed: Callable[[], None]) -> None:
    def do() -> None:
        try:
            deed()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(do).result()


def test_saving_500_rows_costs_no_more_statements_than_saving_one(world: World) -> None:
    mug, seat = world.product(stocked=100), world.seat
    fill_cart(seat, (mug, 1))
    one = statements(lambda: save(seat, mug, people(mug, 1)))
    many = statements(lambda: save(seat, mug, people(mug, MOST_ROWS)))
    assert many == one


@pytest.mark.parametrize(
    "columns",
    [
        {"quantity": 0},
        {"position": MOST_ROWS},
        {"position": 0},  # taken
        {"position": None},  # a second row of nobody
        {"position": None, "recipient_name": "Ada", "product": 2},
        {"position": None, "message": "Hello", "product": 2},
        {"position": None, "send_on": date(2026, 12, 1), "product": 2},
    ],
    ids=str,
)
def test_the_database_refuses_rows_that_cannot_be(world: World, columns: dict[str, Any]) -> None:
    mug, other = world.product(), world.product()
    fill_cart(world.seat, (mug, 2))
    save(world.seat, mug, people(mug, 1), total=2)
    product = other if columns.pop("product", 1) == 2 else mug
    facts = {"cart_id": world.seat.pk, "product": product, "quantity": 1, "position": 7}
    with pytest.raises(IntegrityError), transaction.atomic():
        CartLine.objects.create(**{**facts, **columns})


# --- Placing -------------------------------------------------------------------------------


def test_each_row_becomes_a_line_with_its_own_recipient_message_and_day(world: World) -> None:
    card, mug, seat = world.virtual(points=10), world.product(points=10), world.seat
    fill_cart(seat, (card, 1), (mug, 2))
    day = timezone.localdate() + timedelta(days=3)
    save(seat, card, people(card, 2, message="Well done!", send_on=day))
    save(seat, mug, people(mug, 1), total=2)
    order = place(seat)
    assert order.total_points == 40
    told = [
        (item.product.pk, item.recipient_name, item.city, item.message, item.waits_for)
        for item in OrderItem.objects.order_by("id")
    ]
    assert told == [
        (card.pk, "Person 1", "", "Well done!", "DATE"),
        (card.pk, "Person 2", "", "Well done!", "DATE"),
        (mug.pk, "Person 1", "Berlin", "", ""),
        (mug.pk, "Ada Byron", "Berlin", "", ""),  # for nobody yet: the checkout's recipient
    ]
    assert not CartLine.objects.exists()  # and with them the personal data of the draft


def test_a_draft_that_is_not_complete_orders_nothing_and_says_which_row(world: World) -> None:
    card, seat = world.virtual(points=10), world.seat
    fill_cart(seat, (card, 1))
    rows = people(card, 6)
    rows[1:] = [DraftRow(card, 1, {**RECIPIENT, "recipient_email": ""}) for _each in rows[1:]]
    save(seat, card, rows)
    with pytest.raises(RedemptionError) as refused:
        place(seat)
    told = str(refused.value)
    for row in (2, 3, 4):
        assert f"“{card.name}”, row {row}: Enter the e-mail address" in told
    assert "row 5" not in told
    assert "2 more cells." in told
    assert not RedemptionOrder.objects.exists()
    assert len(saved(seat)) == 6


def test_a_day_that_is_over_by_now_orders_nothing(world: World) -> None:
    card, seat = world.virtual(points=10), world.seat
    fill_cart(seat, (card, 1))
    save(seat, card, people(card, 1, send_on=timezone.localdate() - timedelta(days=1)))
    with pytest.raises(RedemptionError, match=r"row 1: This day is over\."):
        place(seat)
    assert not RedemptionOrder.objects.exists()


def test_stock_for_499_of_500_people_orders_nothing(world: World) -> None:
    mug, seat = world.product(points=10, stocked=MOST_ROWS - 1), world.seat
    fill_cart(seat, (mug, 1))
    save(seat, mug, people(mug, MOST_ROWS))
    with pytest.raises(RedemptionError, match="not enough pieces"):
        place(seat)
    assert not RedemptionOrder.objects.exists()
    assert len(saved(seat)) == MOST_ROWS


def test_a_price_that_changed_is_told_once_for_all_people_and_nothing_is_ordered(
    world: World,
) -> None:
    mug, seat = world.product(points=10, stocked=100), world.seat
    fill_cart(seat, (mug, 1))
    save(seat, mug, people(mug, 40))
    shown = Shown.of([mug], waits=False)
    Product.objects.filter(pk=mug.pk).update(points_cost=12)
    with pytest.raises(RedemptionError) as refused:
        place(seat, shown=shown, seen_points=400)
    told = str(refused.value)
    assert told.count("costs 12 points now, not 10.") == 1
    assert "the total is now 480 points" in told


def test_rows_that_changed_in_another_window_are_not_ordered(world: World) -> None:
    mug, seat = world.product(points=10, stocked=100), world.seat
    fill_cart(seat, (mug, 2))
    save(seat, mug, people(mug, 2), total=2)
    page = cart_lines(seat)[0].cart
    save(seat, mug, list(reversed(people(mug, 2))), total=2)  # the same total, other people
    with pytest.raises(RedemptionError, match="Your cart has changed in the meantime"):
        place(seat, cart=page, token=page.token)
    assert not RedemptionOrder.objects.exists()


@pytest.mark.parametrize("kind", [ProductType.PHYSICAL, ProductType.VIRTUAL])
def test_placing_a_draft_of_500_rows_costs_at_most_three_times_that_of_one(
    world: World, kind: str
) -> None:
    product, seat = world.product(kind=kind, points=10, stocked=1_000), world.seat
    figures = []
    for count in (1, 1, MOST_ROWS):  # the first compiles what is compiled once
        fill_cart(seat, (product, 1))
        save(seat, product, people(product, count))
        figures.append(statements(lambda: place(seat)))
    assert figures[2] <= 3 * figures[1], figures
