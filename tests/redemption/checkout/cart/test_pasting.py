"""People pasted from a spreadsheet, taken from the address book, and one message or day for all."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountManager, Address, Company
from catalog.models import Product
from redemption.checkout.pasted import read_pasted
from redemption.models import CartLine, OrderItem, RecipientAsk
from redemption.saga.steps import RedemptionError
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import fill_cart
from tests.redemption.world import RECIPIENT
from tests.support.visitor import forms_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=1_000_000, user__name="Mara Lind")


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
    return next(form.fields for form in forms_of(page.content.decode()) if "seen" in form.fields)


def checkout_form(page: Any) -> dict[str, str]:
    forms = forms_of(page.content.decode())
    return next(form.fields for form in forms if form.name == "checkout")


def do(client: Client, product: Product, what: str, **fields: Any) -> Any:
    form = form_of(client.get(address(product)))
    return client.post(address(product), {**form, **fields, "do": what})


# --- Reading a table -----------------------------------------------------------------------

ADA = {"recipient_name": "Ada Byron", "recipient_email": "ada@n.example"}


@pytest.mark.parametrize(
    "text",
    [
        "Ada Byron\tada@n.example\t2",
        "Ada Byron;ada@n.example;2\r\n",
        "Ada Byron,ada@n.example,2\r",
        '\ufeffName;E-mail;Pieces\n"Ada Byron";ada@n.example;2\n\n',
        "Menge,E-Mail,Vollständiger Name\n2,ada@n.example,Ada Byron",
        "name\tCost centre\temail\tquantity\nAda Byron\t4711\tada@n.example\t2",
        '"Ada Byron","ada@n.example","=""2"""',
        ";;\nAda Byron;ada@n.example;2;;;;;",
    ],
)
def test_a_table_is_read_whatever_stands_between_its_cells(text: str) -> None:
    assert read_pasted(text, by_mail=True) == [{**ADA, "quantity": "2"}] or read_pasted(
        text, by_mail=True
    ) == [{**ADA, "quantity": "2", "message": "", "send_on": ""}]


def test_a_quoted_cell_may_hold_what_separates_cells_and_line_breaks() -> None:
    text = '"Byron, Ada",ada@n.example,1,"Well ""done"",\nAda"\nBo,bo@n.example'
    first, second = read_pasted(text, by_mail=True)
    assert (first["recipient_name"], first["message"]) == ("Byron, Ada", 'Well "done",\nAda')
    assert second == {"recipient_name": "Bo", "recipient_email": "bo@n.example"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Paste the rows of your table first."),
        (" \n\t\n;;", "Paste the rows of your table first."),
        ("Name;E-mail", "names of columns, and no rows below them"),
        ('Ada;a@n.example\n"Bo;b@n.example\nCy', "is a quotation mark left open?"),
        ('"Ada"x;a@n.example', "Line 1 of the table cannot be read"),
        ("Ada;a@n.example;1;Hi;2030-01-01;more", "Row 1 has 6 cells, and there are 5 columns."),
        ("Name;Name\nAda;Bo", "two columns for “Name”"),
        ("Ada;a@n.example\n" * 501, "These are 501 rows; at most 500 fit."),
        ("x" * 200_000, "cannot be read"),
    ],
)
def test_what_is_no_table_is_told_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(RedemptionError, match=why.replace("?", r"\?")):
        read_pasted(text, by_mail=True)


# --- The page ------------------------------------------------------------------------------


