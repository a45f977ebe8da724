"""The page “Who gets it?”: rows typed without JavaScript, and how large its form may be."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as configured
from django.test import Client
from django.urls import reverse

from accounts.models import AccountManager
from catalog.models import Product
from redemption.checkout.cart.people import MOST_FIELDS
from redemption.models import CartLine, OrderItem
from redemption.models.cart import MOST_ROWS
from tests.accounts.factories import PASSWORD, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import fill_cart
from tests.redemption.world import RECIPIENT
from tests.support.visitor import forms_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
ADA = {"recipient_name": "Ada Byron", "recipient_email": "ada@n.example"}
GRACE = {"recipient_name": "Grace Hopper", "recipient_email": "grace@n.example"}


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=1_000_000)


@pytest.fixture
def card(seat: AccountManager) -> Product:
    product = ProductFactory.create(virtual=True, name="Card", points_cost=100)
    fill_cart(seat, (product, 3))
    return product


def address(product: Product) -> str:
    return reverse("cart:people", args=[product.pk])


def said(response: Any) -> str:
    return unescape(response.content.decode())


def form_of(page: Any) -> dict[str, str]:
    """The form of the rows as the page shows it."""
    return next(form.fields for form in forms_of(page.content.decode()) if "seen" in form.fields)


def typed(*rows: dict[str, str]) -> dict[str, str]:
    return {
        f"{number}-{name}": text for number, row in enumerate(rows) for name, text in row.items()
    }


def names() -> list[str]:
    return list(CartLine.objects.values_list("recipient_name", flat=True))


def test_people_are_typed_saved_and_ordered_without_script(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    assert address(card) in said(client.get("/cart/"))
    form = form_of(client.get(address(card)))
    assert form["total"] == "3"
    rows = typed({**ADA, "message": "Well done!"}, {}, {**GRACE, "quantity": "2"})
    answer = client.post(address(card), {**form, **rows, "do": "save"})
    assert (answer.status_code, answer["Location"]) == (303, "/cart/")
    cart = said(client.get("/cart/"))
    assert "Saved: 2 people, 3 in all." in cart
    assert "For 2 people" in cart
    page = client.get("/checkout/")
    assert 'name="recipient_name"' not in said(page)  # nobody is left to be asked for
    assert "For 2 people" in said(page)
    checkout = next(form for form in forms_of(page.content.decode()) if form.name == "checkout")
    assert client.post("/checkout/", checkout.fields).status_code == 303
    items = OrderItem.objects.order_by("id").values_list("recipient_name", "quantity", "message")
    assert list(items) == [("Ada Byron", 1, "Well done!"), ("Grace Hopper", 2, "")]
    assert names() == []


def test_what_is_missing_is_saved_and_said_and_holds_up_only_the_order(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    form = form_of(client.get(address(card)))
    half = typed({"recipient_name": "Ada"}, ADA, {**ADA, "recipient_name": "Again"})
    answer = client.post(address(card), {**form, **half})
    assert answer["Location"] == address(card)
    page = said(client.get(address(card)))
    assert "1 cell is still empty that the order needs." in page
    assert "Enter the e-mail address that the codes go to." in page
    assert "Ada Byron gets “Card” in rows 2 and 3." in page
    review = said(client.get("/checkout/"))
    assert "“Card”, row 1: Enter the e-mail address that the codes go to." in review
    assert re.search(r'<button class="button button--primary button--wide"[^>]*disabled', review)
    checkout = next(form for form in forms_of(review) if form.name == "checkout")
    assert client.post("/checkout/", checkout.fields).status_code == 422
    assert not OrderItem.objects.exists()


@pytest.mark.parametrize("removed", ["²", "9" * 5_000, "-1", "first"])
def test_a_row_that_cannot_be_is_not_removed_and_the_others_are_saved(
    client_for: SignIn, seat: AccountManager, card: Product, removed: str
) -> None:
    client = client_for(seat)
    form = form_of(client.get(address(card)))
    answer = client.post(address(card), {**form, **typed(ADA), "remove": removed})
    assert answer.status_code == 303
    assert names() == ["", "Ada Byron"] or names() == ["Ada Byron", ""]


def test_a_total_that_cannot_be_is_said_at_its_field(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    form = form_of(client.get(address(card)))
    page = said(client.post(address(card), {**form, **typed(ADA), "total": "many"}))
    assert '<a href="#total">Pieces in all: Quantity must be a whole number' in page
    assert 'aria-describedby="total-error"' in page
    assert 'value="many"' in page
    assert "Ada Byron" in page
    assert names() == [""]


def test_what_is_wrong_stands_at_its_cell_with_what_was_typed_and_nothing_is_saved(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    form = form_of(client.get(address(card)))
    wrong = typed(ADA, {**GRACE, "message": "See https://evil.example", "send_on": "2020-01-01"})
    answer = client.post(address(card), {**form, **wrong})
    page = said(answer)
    assert answer.status_code == 422
    assert "Please correct this. Nothing is saved yet." in page
    assert '<a href="#1-message">Row 2, Message to them: A message may not have links' in page
    assert 'aria-describedby="1-message-error"' in page
    assert "See https://evil.example" in page
    assert form_of(answer)["1-recipient_name"] == "Grace Hopper"
    assert names() == [""]
    answer = client.post(address(card), {**form, **typed(ADA), "total": "0"})
    assert "Quantity must be a whole number from 1 to 1,000." in said(answer)
    assert form_of(answer)["0-recipient_name"] == "Ada Byron"
    answer = client.post(address(card), {**form, **typed(ADA, GRACE), "total": "1", "do": "share"})
    assert "Each person needs at least one piece. People: 2, pieces: 1." in said(answer)


def test_of_many_errors_and_of_many_people_who_come_twice_the_first_few_are_listed(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    form = form_of(client.get(address(card)))
    answer = client.post(address(card), {**form, **typed(*[{**ADA, "message": "www.x"}] * 12)})
    assert said(answer).count("A message may not have links") == 12 + 10  # cells, summary
    assert "2 more cells" in said(answer)
    four = [{**ADA, "recipient_email": f"person{number}@n.example"} for number in range(4)]
    client.post(address(card), {**form, **typed(*four, *four)})
    page = said(client.get("/cart/"))
    assert page.count("gets “Card” in rows") == 3
    assert "1 more person is in several rows." in page


def test_rows_are_added_removed_and_shared_out_by_their_buttons(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    form = form_of(client.get(address(card)))
    page = client.post(address(card), {**form, **typed(ADA), "do": "add"})
    assert re.search(r'id="1-recipient_name"[^>]*autofocus', said(page))
    assert "3-recipient_name" in said(page)  # the blank rows stay
    assert "4-recipient_name" not in said(page)
    assert names() == [""]  # a new row saves nothing
    rows = {**form_of(page), **{f"1-{name}": text for name, text in GRACE.items()}}
    client.post(address(card), {**rows, "do": "share"})
    assert list(CartLine.objects.values_list("quantity", flat=True)) == [2, 1]
    form = form_of(client.get(address(card)))
    assert client.post(address(card), {**form, "remove": "0"})["Location"] == address(card)
    assert names() == ["Grace Hopper", ""]
    assert sum(CartLine.objects.values_list("quantity", flat=True)) == 3
    blank = {"0-recipient_name": "", "do": "add"}  # no row after a blank one
    assert form_of(client.post(address(card), {**form, **blank}))["0-recipient_name"] == ""


def test_the_second_of_two_tabs_is_told_what_it_would_replace(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    form = form_of(client.get(address(card)))
    client.post(address(card), {**form, **typed(ADA)})
    wrong = client.post(address(card), {**form, **typed({**GRACE, "quantity": "x"})})
    answer = client.post(address(card), {**form_of(wrong), "0-quantity": "1"})
    assert answer.status_code == 422
    assert "changed in another window meanwhile (people now: 1, pieces: 3)" in said(answer)
    assert names() == ["Ada Byron", ""]
    client.post(address(card), form_of(answer))  # having read it
    assert names() == ["Grace Hopper", ""]


def test_rows_survive_signing_out(seat: AccountManager, card: Product) -> None:
    client = Client()
    for _time in range(2):
        client.post("/accounts/login/", {"login": seat.user.email, "password": PASSWORD})
        form = form_of(client.get(address(card)))
        client.post(address(card), {**form, **typed(ADA)})
        client.post("/accounts/logout/")
    assert names() == ["Ada Byron", ""]


def test_only_ones_own_cart_is_shown_and_only_to_who_may_redeem(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client_for(seat).post(address(card), {"total": "3"})
    other = client_for(SeatFactory.create(company=seat.company))
    for answer in (other.get(address(card)), other.post(address(card), typed(ADA))):
        assert (answer.status_code, answer["Location"]) == (303, "/cart/")
    viewer = SeatFactory.create(company=seat.company, viewer=True)
    assert client_for(viewer).get(address(card)).status_code == 403
    assert Client().get(address(card))["Location"].startswith("/accounts/login/")


# --- How large a form may be ---------------------------------------------------------------


AS_BROWSERS_SEND = "application/x-www-form-urlencoded"


def full_addresses(count: int) -> dict[str, str]:
    everything = {**RECIPIENT, "address_line2": "2nd floor", "region": "Berlin", "message": "Hi!"}
    return typed(*[{**everything, "quantity": "1"}] * count)


def send(client: Client, there: str, fields: dict[str, str], **more: Any) -> Any:
    return client.post(there, urlencode(fields), content_type=AS_BROWSERS_SEND, **more)


def test_500_full_addresses_are_one_form_and_501_are_told(
    client_for: SignIn, seat: AccountManager
) -> None:
    mug = ProductFactory.create(in_stock=1_000)
    fill_cart(seat, (mug, 1))
    client = client_for(seat)
    form = form_of(client.get(address(mug)))
    assert len(full_addresses(MOST_ROWS)) > configured.DATA_UPLOAD_MAX_NUMBER_FIELDS
    answer = send(client, address(mug), {**form, **full_addresses(MOST_ROWS + 1)})
    assert answer.status_code == 422
    assert "At most 500 rows fit into one order; these are 501." in said(answer)
    answer = send(client, address(mug), {**form, **full_addresses(MOST_ROWS)})
    assert answer.status_code == 303
    assert CartLine.objects.filter(city="Berlin", quantity=1).count() == MOST_ROWS
    page = client.get(address(mug))
    assert form_of(page)["499-city"] == "Berlin"
    assert send(client, address(mug), form_of(page)).status_code == 303


def test_every_other_form_keeps_its_limit(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    many = {f"field{number}": "x" for number in range(1_001)}
    for there in ("/checkout/", reverse("cart:change", args=[card.pk]), "/accounts/login/"):
        assert send(client_for(seat), there, many).status_code == 400
    # so does this page for a form that is not of the common type
    assert client_for(seat).post(address(card), many).status_code == 400
    assert send(client_for(seat), address(card), many).status_code == 422  # it has no total


def test_a_form_that_is_still_too_large_is_told_and_nothing_of_it_is_saved(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    form = form_of(client.get(address(card)))
    fields = {f"field{number}": "x" for number in range(MOST_FIELDS + 1)}
    for too_much in (
        fields,
        typed({**ADA, "message": "x" * configured.DATA_UPLOAD_MAX_MEMORY_SIZE}),
    ):
        answer = send(client, address(card), {**form, **too_much})
        assert answer.status_code == 413
        assert "too large to be read, so nothing of it is saved" in said(answer)
    assert names() == [""]


def test_the_large_form_is_refused_without_its_token_as_any_other(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    client.handler.enforce_csrf_checks = True
    form = form_of(client.get(address(card)))
    rows = typed(*[ADA] * 300)
    foreign = {**form, **rows, "csrfmiddlewaretoken": "x" * 64}
    for refused in ({**rows, "total": "3"}, foreign):
        assert send(client, address(card), refused).status_code == 403
    assert names() == [""]
    assert send(client, address(card), {**form, **rows}).status_code == 303
    assert len(names()) == 300
