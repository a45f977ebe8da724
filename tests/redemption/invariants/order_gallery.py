"""Orders in every state of the saga, for tests that look at many at once."""

from accounts.models import Role
from fulfillment import services as desk
from fulfillment.models import PartnerCall, Shipment
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from redemption.checkout.approvals.deciding import approve, reject
from redemption.models import RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.unit_credits import confirm, credit_units
from redemption.saga.transactions import settle_transaction
from redemption.saga.waiting import end_wait
from redemption.states import OrderStatus
from tests.accounts.factories import UserFactory
from tests.redemption.saga.waiting.lines import confirmed, time_comes, tomorrow
from tests.redemption.world import World
from tests.support.orders.came_back import came_back, credited


class Orders:
    """Orders made by the saga, with an attribute for each that a test needs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.by = Actor.in_seat(world.seat)
        people = (UserFactory.create(is_staff=True, is_superuser=True) for _ in range(2))
        self.finance = [Actor.person(person) for person in people]
        self.book = world.product(points=500, stocked=100)
        self.lamp = world.product(points=700, stocked=8)
        self.card = world.virtual(points=1_000)
        self.pending = world.place((self.book, 1))
        self.queued = self.settled(world.place((self.book, 2), (self.lamp, 1)))
        self.completed()
        self.refunded()
        self.credited()
        self.cancelled = self.settled(world.place((self.book, 1)))
        cancel(order=self.cancelled, by=self.by, reason="not needed")
        self.give_back(self.cancelled)
        self.declined = self.settled(world.place((self.card, 500)))
        self.unanswered(OrderStatus.CANCELLING)
        self.with_approvals()
        self.partners_work()
        self.some_wait()

    def settled(self, order: RedemptionOrder) -> RedemptionOrder:
        settle_transaction(self.world.debit(order).pk)
        order.refresh_from_db()
        return order

    def give_back(self, order: RedemptionOrder) -> None:
        for credit in self.world.credits(order):
            settle_transaction(credit.pk)
        order.refresh_from_db()

    def shipped(self, order: RedemptionOrder, quantity: int) -> Shipment:
        parcel = desk.pack(fulfillment=self.world.fulfillment(order), by=self.by)
        return desk.ship(
            fulfillment=parcel,
            quantity=quantity,
            carrier="Parcelly",
            tracking_number="P-1",
            by=self.by,
        )

    def completed(self) -> None:
        """Make two: one delivered in two parcels and returned, one delivered and refunded
        in part.
        """
        self.returned = self.settled(self.world.place((self.lamp, 3)))
        for pieces in (1, 2):
            desk.deliver(shipment=self.shipped(self.returned, pieces), by=self.by)
        parcel = self.world.fulfillment(self.returned)
        for pieces in (1, 2):
            returned = came_back(parcel, quantity=pieces, by=self.by, reason="scratched")
            credited(returned, people=self.finance)
        self.give_back(self.returned)

    def refunded(self) -> None:
        self.in_part = self.settled(self.world.place((self.book, 5)))
        shipment = self.shipped(self.in_part, 3)
        desk.cannot_supply(
            fulfillment=self.world.fulfillment(self.in_part),
            quantity=None,
            reason="the last two were damaged",
            by=self.by,
        )
        desk.deliver(shipment=shipment, by=self.by)

    def credited(self) -> None:
        """Make one that was delivered and of which one person credits a unit, two people another,
        and of which a unit came back about which nobody decided.
        """
        self.goodwill = self.settled(self.world.place((self.book, 30)))
        desk.deliver(shipment=self.shipped(self.goodwill, 30), by=self.by)
        item = self.goodwill.items.get()
        one, another = self.finance
        for units in (1, 20):
            item.refresh_from_db()
            seen = item.quantity_refunded
            credit_units(item=item, units=units, reason="They came late", by=one, seen=seen)
        confirm(item=item, by=another)
        came_back(self.world.fulfillment(self.goodwill), quantity=1, by=self.by)
        self.give_back(self.goodwill)

    def unanswered(self, status: OrderStatus) -> None:
        self.world.partners.fault("debit", "error_500_after")
        self.cancelling = self.settled(self.world.place((self.book, 1)))
        cancel(order=self.cancelling, by=self.by, reason="changed our mind")
        self.cancelling.refresh_from_db()
        assert self.cancelling.status == status

    def with_approvals(self) -> None:
        self.careful = self.world.new_company(points=50_000, approval_threshold=100)
        buyer, approver = (
            self.world.new_seat(role, self.careful) for role in (Role.BUYER, Role.APPROVER)
        )
        self.waiting, rejected, approved = (
            self.world.place((self.lamp, 1), seat=buyer) for _ in range(3)
        )
        reject(order=rejected, by=Actor.in_seat(approver), reason="not this year")
        approve(order=approved, by=Actor.in_seat(approver))
        self.settled(approved)

    def partners_work(self) -> None:
        """Make three virtual orders: two delivered, one in progress."""
        for mode in ("instant", "instant", "silent"):
            self.world.partners.dial(mode=mode, delay=600)
            self.settled(self.world.place((self.card, 2)))
            virtual.ask(PartnerCall.objects.latest("created_at").pk)
        self.world.partners.dial(mode="accept", delay=1)

    def some_wait(self) -> None:
        """Make two orders with lines that wait: one whose date comes, one that goes on waiting."""
        later, asked = (self.card, {"send_on": tomorrow()}), (self.book, {"recipient": None})
        self.sent_later = confirmed(self.world, later)
        time_comes(self.sent_later)
        end_wait(self.sent_later.items.get().pk)
        self.waits = confirmed(self.world, later, asked, (self.book, {}))
