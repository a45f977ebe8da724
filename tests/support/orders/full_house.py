"""One of everything that a page can show, and a user who may do all of it."""

from dataclasses import dataclass

from django.test import Client

from accounts.models import AccountManager, Address, Role, User
from catalog.models import Product
from redemption.incidents.services import raise_incident
from redemption.models import Incident, RedemptionOrder
from redemption.states import IncidentKind
from tests.accounts.second_factor import sign_in, with_app
from tests.redemption.factories import delivered_by_mail, fill_cart, paid, placed, shipped
from tests.redemption.world import RECIPIENT, World

PASSWORD = "correct horse battery staple"
THRESHOLD = 5_000  # points; larger orders need approval


@dataclass
class FullHouse:
    """`owner` is a superuser with seats in two companies; `buyer` belongs to another company."""

    world: World
    owner: AccountManager
    elsewhere: AccountManager
    buyer: AccountManager
    mug: Product
    card: Product
    sent: RedemptionOrder  # a parcel is on its way
    delivered: RedemptionOrder  # codes were delivered
    waiting: RedemptionOrder  # waits for approval
    incident: Incident

    @classmethod
    def build(cls, world: World) -> "FullHouse":
        world.company.approval_threshold = THRESHOLD
        world.company.save()
        person = User.objects.create_user(
            "owner@northwind.example", PASSWORD, name="Ada", is_staff=True, is_superuser=True
        )
        with_app(person)
        owner = AccountManager.objects.create(company=world.company, user=person, role=Role.OWNER)
        elsewhere = AccountManager.objects.create(
            company=world.new_company(points=5_000), user=person, role=Role.OWNER
        )
        mug, card = world.product(stocked=100), world.virtual()
        Address.objects.create(company=world.company, **RECIPIENT)
        sent = paid(owner, (mug, 2))
        shipped(sent)
        delivered = paid(owner, (card, 1))
        delivered_by_mail(delivered, "CODE-1")
        fill_cart(owner, (mug, 1))
        return cls(
            world=world,
            owner=owner,
            elsewhere=elsewhere,
            buyer=world.seat,
            mug=mug,
            card=card,
            sent=sent,
            delivered=delivered,
            waiting=placed(world.seat, (mug, 6)),
            incident=raise_incident(kind=IncidentKind.STOCK_DRIFT, key="drift", what="3 too many."),
        )

    def browser(self) -> Client:
        """A client signed in as the owner through the sign-in page."""
        client = Client()
        assert sign_in(client, self.owner.user, PASSWORD).status_code == 302
        return client
