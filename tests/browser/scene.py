"""The data of the browser tests: a company, its people, staff, and orders in many states."""

from accounts.models import AccountManager, Address, Role
from catalog.models import Product, ProductList
from catalog.yours import services as kept
from fulfillment import services as desk
from inventory.services import receive
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.checkout.cart.services import add_to_cart
from redemption.models import RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from tests.redemption.world import RECIPIENT, World
from tests.support.stack import Stack
from tests.support.staff import staff
from tests.support.waiting import eventually


class Scene(World):
    """The data. The buyer's company has an `approver` with a full cart and a `viewer`.

    `poor` owns another company with few points; `clerk` works at the desk. `order["queued"]` and so
    on are order numbers.
    """

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack.sandbox)
        # enough for all the tests that order from this company
        self.partners.account(self.company.loyalty_account_id, 1_000_000)
        self.buyer = self.seat
        self.approver = self.new_seat(Role.APPROVER)
        self.viewer = self.new_seat(Role.VIEWER)
        self.company.approval_threshold = 40_000
        self.company.save()
        self.clerk = staff("fulfillment")
        self.book = Product.objects.get(sku="9790000000011")
        self.card = Product.objects.get(sku="RELOADLY-9003-15")
        self.family = Product.objects.get(sku="RELOADLY-9001-25")
        # some tests order many of it
        receive(product=self.book, quantity=1_000, reason="For all tests", by=SYSTEM)
        self.order = {name: order.order_number for name, order in self._orders().items()}
        for line in ("Invalidenstr. 43", "Invalidenstr 43"):  # one person, who is in it twice
            Address.objects.create(company=self.company, **{**RECIPIENT, "address_line1": line})
        self.list: ProductList = kept.make_list(seat=self.buyer, name="Gifts for new colleagues")
        for product in (self.book, self.card):
            add_to_cart(seat=self.approver, product=product, quantity=1)
            kept.keep(seat=self.buyer, product=product, on=True)
            kept.put_on_list(one=self.list, product=product, seat=self.buyer)

    def path(self, page: str) -> str:
        """Fill in an address such as "/orders/{queued}/" or "{book}"."""
        products = {"book": self.book, "card": self.card, "family": self.family}
        shelf = {name: product.get_absolute_url() for name, product in products.items()}
        keys = {
            "card_key": self.card.pk,
            "poor": self.poor.pk,
            "list": self.list.pk,
            "book_slug": self.book.slug,
            "card_slug": self.card.slug,
        }
        return page.format(**self.order, **shelf, **keys)

    def queue_again(self) -> None:
        """Let "queued" be a new order: tests of the desk send whatever waits there."""
        order = self.place((self.book, 1), (self.card, 1))
        self._reach(order, "IN_FULFILLMENT", "CONFIRMED")
        sent = order.items.filter(product=self.card, fulfillment_status="DELIVERED")
        eventually(sent.exists, "its code has come")
        self.order["queued"] = order.order_number

    def _orders(self) -> dict[str, RedemptionOrder]:
        orders = {
            "delivered": self.place((self.card, 1)),
            "shipped": self.place((self.book, 2)),
            "queued": self.place((self.book, 1), (self.card, 1)),
            "cancelled": self.place((self.book, 1)),
            "declined": self.place((self.book, 1), seat=self._poor()),
            "waiting": self.place((self.card, 30)),
        }
        for name in ("shipped", "queued", "cancelled"):
            self._reach(orders[name], "IN_FULFILLMENT", "CONFIRMED")
        row = self.fulfillment(orders["shipped"])
        desk.ship(
            fulfillment=desk.pack(fulfillment=row, by=Actor.person(self.clerk)),
            quantity=1,
            carrier="Parcelly",
            tracking_number="PL-4711-0815",
            by=Actor.person(self.clerk),
        )
        cancel(
            order=orders["cancelled"], by=Actor.in_seat(self.buyer), reason="Not needed any more"
        )
        self._reach(orders["cancelled"], "CANCELLED")
        self._reach(orders["delivered"], "COMPLETED")
        self._reach(orders["declined"], "DECLINED")
        return orders

    def _poor(self) -> AccountManager:
        self.poor = self.new_seat(Role.OWNER, self.new_company(points=10))
        return self.poor

    @staticmethod
    def _reach(order: RedemptionOrder, *statuses: str) -> None:
        def reached() -> bool:
            order.refresh_from_db()
            return order.status in statuses

        eventually(reached, f"{order.order_number} gets {statuses}")