def test_a_pasted_table_is_shown_before_it_is_saved(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    rows = "\n".join(f"Person {n}\tp{n}@n.example" for n in range(1, 5))
    page = do(client, card, "paste", pasted=rows, **{"0-recipient_name": "Ada"})
    assert page.status_code == 200
    assert "4 rows are read. Nothing is saved yet" in said(page)
    assert "Shared out: <b data-shared>5</b>." in said(page)
    assert list(CartLine.objects.values_list("recipient_name", flat=True)) == [""]
    form = form_of(page)
    assert (form["0-recipient_name"], form["6-recipient_email"]) == ("Ada", "p4@n.example")
    assert (form["1-recipient_name"], form["pasted"]) == ("", "")  # somebody may be typing there
    client.post(address(card), {**form, "0-recipient_email": "ada@n.example", "do": "save"})
    assert CartLine.objects.count() == 5


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("=1+1;ada@n.example", "Row 1, Name: This is a formula."),
        ('"=HYPERLINK(""x"")";ada@n.example', "Row 1, Name: This is a formula."),
        ("Ada;no address", "Row 1, E-mail: Enter a valid"),
        ("Ada;ada@n.example;none", "Row 1, Pieces: Quantity must be a whole number"),
        ("Ad\0a;ada@n.example", "Row 1, Name: Null characters are not allowed."),
        (f"{'x' * 5_000};ada@n.example", "Row 1, Name: Ensure this value has at most 255"),
        (
            f"Ada;ada@n.example;1;{'x' * 5_000}",
            "Message to them: Ensure this value has at most 500",
        ),
        ("Ada;ada@n.example;1;;30.02.2027", "Row 1, Send on: Enter a valid date."),
        ("Ada;ada@n.example;1;;2020-01-01", "Row 1, Send on: This day is over."),
        ("Ada;ada@n.example;1;;2999-01-01", "Row 1, Send on: Choose a day within a year."),
        ("Ada;ada@n.example;1;See evil.com/x", "A message may not have links"),
    ],
)
def test_what_is_wrong_in_a_pasted_cell_stands_there_and_nothing_is_saved(
    client_for: SignIn, seat: AccountManager, card: Product, row: str, why: str
) -> None:
    page = do(client_for(seat), card, "paste", pasted=f"{row}\nBo;bo@n.example")
    assert page.status_code == 422
    assert why in said(page)
    assert "Bo" in form_of(page).values()
    assert CartLine.objects.count() == 1


