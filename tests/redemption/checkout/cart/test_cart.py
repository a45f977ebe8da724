"""Filling a cart, and what its page says about availability."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AccountManager, Role, TierLevel
from catalog.models import Product
from redemption.checkout.cart.services import MOST_LINES
from redemption.checkout.rows import MOST_OF_ONE
from redemption.models import CartLine
from tests.accounts.factories import PASSWORD, SeatFactory
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.redemption.factories import fill_cart

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
HTMX = {"HX-Request": "true", "HX-Target": "cart"}


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=10_000)


def add(client: Client, product: Product, **more: Any) -> Any:
    return client.post(reverse("cart:add"), {"product": product.pk, "quantity": 1, **more})


def said(response: Any) -> str:
    return response.content.decode().replace("&#x27;", "'")


def test_adding_a_product_puts_it_into_the_cart_and_shows_it(
    client_for: SignIn, seat: AccountManager
) -> None:
    product = ProductFactory.create(name="Teapot")
    response = add(client_for(seat), product, quantity=3)
    assert (response.status_code, response["Location"]) == (303, "/cart/")
    assert CartLine.objects.get(cart=seat.pk).quantity == 3
    assert "Teapot" in said(client_for(seat).get("/cart/"))


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "abc", "1e18", str(10**18), "", "١", "\0"])
def test_a_wrong_quantity_is_refused_in_a_sentence(
    client_for: SignIn, seat: AccountManager, wrong: str
) -> None:
    product = ProductFactory.create()
    client = client_for(seat)
    response = add(client, product, quantity=wrong)
    assert response.status_code == 303
    assert not CartLine.objects.exists()
    page = said(client.get(response["Location"]))
    assert (
        page.count("Quantity must be a whole number from 1 to 1,000.") == 2
    )  # at the field, in the summary
    assert "data-error-summary" in page
    assert 'aria-describedby="quantity-error"' in page


def test_a_quantity_that_cannot_be_is_kept_as_typed(
    client_for: SignIn, seat: AccountManager
) -> None:
    product = ProductFactory.create()
    client = client_for(seat)
    assert 'value="9999"' in said(client.get(add(client, product, quantity="9999")["Location"]))
    hostile = said(client.get(add(client, product, quantity='"><b>9')["Location"]))
    assert "<b>9" not in hostile


@pytest.mark.parametrize(
    ("page", "back"),
    [
        ("http://testserver/catalog/teapot/?quantity=3", "/catalog/teapot/%3Fquantity%3D3"),
        ("https://elsewhere.example/catalog/", "/"),
        ("", "/"),
    ],
)
def test_a_form_sent_after_the_session_ended_leads_back_to_its_page(
    client: Client, page: str, back: str
) -> None:
    """The form's address accepts only POST, so after signing in it would show nothing."""
    response = client.post(reverse("cart:add"), {"quantity": 1}, headers={"referer": page})
    assert response["Location"] == f"/accounts/login/?next={back}"


def test_what_is_not_on_offer_cannot_be_added(client_for: SignIn, seat: AccountManager) -> None:
    client = client_for(seat)
    gone = ProductFactory.create(is_active=False)
    dear = ProductFactory.create(minimum_tier=TierLevel.PLATINUM)
    for product_id in (gone.pk, dear.pk, uuid.uuid4(), "nonsense", ""):
        response = client.post(reverse("cart:add"), {"product": product_id, "quantity": 1})
        assert (response.status_code, response["Location"]) == (303, "/catalog/")
        assert "This product is not on offer any more." in said(client.get("/cart/"))
    assert not CartLine.objects.exists()


def test_the_same_product_again_adds_up_to_the_most_of_one_and_says_so(
    client_for: SignIn, seat: AccountManager
) -> None:
    product = ProductFactory.create()
    fill_cart(seat, (product, 2), (product, 3))
    assert CartLine.objects.get().quantity == 5
    client = client_for(seat)
    response = add(client, product, quantity=MOST_OF_ONE)
    assert response["Location"] == product.get_absolute_url()
    assert "at most 1,000 of one product; 5 of this one are in it" in said(client.get("/cart/"))
    add(client, product, quantity=MOST_OF_ONE - 5)
    assert CartLine.objects.get().quantity == MOST_OF_ONE


def test_a_cart_holds_so_many_products_and_says_so(
    client_for: SignIn, seat: AccountManager
) -> None:
    shelf = CategoryFactory.create()
    products = ProductFactory.create_batch(MOST_LINES + 1, category=shelf, in_stock=0)
    fill_cart(seat, *((product, 1) for product in products[:MOST_LINES]))
    client = client_for(seat)
    add(client, products[-1])
    assert CartLine.objects.count() == MOST_LINES
    assert "A cart holds at most 50 different products." in said(client.get("/cart/"))


