"""The main journey without a browser: sign in, redeem, both kinds of delivery, and the sums."""

from __future__ import annotations

from accounts.models import User
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment, VirtualCode
from loyalty_portal.data.actor import Actor
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.states import LineStatus, OrderStatus
from tests.redemption.world import World
from tests.support.stack import Stack
from tests.support.visitor import Visitor, order_number
from tests.support.waiting import eventually

PASSWORD = "correct-horse-battery-staple"


def signed_in(stack: Stack, shop: World) -> Visitor:
    """The shop's buyer, signed in through the sign-in page."""
    shop.seat.user.set_password(PASSWORD)
    shop.seat.user.save()
    visitor = stack.visitor()
    home = visitor.sign_in(shop.seat.user.email, PASSWORD)
    assert home.url.path == "/"
    assert shop.company.name in home.text
    return visitor


def the_line(number: str, product: Product) -> LineStatus:
    order = RedemptionOrder.objects.get(order_number=number)
    return LineStatus(order.items.get(product=product).fulfillment_status)


def ship_and_deliver(number: str, product: Product) -> None:
    """Ship and deliver a parcel at the desk."""
    clerk = User.objects.create_user(f"desk-{number}@portal.example", is_staff=True)
    parcel = Fulfillment.objects.get(label=number, sku=product.sku)
    desk.pack(fulfillment=parcel, by=Actor.person(clerk))
    shipment = desk.ship(
        fulfillment=parcel,
        quantity=1,
        carrier="DHL",
        tracking_number="JD0142",
        by=Actor.person(clerk),
    )
    desk.deliver(shipment=shipment, by=Actor.person(clerk))


def subjects(stack: Stack, number: str) -> list[str]:
    return [str(letter["Subject"]) for letter in stack.mailbox.about(number)]


def test_a_book_is_shipped_and_a_gift_card_is_sent(stack: Stack, shop: World) -> None:
    book, card = shop.product(points=3_000, stocked=2), shop.virtual(points=1_500)
    visitor = signed_in(stack, shop)

    number = visitor.redeem(book.get_absolute_url(), card.get_absolute_url())

    eventually(lambda: the_line(number, card) == LineStatus.DELIVERED, "the card is delivered")
    assert the_line(number, book) == LineStatus.QUEUED
    order = RedemptionOrder.objects.get(order_number=number)
    assert shop.ledger(order) == (4_500, 0)

    page = visitor.get(f"/orders/{number}/")
    item = order.items.get(product=card)
    code = VirtualCode.objects.get(fulfillment__reference=item.pk).code
    assert code
    assert code not in page.text
    assert code in visitor.send(visitor.form(page, f"/codes/{item.pk}/")).text

    ship_and_deliver(number, book)
    assert stack.ends(number) == [OrderStatus.COMPLETED]
    assert "JD0142" in visitor.get(f"/orders/{number}/").text

    eventually(lambda: len(subjects(stack, number)) == 2, "two letters are sent")
    assert subjects(stack, number)[-1].endswith("is complete: 2 of 2 pieces delivered")
    assert not any(code in letter.as_string() for letter in stack.mailbox.about(number))
    book.inventory.refresh_from_db()
    assert (book.inventory.quantity_available, book.inventory.quantity_reserved) == (1, 0)
    assert not stack.violations()


def test_a_cancelled_order_gives_its_points_back(stack: Stack, shop: World) -> None:
    book = shop.product(points=3_000, stocked=2)
    visitor = signed_in(stack, shop)
    number = visitor.redeem(book.get_absolute_url())
    eventually(lambda: the_line(number, book) == LineStatus.QUEUED, "the desk has it")

    page = visitor.get(f"/orders/{number}/")
    visitor.send(visitor.form(page, "/cancel/"), reason="The event was called off")

    assert stack.ends(number) == [OrderStatus.CANCELLED]
    order = RedemptionOrder.objects.get(order_number=number)
    assert shop.ledger(order) == (3_000, 3_000)
    book.inventory.refresh_from_db()
    assert (book.inventory.quantity_available, book.inventory.quantity_reserved) == (2, 0)
    eventually(lambda: len(subjects(stack, number)) == 2, "two letters are sent")
    assert not stack.violations()


def test_too_few_points_cost_nothing(stack: Stack, shop: World) -> None:
    """The page's balance is only advice; it decreases after the page is shown."""
    book = shop.product(points=3_000, stocked=2)
    visitor = signed_in(stack, shop)
    visitor.put_in_cart(book.get_absolute_url())
    form = visitor.checkout()
    stack.sandbox.account(shop.company.loyalty_account_id, 2_999)

    number = order_number(visitor.send(form))

    assert stack.ends(number) == [OrderStatus.DECLINED]
    order = RedemptionOrder.objects.get(order_number=number)
    assert shop.ledger(order) == (0, 0)
    assert LoyaltyTransaction.objects.get(order=order).answer_code == "insufficient_points"
    book.inventory.refresh_from_db()
    assert (book.inventory.quantity_available, book.inventory.quantity_reserved) == (2, 0)
    assert not stack.violations()
