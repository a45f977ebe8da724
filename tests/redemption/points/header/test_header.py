"""The balance in every page's header: what it adds up, how old it is, and when it is refreshed."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.test import Client
from django.utils import timezone

from accounts.layout import Header, header_of
from accounts.models import AccountManager, KnownBalance
from accounts.services import known_balance, refresh_balance
from loyalty_portal.http import cache as resting
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import fill_cart, paid, placed, settle
from tests.support.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]
HTMX = {"HX-Request": "true", "HX-Target": "balance"}


@pytest.fixture
def seat(partners: SandboxProcess) -> AccountManager:
    """A seat of a company with 10,000 points at the partner, which was not asked yet."""
    seat: AccountManager = SeatFactory.create()
    partners.account(seat.company.loyalty_account_id, 10_000)
    return seat


def known(seat: AccountManager, points: int, **ago: float) -> None:
    """Store a known balance of that age."""
    then = timezone.now() - timedelta(**ago)
    KnownBalance.objects.create(company=seat.company, points=points, as_of=then, fetched_at=then)


def header(seat: AccountManager) -> Header:
    fresh = AccountManager.objects.select_related("company__known_balance", "user").get(pk=seat.pk)
    return header_of(fresh, known=known_balance(fresh.company))


def balance_calls(partners: SandboxProcess) -> int:
    return len(partners.calls(operation="balance"))


def asked_long_ago() -> None:
    """Forget that the partner was asked within the last seconds."""
    cache.clear()
    before = timezone.now() - timedelta(minutes=5)
    KnownBalance.objects.update(fetched_at=before)
    KnownBalance.objects.filter(failed_at__isnull=False).update(failed_at=before)


def test_a_page_asks_nobody_and_its_fragment_asks_the_partner(
    client_for: SignIn, seat: AccountManager, partners: SandboxProcess
) -> None:
    client = client_for(seat)
    page = client.get("/").content.decode()
    assert "Balance not known now" in page
    assert 'hx-get="/balance/"' in page
    assert balance_calls(partners) == 0
    fragment = client.get("/balance/", headers=HTMX).content.decode()
    assert "10,000" in fragment
    assert "hx-get" not in fragment
    assert KnownBalance.objects.get(company=seat.company).points == 10_000
    assert 'hx-get="/balance/"' not in client.get("/").content.decode()


def test_the_partner_is_asked_once_in_ten_seconds_however_many_pages_ask(
    client_for: SignIn, seat: AccountManager, partners: SandboxProcess
) -> None:
    client = client_for(seat)
    for _time in range(3):
        assert "10,000" in client.get("/balance/", headers=HTMX).content.decode()
    assert balance_calls(partners) == 1
    asked_long_ago()
    client.get("/balance/", headers=HTMX)
    assert balance_calls(partners) == 2


def test_who_asks_while_another_is_asking_gets_the_last_known_figure(
    seat: AccountManager, partners: SandboxProcess
) -> None:
    known(seat, 7_000, minutes=5)
    cache.add(f"balance-asked:{seat.company_id}", 1, timeout=10)
    company = AccountManager.objects.select_related("company__known_balance").get().company
    newest = refresh_balance(company=company)
    assert newest is not None
    assert newest.points == 7_000
    assert balance_calls(partners) == 0


@pytest.mark.parametrize("fault", ["unavailable_503", "timeout_before", "malformed", "not_schema"])
def test_a_partner_that_does_not_answer_leaves_the_last_figure_with_its_age(
    client_for: SignIn, seat: AccountManager, partners: SandboxProcess, fault: str
) -> None:
    known(seat, 7_000, hours=2)
    partners.fault("balance", fault, times=None)
    client = client_for(seat)
    fragment = client.get("/balance/", headers=HTMX).content.decode()
    assert "7,000" in fragment
    assert "balance--stale" in fragment
    assert "2 hours ago" in fragment
    page = client.get("/").content.decode()
    assert "The loyalty system does not answer at the moment." in page
    assert 'hx-get="/balance/"' not in page  # not asked again for a while
    partners.clear_faults()
    asked_long_ago()
    assert "10,000" in client.get("/balance/", headers=HTMX).content.decode()
    assert "does not answer" not in client.get("/").content.decode()


def test_a_partner_that_does_not_answer_is_left_in_peace_for_a_while(
    client_for: SignIn, seat: AccountManager, partners: SandboxProcess
) -> None:
    known(seat, 7_000, hours=2)
    partners.fault("balance", "unavailable_503", times=None)
    client = client_for(seat)
    client.get("/balance/", headers=HTMX)
    calls = balance_calls(partners)
    for _time in range(3):
        client.get("/balance/", headers=HTMX)
    cache.clear()  # Redis has lost its copy, the row still has it
    client.get("/balance/", headers=HTMX)
    assert balance_calls(partners) == calls


def test_an_account_that_the_partner_does_not_know_is_no_error_of_the_page(
    client_for: SignIn, seat: AccountManager
) -> None:
    seat.company.loyalty_account_id = "ACC-UNKNOWN"
    seat.company.save()
    fragment = client_for(seat).get("/balance/", headers=HTMX)
    assert fragment.status_code == 200
    assert "Balance not known now" in fragment.content.decode()
    assert client_for(seat).get("/").status_code == 200


def test_asking_without_script_leads_home(client_for: SignIn, seat: AccountManager) -> None:
    assert client_for(seat).get("/balance/")["Location"] == "/"
    assert KnownBalance.objects.get().points == 10_000


def test_a_changed_balance_tells_the_rest_of_the_page(
    client_for: SignIn, seat: AccountManager
) -> None:
    client = client_for(seat)
    assert "balance-changed" in client.get("/balance/", headers=HTMX)["HX-Trigger"]
    asked_long_ago()
    assert "HX-Trigger" not in client.get("/balance/", headers=HTMX)


def test_points_in_flight_are_not_spendable(seat: AccountManager) -> None:
    known(seat, 10_000, seconds=1)
    placed(seat, (ProductFactory.create(points_cost=3_000), 1))
    shown = header(seat)
    assert (shown.in_flight, shown.spendable) == (3_000, 7_000)


def test_points_that_moved_since_the_partner_was_asked_are_added_up(seat: AccountManager) -> None:
    known(seat, 10_000, seconds=1)
    order = paid(seat, (ProductFactory.create(points_cost=3_000), 1))
    assert (header(seat).in_flight, header(seat).spendable) == (0, 7_000)
    debit = order.transactions.get()
    credit = order.transactions.create(
        company=seat.company,
        original=debit,
        points_amount=1_000,
        transaction_type="CREDIT",
        key="credit:1",
        body="{}",
    )
    assert header(seat).spendable == 7_000
    settle(credit)
    assert header(seat).spendable == 8_000
    KnownBalance.objects.update(points=8_000, fetched_at=timezone.now())
    assert header(seat).spendable == 8_000


def test_spendable_is_never_below_nothing(seat: AccountManager) -> None:
    known(seat, 1_000, seconds=1)
    placed(seat, (ProductFactory.create(points_cost=3_000), 1))
    assert header(seat).spendable == 0


def test_orders_that_wait_for_approval_are_shown_apart(seat: AccountManager) -> None:
    known(seat, 10_000, seconds=1)
    seat.company.approval_threshold = 100
    seat.company.save()
    placed(seat, (ProductFactory.create(points_cost=3_000), 1))
    approver = SeatFactory.create(company=seat.company, approver=True)
    placed(approver, (ProductFactory.create(points_cost=2_000), 1))
    assert (header(seat).awaiting, header(seat).spendable) == (5_000, 10_000)
    assert header(seat).approvals_count == 0  # a buyer decides nothing
    assert header(approver).approvals_count == 1  # nor does an approver about their own order


def test_the_head_of_a_page_costs_one_query(
    seat: AccountManager, django_assert_num_queries: Any
) -> None:
    fill_cart(seat, (ProductFactory.create(), 2), (ProductFactory.create(), 1))
    fresh = AccountManager.objects.select_related("company__known_balance").get(pk=seat.pk)
    with django_assert_num_queries(1):
        shown = header_of(fresh, known=known_balance(fresh.company))
    assert shown.cart_count == 2


def test_another_companys_points_are_not_ours(seat: AccountManager) -> None:
    known(seat, 10_000, seconds=1)
    placed(SeatFactory.create(), (ProductFactory.create(points_cost=3_000), 1))
    assert header(seat).in_flight == 0


@pytest.fixture
def no_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Redis is gone: its port is closed."""
    # replaced: a process that has not met the dead cache yet
    monkeypatch.setattr(resting._Resting, "rest_until", 0.0)
    gone = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}
    settings.CACHES = {**settings.CACHES, "default": gone}
    yield
    caches.close_all()