def test_next_leads_back_to_our_own_pages_only(client_for: SignIn, seat: AccountManager) -> None:
    product = ProductFactory.create()
    client = client_for(seat)
    assert add(client, product, next="/catalog/?q=tea")["Location"] == "/catalog/?q=tea"
    assert add(client, product, next="https://evil.example/")["Location"] == "/cart/"


def test_a_viewer_sees_the_cart_but_cannot_fill_it(client_for: SignIn) -> None:
    viewer = SeatFactory.create(viewer=True)
    product = ProductFactory.create()
    fill_cart(viewer, (product, 1))
    client = client_for(viewer)
    assert add(client, product).status_code == 403
    page = said(client.get("/cart/"))
    assert "Your role only allows viewing." in page
    assert reverse("checkout") not in page
    assert "data-step" not in page


def test_only_a_seat_that_may_redeem_changes_lines(client_for: SignIn) -> None:
    viewer = SeatFactory.create(viewer=True)
    fill_cart(viewer, (ProductFactory.create(), 2))
    [line] = viewer.cart.lines.all()
    for name, form in (("cart:change", {"quantity": 5}), ("cart:remove", {})):
        address = reverse(name, args=[line.product_id])
        assert client_for(viewer).post(address, form).status_code == 403
        assert Client().post(address, form)["Location"].startswith("/accounts/login/")
        assert client_for(viewer).get(address)["Location"] == "/cart/"
    assert [each.quantity for each in viewer.cart.lines.all()] == [2]


def test_a_forms_address_opened_by_hand_leads_to_the_cart_and_does_nothing(
    client_for: SignIn, seat: AccountManager
) -> None:
    fill_cart(seat, (ProductFactory.create(), 2))
    line = CartLine.objects.get()
    client = client_for(seat)
    for url in (
        reverse("cart:add"),
        reverse("cart:change", args=[line.product_id]),
        reverse("cart:remove", args=[line.product_id]),
    ):
        response = client.get(url, {"quantity": 9})
        assert (response.status_code, response["Location"]) == (303, "/cart/")
        assert client.put(url).status_code == 405
    assert CartLine.objects.get().quantity == 2


def test_changing_a_quantity_answers_htmx_with_the_cart_and_its_count(
    client_for: SignIn, seat: AccountManager
) -> None:
    fill_cart(seat, (ProductFactory.create(points_cost=1_200), 1))
    line = CartLine.objects.get()
    url = reverse("cart:change", args=[line.product_id])
    response = client_for(seat).post(url, {"quantity": 4}, headers=HTMX)
    page = said(response)
    assert "<html" not in page
    assert "4,800" in page
    assert "5,200" in page  # the points left
    assert 'id="cart-count"' in page


def test_changing_without_script_leads_back_to_the_cart(
    client_for: SignIn, seat: AccountManager
) -> None:
    fill_cart(seat, (ProductFactory.create(), 1))
    url = reverse("cart:change", args=[CartLine.objects.get().product_id])
    response = client_for(seat).post(url, {"quantity": 2})
    assert (response.status_code, response["Location"]) == (303, "/cart/")
    assert CartLine.objects.get().quantity == 2


def test_a_wrong_change_says_so_and_changes_nothing(
    client_for: SignIn, seat: AccountManager
) -> None:
    fill_cart(seat, (ProductFactory.create(), 2))
    url = reverse("cart:change", args=[CartLine.objects.get().product_id])
    for wrong in ("0", "-3", "many", str(10**18), "000000000001" + "9999"):
        for sent in (HTMX, {}):
            response = client_for(seat).post(url, {"quantity": wrong}, headers=sent)
            page = said(response)
            assert response.status_code == 422
            # At the field, and in the summary.
            assert page.count("Quantity must be a whole number") == 2
            assert "data-error-summary" in page
            assert f'value="{wrong[:12]}"' in page
    assert CartLine.objects.get().quantity == 2


def test_a_line_that_went_in_another_tab_is_not_changed_in_silence(
    client_for: SignIn, seat: AccountManager
) -> None:
    fill_cart(seat, (ProductFactory.create(), 2), (ProductFactory.create(), 1))
    line = CartLine.objects.get(quantity=2)
    client = client_for(seat)
    client.post(reverse("cart:remove", args=[line.product_id]))
    page = client.post(
        reverse("cart:change", args=[line.product_id]), {"quantity": 9}, headers=HTMX
    )
    assert "is not in your cart any more" in said(page)
    again = client.post(reverse("cart:remove", args=[line.product_id]), headers=HTMX)
    assert "There was nothing to take out any more." in said(again)
    assert CartLine.objects.get().quantity == 1


