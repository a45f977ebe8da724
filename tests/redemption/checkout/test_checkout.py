"""The checkout: its form, what it refuses, and one order for one form whatever the network does."""

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from celery import Task
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountManager, Address, KnownBalance, TierLevel, User
from catalog.models import Product
from inventory.models import Inventory
from redemption.models import CartLine, LoyaltyTransaction, RedemptionOrder
from redemption.states import OrderStatus
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import checkout_form, fill_cart
from tests.redemption.world import RECIPIENT

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
URL = "/checkout/"


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000)


@pytest.fixture
def book(seat: AccountManager) -> Product:
    """A book. Two of it are in the seat's cart."""
    product = ProductFactory.create(name="Bicycles", points_cost=1_500, in_stock=10)
    fill_cart(seat, (product, 2))
    return product


def said(response: Any) -> str:
    return response.content.decode().replace("&#x27;", "'")


def nothing_ordered() -> bool:
    return not RedemptionOrder.objects.exists() and not LoyaltyTransaction.objects.exists()


def test_redeeming_places_the_order_and_leads_to_its_page(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    form = checkout_form(seat, reference="Q4", note="With thanks")
    response = client_for(seat).post(URL, form)
    order = RedemptionOrder.objects.get()
    assert (response.status_code, response["Location"]) == (303, order.get_absolute_url())
    assert (order.status, order.total_points) == (OrderStatus.PENDING, 3_000)
    assert (order.reference, order.note) == ("Q4", "With thanks")
    assert order.items.get().recipient() == RECIPIENT
    assert not CartLine.objects.exists()
    assert Inventory.objects.get(product=book).quantity_reserved == 2


def test_the_one_recipient_may_be_asked_where_to_send_it(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client = client_for(seat)
    assert "Let them tell us where to send it" in client.get(URL).content.decode()
    fields = {"recipient_name": "Ada", "asks": "on"}
    shown = client.post("/checkout/recipient/", fields).content.decode()
    assert "The letter with the link goes here." in shown
    assert 'name="address_line1"' not in shown
    empty = dict.fromkeys(RECIPIENT, "")
    refused = client.post(URL, {**checkout_form(seat), **empty, **fields})
    assert "Enter the e-mail address at which they are asked." in refused.content.decode()
    answer = {**fields, "recipient_email": "ada@n.example"}
    placed = client.post(URL, {**checkout_form(seat), **empty, **answer})
    item = RedemptionOrder.objects.get().items.get()
    assert placed["Location"] == item.order.get_absolute_url()
    assert (item.waits_for, item.recipient_email, item.city) == ("RECIPIENT", "ada@n.example", "")


@pytest.mark.django_db(transaction=True)
def test_placing_an_order_takes_at_most_15_queries_and_its_points_are_asked_for_at_once(
    client_for: SignIn,
    seat: AccountManager,
    book: Product,
    django_assert_max_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[str, str]] = []

    def note(task: Task, arguments: tuple[str], **_options: Any) -> None:
        sent.append((task.name.rpartition(".")[2], arguments[0]))

    # replaced: Celery's sending; what is sent is what the test looks at
    monkeypatch.setattr(Task, "apply_async", note)
    client, form = client_for(seat), checkout_form(seat)
    with django_assert_max_num_queries(15):
        assert client.post(URL, form).status_code == 303
    debit = LoyaltyTransaction.objects.get()
    assert sent == [("settle_transaction", str(debit.pk))]


def test_the_review_shows_the_points_and_what_will_be_left(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    page = said(client_for(seat).get(URL))
    assert "Redeem 3,000 points" in page
    assert "97,000" in page


def test_a_form_sent_again_shows_the_same_order(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client, form = client_for(seat), checkout_form(seat)
    first = client.post(URL, form)
    assert client.post(URL, form)["Location"] == first["Location"]
    fill_cart(seat, (book, 1))  # a product that was added meanwhile stays in the cart
    assert client.post(URL, form)["Location"] == first["Location"]
    assert RedemptionOrder.objects.count() == 1
    assert CartLine.objects.get().quantity == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_twenty_times_at_once_is_one_order(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    form = checkout_form(seat)
    clients = [client_for(seat) for _each in range(20)]

    def send(client: Client) -> tuple[int, str]:
        try:
            response = client.post(URL, form)
            return response.status_code, response["Location"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=20) as pool:
        answers = set(pool.map(send, clients))
    order = RedemptionOrder.objects.get()
    assert answers == {(303, order.get_absolute_url())}
    assert LoyaltyTransaction.objects.count() == 1
    stock = Inventory.objects.get(product=book)
    assert (stock.quantity_available, stock.quantity_reserved) == (8, 2)


def test_anothers_token_shows_nothing_of_their_order(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    form = checkout_form(seat)
    client_for(seat).post(URL, form)
    stranger = SeatFactory.create()
    fill_cart(stranger, (book, 1))
    response = client_for(stranger).post(URL, form)
    assert response.status_code == 422
    assert RedemptionOrder.objects.count() == 1


def test_missing_fields_are_said_by_field_and_in_a_summary_and_what_was_typed_stays(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    form = checkout_form(seat, city="", recipient_name="", note="For the fair")
    response = client_for(seat).post(URL, form)
    page = said(response)
    assert response.status_code == 422
    assert "data-error-summary" in page
    assert page.count("Enter the city.") == 2
    assert page.count("Enter the name of whoever gets it.") == 2
    assert "For the fair" in page
    assert RECIPIENT["address_line1"] in page
    assert nothing_ordered()


@pytest.mark.parametrize(
    "wrong",
    [{"recipient_email": "no address"}, {"reference": "x" * 101}, {"city": "Ber\0lin"}],
)
def test_a_field_that_cannot_be_is_refused(
    client_for: SignIn, seat: AccountManager, book: Product, wrong: dict[str, str]
) -> None:
    response = client_for(seat).post(URL, checkout_form(seat, **wrong))
    assert response.status_code == 422
    assert nothing_ordered()


def test_codes_need_an_e_mail_and_no_street(client_for: SignIn, seat: AccountManager) -> None:
    fill_cart(seat, (ProductFactory.create(virtual=True), 1))
    client = client_for(seat)
    assert 'name="address_line1"' not in said(client.get(URL))
    form = checkout_form(seat, recipient_email="")
    assert "Enter the e-mail address that the codes go to." in said(client.post(URL, form))
    client.post(URL, {**form, "recipient_email": "ada@x.example"})
    item = RedemptionOrder.objects.get().items.get()
    assert (item.recipient_email, item.address_line1) == ("ada@x.example", "")


def test_parcels_need_a_street_and_no_e_mail(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client = client_for(seat)
    assert client.post(URL, checkout_form(seat, address_line1="")).status_code == 422
    assert client.post(URL, checkout_form(seat, recipient_email="")).status_code == 303


def test_a_mixed_cart_keeps_the_street_from_the_partner_of_codes(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    fill_cart(seat, (ProductFactory.create(virtual=True), 1))
    client_for(seat).post(URL, checkout_form(seat))
    streets = {item.product.is_virtual: item.address_line1 for item in _items()}
    assert streets == {False: RECIPIENT["address_line1"], True: ""}


def _items() -> Any:
    return RedemptionOrder.objects.get().items.select_related("product")


@pytest.mark.parametrize("tampered", ["1", "0", "-3000", "3001", "3,000", "", "9" * 40])
def test_a_tampered_total_orders_nothing_and_says_the_true_one(
    client_for: SignIn, seat: AccountManager, book: Product, tampered: str
) -> None:
    response = client_for(seat).post(URL, checkout_form(seat, seen_points=tampered))
    assert response.status_code == 422
    assert "the total is now 3,000 points" in said(response)
    assert nothing_ordered()


def test_a_price_that_changed_since_is_confirmed_anew(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client, form = client_for(seat), checkout_form(seat)
    Product.objects.filter(pk=book.pk).update(points_cost=1_600)
    page = said(client.post(URL, form))
    assert "the total is now 3,200 points" in page
    assert nothing_ordered()
    shown = dict(re.findall(r'name="(token|seen_points)"\s+value="([^"]+)"', page))
    assert shown["seen_points"] == "3200"
    assert client.post(URL, {**form, **shown}).status_code == 303


def test_a_cart_that_changed_in_another_window_is_confirmed_anew(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    form = checkout_form(seat)
    fill_cart(seat, (ProductFactory.create(points_cost=1), 1))
    response = client_for(seat).post(URL, form)
    assert response.status_code == 422
    assert "Your cart has changed in the meantime" in said(response)
    assert nothing_ordered()
    assert CartLine.objects.count() == 2


@pytest.mark.parametrize("token", ["", "nonsense", str(uuid.UUID(int=7))])
def test_a_form_without_a_token_of_ours_orders_nothing(
    client_for: SignIn, seat: AccountManager, book: Product, token: str
) -> None:
    assert client_for(seat).post(URL, checkout_form(seat, token=token)).status_code == 422
    assert nothing_ordered()


def test_what_is_gone_since_is_said_and_nothing_is_lost(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client, form = client_for(seat), checkout_form(seat, note="For the fair")
    Product.objects.filter(pk=book.pk).update(is_active=False)
    assert "is not on offer any more" in said(client.post(URL, form))
    Product.objects.filter(pk=book.pk).update(is_active=True, minimum_tier=TierLevel.GOLD)
    assert "is not on offer any more" in said(client.post(URL, form))
    Product.objects.filter(pk=book.pk).update(minimum_tier=TierLevel.BRONZE)
    Inventory.objects.filter(product=book).update(quantity_available=1)
    page = said(client.post(URL, form))
    assert "There are not enough pieces of “Bicycles” left." in page
    assert "For the fair" in page
    assert nothing_ordered()
    assert CartLine.objects.get().quantity == 2


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_somebody_holds_too_long_ends_in_try_again(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client, form = client_for(seat), checkout_form(seat)
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as holder, connection.cursor() as ours:
        holder.execute("SELECT 1 FROM inventory FOR UPDATE")
        ours.execute("SET lock_timeout TO '50ms'")
        response = client.post(URL, form)
        ours.execute("SET lock_timeout TO '5s'")
    other.rollback()
    other.close()
    assert response.status_code == 422
    assert "Press the button again: nothing is ordered twice." in said(response)
    assert nothing_ordered()
    assert client.post(URL, form).status_code == 303


def test_an_empty_cart_leads_back_to_the_cart(client_for: SignIn, seat: AccountManager) -> None:
    client = client_for(seat)
    assert client.get(URL)["Location"] == "/cart/"
    response = client.post(URL, {**RECIPIENT, "token": str(uuid.uuid4()), "seen_points": "0"})
    assert (response.status_code, response["Location"]) == (303, "/cart/")


def test_the_address_book_fills_the_form(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    mary = Address.objects.create(company=seat.company, **{**RECIPIENT, "recipient_name": "Mary"})
    client = client_for(seat)
    assert f'value="{mary.pk}"' in said(client.get(URL))
    page = said(client.get(URL, {"address": str(mary.pk)}))
    assert 'value="Mary"' in page
    headers = {"HX-Request": "true", "HX-Target": "recipient"}
    fragment = said(client.get(URL, {"address": str(mary.pk)}, headers=headers))
    assert 'value="Mary"' in fragment
    assert "<html" not in fragment
    assert f'value="{seat.user.email}"' in said(client.get(URL, {"address": "me"}))


def test_another_companys_address_fills_nothing(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    other = SeatFactory.create().company
    theirs = Address.objects.create(company=other, **{**RECIPIENT, "recipient_name": "Secret"})
    client = client_for(seat)
    for wanted in (str(theirs.pk), "nonsense"):
        response = client.get(URL, {"address": wanted})
        assert response.status_code == 200
        assert "Secret" not in said(response)


def test_an_address_is_kept_once_when_asked_for(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client = client_for(seat)
    for _time in range(2):
        client.post(URL, checkout_form(seat, save_address="on"))
        fill_cart(seat, (book, 1))
    assert Address.objects.get(company=seat.company).recipient() == RECIPIENT
    assert RedemptionOrder.objects.count() == 2


def test_points_known_to_be_short_block_the_button(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    KnownBalance.objects.update(points=1_800)
    page = said(client_for(seat).get(URL))
    assert "1,200 more points are needed." in page
    assert 'form="checkout" disabled' in page


def test_an_old_figure_forbids_nothing_since_the_debit_decides(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    before = timezone.now() - timedelta(hours=2)
    KnownBalance.objects.update(points=1_800, fetched_at=before)
    client = client_for(seat)
    page = said(client.get(URL))
    assert "More points needed" in page
    assert 'form="checkout" disabled' not in page
    KnownBalance.objects.all().delete()
    assert "has not told us the balance yet" in said(client.get(URL))
    assert client.post(URL, checkout_form(seat)).status_code == 303


def test_an_order_above_the_threshold_waits_and_the_review_says_so(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    seat.company.approval_threshold = 2_999
    seat.company.save()
    client = client_for(seat)
    assert "More than 2,999 points need approval by an owner or approver." in said(client.get(URL))
    client.post(URL, checkout_form(seat))
    assert RedemptionOrder.objects.get().status == OrderStatus.AWAITING_APPROVAL
    assert not LoyaltyTransaction.objects.exists()


def test_a_viewer_cannot_redeem(client_for: SignIn, book: Product) -> None:
    viewer = SeatFactory.create(viewer=True)
    fill_cart(viewer, (book, 1))
    client = client_for(viewer)
    assert client.get(URL).status_code == 403
    assert client.post(URL, checkout_form(viewer)).status_code == 403
    assert nothing_ordered()


def test_a_seat_switched_off_while_signed_in_is_told_so_and_loses_nothing(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client, form = client_for(seat), checkout_form(seat)
    AccountManager.objects.filter(pk=seat.pk).update(is_active=False)
    for response in (client.post(URL, form), client.get("/"), client.get("/cart/")):
        assert response.status_code == 403
        assert "You have no seat at the moment" in said(response)
    assert nothing_ordered()
    AccountManager.objects.filter(pk=seat.pk).update(is_active=True)
    assert client.post(URL, form).status_code == 303


def test_a_user_switched_off_is_signed_out(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    client, form = client_for(seat), checkout_form(seat)
    User.objects.filter(pk=seat.user_id).update(is_active=False)
    response = client.post(URL, form)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))
    assert nothing_ordered()