def test_names_of_any_script_are_kept_as_they_are_and_never_run(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    names = ["👩‍🚀 Åsa", "مرحبا بالعالم", "<script>alert(1)</script>", "O'Neil & Sons"]
    rows = "\n".join(f'"{name}"\tp{n}@n.example' for n, name in enumerate(names))
    client = client_for(seat)
    page = do(client, card, "paste", pasted=rows)
    assert b"<script>alert" not in page.content
    client.post(address(card), {**form_of(page), "do": "save"})
    assert list(CartLine.objects.values_list("recipient_name", flat=True)) == names


def test_a_table_that_cannot_be_read_or_does_not_fit_stays_to_be_corrected(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    page = do(client, card, "paste", pasted='"Ada', **{"0-recipient_name": "Bo"})
    assert page.status_code == 422
    assert form_of(page)["0-recipient_name"] == "Bo"
    assert '>"Ada</textarea>' in said(page)
    rows = "Ada;ada@n.example\n" * 500
    page = do(client, card, "paste", pasted=rows, **{"0-recipient_name": "Bo"})
    assert "At most 500 rows fit into one order; these are 501." in said(page)


def test_people_of_the_address_book_become_rows(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    ada = Address.objects.create(company=seat.company, **RECIPIENT)
    Address.objects.create(company=seat.company, recipient_name="No Mail", address_line1="Street 1")
    other = Address.objects.create(company=SeatFactory.create().company, **RECIPIENT)
    client = client_for(seat)
    page = said(client.get(address(card)))
    assert "Ada Byron, ada@northwind.example" in page
    assert "No Mail" not in page
    page = do(client, card, "book", book=[str(ada.pk), str(other.pk), "nonsense"])
    assert "1 person is added. Nothing is saved yet" in said(page)
    assert form_of(page)["3-recipient_email"] == "ada@northwind.example"
    assert "Choose somebody from the address book first." in said(do(client, card, "book"))
    mug = ProductFactory.create(in_stock=9)
    fill_cart(seat, (mug, 1))
    page = do(client, mug, "book", book=[str(ada.pk)])
    client.post(address(mug), {**form_of(page), "do": "save"})
    assert CartLine.objects.get(product=mug, position=0).country == "DE"


def test_who_saves_with_something_left_above_the_rows_gets_it_into_them_first(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    entry = Address.objects.create(company=seat.company, **RECIPIENT)
    left = {"pasted": "Bo;bo@n.example", "book": str(entry.pk), "all-message": "Well done!"}
    page = do(client, card, "save", **left)
    assert "1 row is read. Nothing is saved yet: check the rows, then save." in said(page)
    page = client.post(address(card), {**form_of(page), "do": "save"})
    assert "1 person is added." in said(page)
    page = client.post(address(card), form_of(page))  # Enter
    assert "It is written into each row." in said(page)
    assert client.post(address(card), form_of(page))["Location"] == "/cart/"
    rows = CartLine.objects.order_by("position").values_list("recipient_name", "message")
    assert list(rows[:2]) == [("Bo", "Well done!"), ("Ada Byron", "Well done!")]


def test_one_message_and_day_go_into_every_row_and_are_shown_as_they_are_sent(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    assert "Name somebody first" in said(do(client, card, "all", **{"all-message": "Hi"}))
    assert "Write a message or choose a day first." in said(do(client, card, "all"))
    day = (timezone.now() + timedelta(days=40)).date()
    rows = {"0-recipient_name": "Ada", "1-recipient_name": "Bo", "1-message": "Mine"}
    mails = {"0-recipient_email": "ada@n.example", "1-recipient_email": "bo@n.example"}
    given = {"all-message": "Well done!", "all-send_on": day.isoformat()}
    page = do(client, card, "all", **rows, **mails, **given)
    assert form_of(page)["1-message"] == "Well done!"
    assert f"Well done!<br>— Mara Lind, {seat.company.name}" in said(page)
    client.post(address(card), {**form_of(page), "total": "2", "do": "save"})
    shown = client.get("/checkout/")
    assert re.search(r"Well done!\s+<br>\s+— Mara Lind", said(shown))
    assert ", 09:00 (" in said(shown)
    assert client.post("/checkout/", checkout_form(shown)).status_code == 303
    assert set(OrderItem.objects.values_list("message", "waits_for")) == {("Well done!", "DATE")}


def test_people_are_asked_where_to_send_it(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    table = "name\te-mail\tlet them choose\nAda\tada@n.example\tyes\nBo\tbo@n.example\tmaybe"
    page = do(client, card, "paste", pasted=table)
    assert "Write yes, or leave it empty." in said(page)
    rows = {"0-recipient_name": "Ada", "0-recipient_email": "ada@n.example"}
    page = do(client, card, "all", **rows, **{"all-asks": "yes"})
    assert form_of(page)["0-asks"] == "yes"
    day = (timezone.now() + timedelta(days=40)).date().isoformat()
    page = do(client, card, "save", **rows, **{"0-asks": "yes", "0-send_on": day})
    assert "cannot wait for a day too" in said(page)
    mug = ProductFactory.create(in_stock=9, name="Mug")
    fill_cart(seat, (mug, 1))
    street = {"0-recipient_name": "Ada", "0-asks": "yes", "0-address_line1": "Torstr. 1"}
    page = do(client, mug, "save", **street)
    assert "leave it empty, or do not ask them" in said(page)
    for product in (card, mug):
        form = form_of(client.get(address(product)))
        asked = {**form, **rows, "0-asks": "yes", "total": "1", "do": "save"}
        client.post(address(product), asked)
    assert set(CartLine.objects.values_list("asks", "position")) == {(True, 0)}
    shown = client.get("/checkout/")
    assert "When they have answered" in said(shown)
    assert client.post("/checkout/", checkout_form(shown)).status_code == 303
    lines = OrderItem.objects.values_list("waits_for", "recipient_email", "address_line1")
    assert set(lines) == {("RECIPIENT", "ada@n.example", "")}
    assert RecipientAsk.objects.get().name == "Ada"


def test_today_is_the_companys_day_and_not_the_servers(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    """Kiritimati is 26 hours ahead of Pago Pago, so one of them has another day than UTC."""
    days: dict[str, date] = {}
    client = client_for(seat)
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        Company.objects.filter(pk=seat.company_id).update(time_zone=zone)
        with timezone.override(zone):
            days[zone] = timezone.localdate()
        before = days[zone] - timedelta(days=1)
        rows = f"Ada;ada@n.example;1;;{days[zone]}\nBo;bo@n.example;1;;{before}"
        page = said(do(client, card, "paste", pasted=rows))
        assert "Row 2, Send on: This day is over." in page
        assert "Row 1, Send on" not in page
    assert days["Pacific/Kiritimati"] > days["Pacific/Pago_Pago"]


def test_an_order_for_40_people_costs_at_most_3_times_the_statements_of_one_person(
    client_for: SignIn, seat: AccountManager
) -> None:
    counts: dict[int, int] = {}
    client = client_for(seat)
    for people in (1, 1, 40):  # the first compiles what is compiled once
        product = ProductFactory.create(in_stock=50, points_cost=10)
        fill_cart(seat, (product, 1))
        rows = "\n".join(f"Person {n};Street {n};10115;Berlin;DE" for n in range(people))
        page = do(client, product, "paste", pasted=rows)
        assert client.post(address(product), form_of(page)).status_code == 303
        checkout = checkout_form(client.get("/checkout/"))
        with CaptureQueriesContext(connection) as seen:
            assert client.post("/checkout/", checkout).status_code == 303
        counts[people] = len(seen)
        assert OrderItem.objects.filter(product=product).count() == people
    assert counts[40] <= 3 * counts[1], counts