def test_another_seats_line_cannot_be_touched(client_for: SignIn, seat: AccountManager) -> None:
    other = SeatFactory.create(company=seat.company)
    fill_cart(other, (ProductFactory.create(), 2))
    line = CartLine.objects.get()
    client = client_for(seat)
    client.post(reverse("cart:change", args=[line.product_id]), {"quantity": 9})
    client.post(reverse("cart:remove", args=[line.product_id]))
    assert CartLine.objects.get().quantity == 2


def test_taking_the_last_line_out_leaves_an_empty_cart_that_says_what_to_do(
    client_for: SignIn, seat: AccountManager
) -> None:
    fill_cart(seat, (ProductFactory.create(), 1))
    url = reverse("cart:remove", args=[CartLine.objects.get().product_id])
    page = said(client_for(seat).post(url, headers=HTMX))
    assert "Your cart is empty" in page
    assert reverse("catalog:list") in page


def test_what_cannot_be_had_any_more_is_said_and_holds_up_the_checkout(
    client_for: SignIn, seat: AccountManager
) -> None:
    inactive, tier, out, few, fine = ProductFactory.create_batch(5, in_stock=5)
    fill_cart(seat, *((product, 5) for product in (inactive, tier, out, few, fine)))
    Product.objects.filter(pk=inactive.pk).update(is_active=False)
    Product.objects.filter(pk=tier.pk).update(minimum_tier=TierLevel.GOLD)
    out.inventory.__class__.objects.filter(product=out).update(quantity_available=0)
    few.inventory.__class__.objects.filter(product=few).update(quantity_available=3)
    page = said(client_for(seat).get("/cart/"))
    assert page.count("This product is not on offer any more. Remove it to continue.") == 2
    assert page.count("Out of stock. Remove it to continue") == 1
    assert "Only 3 left. Choose fewer to continue." in page
    assert reverse("checkout") not in page


def test_a_physical_product_without_stock_numbers_is_out_of_stock(
    client_for: SignIn, seat: AccountManager
) -> None:
    product = ProductFactory.create(in_stock=5)
    fill_cart(seat, (product, 1))
    product.inventory.delete()
    assert "Out of stock." in said(client_for(seat).get("/cart/"))


def test_points_short_are_said_beside_the_total(client_for: SignIn, seat: AccountManager) -> None:
    fill_cart(seat, (ProductFactory.create(points_cost=11_200), 1))
    page = said(client_for(seat).get("/cart/"))
    assert "More points needed" in page
    assert "1,200" in page


def test_a_cart_survives_signing_out(seat: AccountManager) -> None:
    fill_cart(seat, (ProductFactory.create(name="Teapot"), 2))
    client = Client()
    for _time in range(2):
        client.post("/accounts/login/", {"login": seat.user.email, "password": PASSWORD})
        assert "Teapot" in said(client.get("/cart/"))
        client.post("/accounts/logout/")
        assert client.get("/cart/").status_code == 302


def test_the_cart_is_read_in_a_fixed_number_of_queries(
    client_for: SignIn, seat: AccountManager, django_assert_max_num_queries: Any
) -> None:
    fill_cart(seat, *((product, 1) for product in ProductFactory.create_batch(12)))
    client = client_for(seat)
    with django_assert_max_num_queries(4):
        client.get("/cart/")


def test_a_balance_that_nobody_knows_yet_is_not_too_small(client_for: SignIn) -> None:
    seat = SeatFactory.create()
    fill_cart(seat, (ProductFactory.create(points_cost=700), 1))
    client = client_for(seat)
    for path in ("/cart/", "/checkout/"):
        page = client.get(path).content.decode()
        assert "has not told us the balance yet" in page
        assert not any(words in page for words in ("tally--short", "points needed", "are needed"))


def test_a_cart_beyond_the_balance_goes_no_further(
    client_for: SignIn, seat: AccountManager
) -> None:
    fill_cart(seat, (ProductFactory.create(points_cost=6_000, in_stock=2), 2))
    page = said(client_for(seat).get("/cart/"))
    assert "There are not enough points." in page
    assert 'href="/checkout/"' not in page


def test_the_empty_cart_of_a_viewer_promises_nothing(client_for: SignIn) -> None:
    page = said(client_for(SeatFactory.create(role=Role.VIEWER)).get("/cart/"))
    assert "Your role only allows viewing." in page
    assert "What you put in stays here" not in page
