"""Who decides in the place of an approver who is away."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager, Company, PersonLetter, StandIn
from accounts.seats.letters import compose
from accounts.seats.services import SeatRefusedError
from accounts.seats.stand_ins import end_stand_in, name_stand_in, stood_in_for
from catalog.models import Product
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.zones import local_day
from redemption.checkout.approvals.deciding import approve, reject
from redemption.models import Bulk, BulkStatus, OrderEvent, RedemptionOrder
from redemption.permissions import decidable_instead, may_decide
from redemption.saga.steps import RedemptionError
from redemption.states import OrderStatus
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import placed

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
AWAY = "/approvals/away/"


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create(
        balance=100_000, approval_threshold=100, time_zone="America/New_York"
    )


@pytest.fixture
def grace(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, approver=True, user__name="Grace")


@pytest.fixture
def dora(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, user__name="Dora")


@pytest.fixture
def buyer(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, user__name="Ada")


@pytest.fixture
def tent() -> Product:
    return ProductFactory.create(name="Tent", points_cost=400, in_stock=50)


def today(company: Company) -> date:
    return local_day(timezone.now(), company.time_zone)


def stands_in(approver: AccountManager, deputy: AccountManager, *, days: int = 3) -> StandIn:
    """Name the deputy from today on."""
    first = today(approver.company)
    return name_stand_in(
        approver=approver,
        deputy=deputy,
        first=first,
        last=first + timedelta(days=days - 1),
        by=Actor.in_seat(approver),
    )


def said(response: Any) -> str:
    return response.content.decode().replace("&#x27;", "'")


# --- Deciding ------------------------------------------------------------------------------


def test_whoever_stands_in_decides_and_the_story_says_in_whose_place(
    client_for: SignIn,
    grace: AccountManager,
    dora: AccountManager,
    buyer: AccountManager,
    tent: Product,
) -> None:
    order = placed(buyer, (tent, 1))
    deputy = Actor.in_seat(dora)
    assert not may_decide(deputy, order)
    assert client_for(dora).get("/approvals/").status_code == 403
    stands_in(grace, dora)
    page = said(client_for(dora).get("/approvals/"))
    assert "You stand in for Grace." in page
    assert '<span class="count">1</span>' in page
    approve(order=order, by=deputy)
    event = OrderEvent.objects.get(order=order, from_status=OrderStatus.AWAITING_APPROVAL)
    assert (event.by, event.reason) == (dora.user, "Approved in the place of Grace")
    entry = TrailEntry.objects.filter(kind=TrailKind.STAND_IN).latest("id")
    assert entry.facts == {"change": "approved", "instead of": str(grace.pk)}
    story = said(client_for(buyer).get(order.get_absolute_url()))
    assert "Approved by Dora" in story
    assert "In the place of Grace." in story
    decided = said(client_for(grace).get("/approvals/decided/"))
    assert "in the place of Grace" in decided


def test_nobody_has_their_own_order_approved_through_a_stand_in(
    company: Company, grace: AccountManager, dora: AccountManager, tent: Product
) -> None:
    """Neither the stand-in's own, nor the approver's, nor one by a key that the approver made."""
    stands_in(grace, dora)
    owner = SeatFactory.create(company=company, owner=True)
    stands_in(owner, dora)
    by_key = placed(new_key(company, by=owner).key.seat, (tent, 1))
    orders = {
        "hers": placed(dora, (tent, 1)),
        "of grace": placed(grace, (tent, 1)),
        "of the owner": placed(owner, (tent, 1)),
        "by key": by_key,
    }
    deputy = Actor.in_seat(dora)
    # Of Grace's order it is the owner in whose place she may decide, and the other way round.
    may = {name: may_decide(deputy, order) for name, order in orders.items()}
    assert may == {"hers": False, "of grace": True, "of the owner": True, "by key": True}
    of_company = {"company_id": company.pk, "user_id": dora.user_id}
    rule = decidable_instead(seat_id=dora.pk, **of_company)
    found = set(RedemptionOrder.objects.filter(rule))
    assert found == {order for name, order in orders.items() if may[name]}
    StandIn.objects.filter(approver=grace).delete()
    may = {name: may_decide(deputy, order) for name, order in orders.items()}
    assert may == {"hers": False, "of grace": True, "of the owner": False, "by key": False}
    assert set(RedemptionOrder.objects.filter(rule)) == {orders["of grace"]}
    with pytest.raises(RedemptionError, match="stand in for whoever ordered this"):
        approve(order=orders["of the owner"], by=deputy)
    with pytest.raises(RedemptionError, match="own order"):
        approve(order=orders["hers"], by=deputy)


def test_a_file_of_orders_is_decided_by_the_same_rules(
    grace: AccountManager, dora: AccountManager, buyer: AccountManager
) -> None:
    stands_in(grace, dora)
    deputy = Actor.in_seat(dora)
    of = {
        seat: may_decide(deputy, Bulk(seat=seat, status=BulkStatus.WAITING))
        for seat in (buyer, grace, dora)
    }
    assert of == {buyer: True, grace: False, dora: False}


@pytest.mark.parametrize(
    "change",
    ["ended", "over", "not yet", "approver off", "approver a buyer", "deputy off", "person off"],
)
def test_it_ends_with_its_days_and_with_the_seats(
    grace: AccountManager, dora: AccountManager, buyer: AccountManager, tent: Product, change: str
) -> None:
    order, made = placed(buyer, (tent, 1)), stands_in(grace, dora)
    assert may_decide(Actor.in_seat(dora), order)
    now = timezone.now()
    if change == "ended":
        end_stand_in(stand_in=made, by=Actor.in_seat(grace))
        with pytest.raises(SeatRefusedError, match="over already"):
            end_stand_in(stand_in=made, by=Actor.in_seat(grace))
    elif change == "over":
        StandIn.objects.update(starts_at=now - timedelta(days=2), ends_at=now)
    elif change == "not yet":
        StandIn.objects.update(starts_at=now + timedelta(minutes=1))
    elif change == "approver off":
        AccountManager.objects.filter(pk=grace.pk).update(is_active=False)
    elif change == "approver a buyer":
        AccountManager.objects.filter(pk=grace.pk).update(role="buyer")
    elif change == "deputy off":
        AccountManager.objects.filter(pk=dora.pk).update(is_active=False)
    else:
        grace.user.is_active = False
        grace.user.save()
    if change == "deputy off":
        assert not AccountManager.objects.usable().filter(pk=dora.pk).exists()
    else:
        assert stood_in_for(dora) == []
        assert not may_decide(Actor.in_seat(dora), order)


# --- Naming --------------------------------------------------------------------------------


def test_days_are_those_of_the_companys_time_zone(
    grace: AccountManager, dora: AccountManager
) -> None:
    made = name_stand_in(
        approver=grace,
        deputy=dora,
        first=(first := today(grace.company) + timedelta(days=20)),
        last=first,
        by=Actor.in_seat(grace),
    )
    noon = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
    assert made.starts_at < noon < made.ends_at
    assert local_day(made.starts_at, "America/New_York") == first
    assert local_day(made.starts_at - timedelta(seconds=1), "America/New_York") < first
    assert local_day(made.ends_at, "America/New_York") == first + timedelta(days=1)


def test_mistakes_are_told_and_nothing_is_recorded(
    client_for: SignIn, company: Company, grace: AccountManager, dora: AccountManager
) -> None:
    client, day = client_for(grace), today(company)
    machine = new_key(company).key.seat
    stranger = SeatFactory.create()
    off = SeatFactory.create(company=company, inactive=True)
    right = {"deputy": str(dora.pk), "first": day.isoformat(), "last": day.isoformat()}
    for wrong, told in (
        ({"deputy": ""}, "Choose who decides in your place."),
        *(
            ({"deputy": str(seat.pk)}, "Choose somebody with an active seat in your company.")
            for seat in (machine, stranger, off, grace)
        ),
        ({"deputy": "x"}, "Choose somebody with an active seat in your company."),
        ({"first": "2026-02-30"}, "Enter a valid date."),
        ({"last": (day - timedelta(days=1)).isoformat()}, "The last day is before the first one."),
        (
            {"first": "2020-01-01", "last": "2020-01-02"},
            "These days are over already.",
        ),
        ({"last": (day + timedelta(days=400)).isoformat()}, "Choose days of the next twelve"),
    ):
        response = client.post(AWAY, right | wrong)
        assert (response.status_code, told in said(response)) == (422, True), wrong
    assert not StandIn.objects.exists()
    assert client.post(AWAY, right).status_code == 303
    page = said(client.get(AWAY))
    assert "It holds now." in page
    made = StandIn.objects.get()
    assert client.post(f"{AWAY}{made.pk}/end/").status_code == 303
    assert "Ended by Grace" in said(client.get(AWAY))


def test_only_approvers_name_somebody_and_owners_see_and_end_all(
    client_for: SignIn, company: Company, grace: AccountManager, dora: AccountManager
) -> None:
    made = stands_in(grace, dora)
    owner = SeatFactory.create(company=company, owner=True, user__name="Olga")
    other = SeatFactory.create(company=company, approver=True)
    with pytest.raises(SeatRefusedError, match="no permission"):
        name_stand_in(
            approver=grace,
            deputy=dora,
            first=today(company),
            last=today(company),
            by=Actor.in_seat(other),
        )
    assert client_for(dora).get(AWAY).status_code == 403
    assert "<b>Dora</b> for Grace" not in said(client_for(other).get(AWAY))
    assert client_for(other).post(f"{AWAY}{made.pk}/end/").status_code == 404
    assert "<b>Dora</b> for Grace" in said(client_for(owner).get(AWAY))
    assert client_for(owner).post(f"{AWAY}{made.pk}/end/").status_code == 303
    made.refresh_from_db()
    assert made.ended_by == owner.user


def test_the_two_and_all_owners_get_a_letter(
    company: Company, grace: AccountManager, dora: AccountManager
) -> None:
    owner = SeatFactory.create(company=company, owner=True, user__language="de")
    made = stands_in(grace, dora)
    letters = PersonLetter.objects.filter(kind="stand_in")
    assert {letter.to for letter in letters} == {grace.email, dora.email, owner.email}
    written = compose(letters.get(to=dora.email))
    assert "Dora may decide on orders in the place of Grace, from" in written.body
    assert "/approvals/" in written.body
    end_stand_in(stand_in=made, by=Actor.in_seat(owner))
    assert letters.all().count() == 6
    assert not mail.outbox


@pytest.mark.parametrize(
    "wrong",
    [{"deputy": "approver"}, {"ends_at": "starts_at"}, {"ended_at": "starts_at"}],
)
def test_the_database_refuses_what_makes_no_sense(
    grace: AccountManager, dora: AccountManager, wrong: dict[str, str]
) -> None:
    made = stands_in(grace, dora)
    ((name, same_as),) = wrong.items()
    with pytest.raises(IntegrityError), transaction.atomic():
        StandIn.objects.filter(pk=made.pk).update(**{name: getattr(made, same_as)})


def test_a_no_in_somebodys_place_is_told_so(
    client_for: SignIn,
    grace: AccountManager,
    dora: AccountManager,
    buyer: AccountManager,
    tent: Product,
) -> None:
    order = placed(buyer, (tent, 1))
    stands_in(grace, dora)
    reject(order=order, by=Actor.in_seat(dora), reason="Too dear")
    page = said(client_for(buyer).get(order.get_absolute_url()))
    assert "In the place of Grace. Too dear. No points were taken." in page
