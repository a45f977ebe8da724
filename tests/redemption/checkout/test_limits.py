"""What a seat may order in a month, and a company in a quarter."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountManager, Company
from accounts.seats.limits import set_monthly_limit, set_quarterly_budget
from accounts.seats.periods import month_of, quarter_of
from accounts.seats.services import SeatRefusedError
from catalog.models import Product
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from redemption.checkout import limits
from redemption.checkout import services as placing
from redemption.checkout.approvals.deciding import approve
from redemption.checkout.limits import (
    OverLimitError,
    allowances_of,
    budget_of,
    used_by_seats,
)
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.cancelling import cancel, cancel_line
from redemption.states import OrderStatus
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.checkout.test_agreed import in_another_thread
from tests.redemption.factories import paid, placed, settle
from tests.redemption.saga.test_races import while_somebody
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create(balance=100_000, time_zone="Europe/Berlin")


@pytest.fixture
def seat(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, monthly_limit=1_000, user__name="Ada")


@pytest.fixture
def tent() -> Product:
    return ProductFactory.create(name="Tent", points_cost=400, in_stock=50)


def fresh(seat: AccountManager) -> AccountManager:
    return AccountManager.objects.select_related("company", "user").get(pk=seat.pk)


def left(seat: AccountManager) -> list[int]:
    return [each.left for each in allowances_of(fresh(seat))]


def refused(seat: AccountManager, *wanted: tuple[Product, int]) -> str:
    before = RedemptionOrder.objects.count()
    with pytest.raises(OverLimitError) as told:
        placed(seat, *wanted)
    assert RedemptionOrder.objects.count() == before
    return str(told.value)


# --- Periods -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "at", "month", "quarter"),
    [
        # Half an hour before the new year in Berlin, and half an hour after it.
        ("Europe/Berlin", "2026-12-31T22:30:00", ("2026-11-30T23:00", "2026-12-31T23:00"), 10),
        ("Europe/Berlin", "2026-12-31T23:30:00", ("2026-12-31T23:00", "2027-01-31T23:00"), 1),
        # Clocks change within the month: its two ends have other offsets.
        ("Europe/Berlin", "2026-03-15T12:00:00", ("2026-02-28T23:00", "2026-03-31T22:00"), 1),
        ("Pacific/Auckland", "2026-06-30T12:30:00", ("2026-06-30T12:00", "2026-07-31T12:00"), 7),
        ("No/Such_Zone", "2026-05-31T23:59:59", ("2026-05-01T00:00", "2026-06-01T00:00"), 4),
    ],
)
def test_months_and_quarters_are_those_of_the_companys_calendar(
    zone: str, at: str, month: tuple[str, str], quarter: int, settings: object
) -> None:
    settings.TIME_ZONE = "UTC"  # type: ignore[attr-defined]
    company = Company(time_zone=zone)
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    found = month_of(company, moment)
    expected = [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in month]
    assert [found.start, found.end] == expected
    span = quarter_of(company, moment)
    assert span.start <= moment < span.end
    assert span.renews == date(span.renews.year, quarter % 12 + 3 if quarter < 10 else 1, 1)


# --- What counts ---------------------------------------------------------------------------


def test_an_order_over_the_limit_is_refused_with_what_is_left_and_when_it_renews(
    seat: AccountManager, tent: Product
) -> None:
    placed(seat, (tent, 2))
    renews = month_of(seat.company, timezone.now()).renews_told
    assert refused(seat, (tent, 1)) == (
        "This is 200 points over the monthly limit of Ada: 200 of 1,000 points are left. "
        f"It renews on {renews}. Nothing was ordered."
    )
    assert left(seat) == [200]


def test_what_went_back_can_be_ordered_again(seat: AccountManager, tent: Product) -> None:
    declined = placed(seat, (tent, 2))
    assert left(seat) == [200]
    settle(declined.transactions.get(), refused="insufficient_points")
    assert left(seat) == [1_000]
    cancelled = paid(seat, (tent, 2))
    assert left(seat) == [200]
    with transaction.atomic():
        cancel(order=cancelled, by=Actor.in_seat(fresh(seat)), reason="")
    assert left(seat) == [1_000]


def test_a_credit_of_one_line_counts_from_the_moment_it_is_owed(
    seat: AccountManager, tent: Product
) -> None:
    lamp = ProductFactory.create(name="Lamp", points_cost=100, in_stock=5)
    order = paid(seat, (tent, 1), (lamp, 3))
    assert left(seat) == [300]
    item = order.items.get(product=lamp)
    cancel_line(item=item, by=Actor.in_seat(fresh(seat)), reason="")
    assert left(seat) == [600]


def test_last_month_does_not_count_and_the_quarter_does(
    seat: AccountManager, tent: Product
) -> None:
    seat.company.quarterly_budget = 5_000
    seat.company.save()
    order = placed(seat, (tent, 2))
    month, quarter = (of(seat.company, timezone.now()) for of in (month_of, quarter_of))
    before = month.start - (month.end - month.start) / 100
    RedemptionOrder.objects.filter(pk=order.pk).update(created_at=before)
    of_quarter = 4_200 if before >= quarter.start else 5_000
    assert left(seat) == [1_000, of_quarter]


def test_a_budget_is_of_everybody_in_the_company(
    company: Company, seat: AccountManager, tent: Product
) -> None:
    company.quarterly_budget = 1_000
    company.save()
    colleague = SeatFactory.create(company=company)
    placed(seat, (tent, 2))
    told = refused(colleague, (tent, 1))
    assert f"This is 200 points over the quarterly budget of {company.name}: 200 of 1,000" in told
    assert used_by_seats(company) == {seat.pk: 800}
    assert (budget := budget_of(company)) is not None
    assert (budget.used, budget.left) == (800, 200)


def test_a_limit_of_nothing_stops_each_order(seat: AccountManager, tent: Product) -> None:
    AccountManager.objects.filter(pk=seat.pk).update(monthly_limit=0)
    assert "0 of 0 points are left" in refused(seat, (tent, 1))


# --- Limits that change --------------------------------------------------------------------


@pytest.fixture
def owner(company: Company) -> Actor:
    return Actor.in_seat(SeatFactory.create(company=company, owner=True))


def test_owners_set_limits_and_the_trail_keeps_both_numbers(
    company: Company, seat: AccountManager, owner: Actor
) -> None:
    set_monthly_limit(seat=seat, points=300, by=owner)
    set_quarterly_budget(company=company, points=9_000, by=owner)
    set_quarterly_budget(company=company, points=9_000, by=owner)  # nothing changes
    assert left(seat) == [300, 9_000]
    entries = TrailEntry.objects.filter(kind=TrailKind.LIMIT).order_by("id")
    assert [(entry.what, entry.facts) for entry in entries] == [
        ("monthly_limit", {"before": 1_000, "points": 300}),
        ("quarterly_budget", {"before": None, "points": 9_000}),
    ]


@pytest.mark.parametrize("role", ["approver", "buyer", "viewer"])
def test_nobody_else_sets_limits(company: Company, seat: AccountManager, role: str) -> None:
    other = Actor.in_seat(SeatFactory.create(company=company, role=role))
    stranger = Actor.in_seat(SeatFactory.create(owner=True))
    for by in (other, stranger, Actor.in_seat(seat)):
        with pytest.raises(SeatRefusedError, match="no permission"):
            set_monthly_limit(seat=seat, points=None, by=by)
        with pytest.raises(SeatRefusedError, match="no permission"):
            set_quarterly_budget(company=company, points=None, by=by)
    for points in (-1, 10**13):
        with pytest.raises(SeatRefusedError, match="whole number"):
            set_monthly_limit(seat=seat, points=points, by=stranger)


def test_a_limit_lowered_while_orders_wait_holds_when_they_are_approved(
    company: Company, seat: AccountManager, tent: Product, owner: Actor
) -> None:
    company.approval_threshold = 100
    company.save()
    first, second = placed(seat, (tent, 1)), placed(seat, (tent, 1))
    assert left(seat) == [200]  # what waits counts
    set_monthly_limit(seat=seat, points=500, by=owner)
    assert left(seat) == [0]
    approve(order=first, by=owner)  # it fits alone
    with pytest.raises(OverLimitError) as told:
        approve(order=second, by=owner)
    assert "This is 300 points over the monthly limit of Ada: 100 of 500" in str(told.value)
    assert "The order keeps waiting" in str(told.value)
    second.refresh_from_db()
    assert second.status == OrderStatus.AWAITING_APPROVAL
    assert LoyaltyTransaction.objects.count() == 1
    set_monthly_limit(seat=seat, points=None, by=owner)
    approve(order=second, by=owner)


# --- Orders at once ------------------------------------------------------------------------


@pytest.fixture(params=["seat", "company"])
def limited(
    request: pytest.FixtureRequest, company: Company, seat: AccountManager
) -> Iterator[tuple[AccountManager, AccountManager]]:
    """Two who order at once: one seat twice, or two seats of a company."""
    if request.param == "seat":
        yield seat, seat
    else:
        company.quarterly_budget = 1_000
        company.save()
        AccountManager.objects.update(monthly_limit=None)
        yield seat, SeatFactory.create(company=company)


@pytest.mark.django_db(transaction=True)
def test_two_orders_at_once_count_one_another(
    limited: tuple[AccountManager, AccountManager], tent: Product
) -> None:
    lamp = ProductFactory.create(name="Lamp", points_cost=600, in_stock=5)
    one, other = limited
    with while_somebody(lambda: placed(one, (tent, 2))), pytest.raises(OverLimitError):
        placed(other, (lamp, 1))
    assert RedemptionOrder.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_locks_two_at_once_would_walk_around_a_limit(
    limited: tuple[AccountManager, AccountManager],
    tent: Product,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lamp = ProductFactory.create(name="Lamp", points_cost=600, in_stock=5)
    one, other = limited
    # replaced: negative control, the locks taken away
    monkeypatch.setattr(placing, "hold_company", lambda _seat: None)
    monkeypatch.setattr(limits, "held_now", fresh)
    with transaction.atomic():
        placed(one, (tent, 2))
        in_another_thread(lambda: placed(other, (lamp, 1)))
    assert RedemptionOrder.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_limit_that_is_lowered_while_an_order_is_placed_waits_for_it(
    seat: AccountManager, tent: Product, owner: Actor
) -> None:
    with while_somebody(lambda: placed(seat, (tent, 2))):
        set_monthly_limit(seat=seat, points=500, by=owner)
    assert "0 of 500 points are left" in refused(seat, (tent, 1))


# --- What staff see ------------------------------------------------------------------------


def test_the_back_office_shows_what_a_seat_ordered_by_month_and_what_is_left(
    seat: AccountManager, tent: Product
) -> None:
    placed(seat, (tent, 1))
    earlier = placed(seat, (tent, 1))
    last_month = month_of(seat.company, timezone.now()).start - timedelta(days=3)
    RedemptionOrder.objects.filter(pk=earlier.pk).update(created_at=last_month)
    [this, before, *older] = limits.used_by_month(fresh(seat))
    assert (this[1], before[1]) == (400, 400)
    assert {points for _first, points in older} == {0}
    assert len(older) == 4
    clerk = browser(staff("administrator"))
    there = reverse("admin:accounts_accountmanager_change", args=[seat.pk])
    page = " ".join(clerk.get(there).text.split())
    assert re.search(r"<dt>used this month</dt>\s*<dd>400</dd>", page)
    assert "600, until" in page
    assert "Points by month" in page
    company = reverse("admin:accounts_company_change", args=[seat.company_id])
    assert "400 of 1,000 points, 600 left" in clerk.get(company).text


def test_points_that_went_back_do_not_count_in_their_month(
    seat: AccountManager, tent: Product
) -> None:
    order = placed(seat, (tent, 1))
    before = limits.used_by_month(fresh(seat))[0][1]
    RedemptionOrder.objects.filter(pk=order.pk).update(status=OrderStatus.DECLINED)
    assert (before, limits.used_by_month(fresh(seat))[0][1]) == (400, 0)