def test_without_redis_pages_answer_and_the_balance_is_still_asked(
    client_for: SignIn, seat: AccountManager, no_redis: None
) -> None:
    client = client_for(seat)
    assert client.get("/").status_code == 200
    assert "10,000" in client.get("/balance/", headers=HTMX).content.decode()
    fill_cart(seat, (ProductFactory.create(), 1))
    for page in ("/", "/cart/", "/checkout/", "/orders/"):
        response = client.get(page)
        assert response.status_code == 200
        assert "10,000" in response.content.decode()


def test_without_redis_a_partner_that_failed_is_left_in_peace_by_the_row(
    client_for: SignIn, seat: AccountManager, partners: SandboxProcess, no_redis: None
) -> None:
    known(seat, 7_000, hours=2)
    partners.fault("balance", "unavailable_503", times=None)
    client = client_for(seat)
    client.get("/balance/", headers=HTMX)
    calls = balance_calls(partners)
    client.get("/balance/", headers=HTMX)
    assert balance_calls(partners) == calls


def test_staff_without_a_seat_are_led_to_the_back_office() -> None:
    staff = SeatFactory.create(user__is_staff=True, is_active=False).user
    client = Client()
    client.force_login(staff)
    response = client.get("/")
    assert response.status_code == 403
    assert "Back office" in response.content.decode()
