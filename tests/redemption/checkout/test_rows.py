"""Reading rows of a draft: what each cell means, and what is wrong with which."""

from datetime import date, timedelta
from typing import Any

import pytest

from catalog.models import Product
from redemption.checkout.rows import DraftRow, GivenRow, Reading, read_rows, same_people
from redemption.models.cart import MOST_ROWS
from tests.catalog.factories import ProductFactory
from tests.redemption.world import RECIPIENT

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 26)
ADA = {"recipient_name": "Ada Byron", "recipient_email": "ada@northwind.example"}


@pytest.fixture
def card() -> Product:
    return ProductFactory.create(virtual=True, name="Card")


@pytest.fixture
def mug() -> Product:
    return ProductFactory.create(name="Mug")


def read(product: Product, *rows: dict[str, str]) -> Reading:
    return read_rows([GivenRow(product, row) for row in rows], today=TODAY)


def told(reading: Reading) -> list[tuple[int, str, str]]:
    return [(error.row, error.column, error.code) for error in reading.errors]


def test_a_complete_row_is_read_into_its_columns(card: Product, mug: Product) -> None:
    day = {"send_on": "2026-12-24", "message": "Well done!\nYours", "quantity": "3"}
    [row] = read(card, {**ADA, **day}).rows
    assert (row.quantity, row.send_on, row.message) == (3, date(2026, 12, 24), "Well done!\nYours")
    assert row.recipient["recipient_email"] == "ada@northwind.example"
    reading = read(mug, {**RECIPIENT, "country": "germany", "postcode": " 10115 "})
    assert not reading.errors
    assert reading.rows[0].recipient == RECIPIENT
    assert reading.rows[0].quantity == 1  # none given


def test_what_is_missing_may_be_kept_and_is_named_by_row_and_column(
    card: Product, mug: Product
) -> None:
    reading = read(card, ADA, {"recipient_name": "Grace"}, {"recipient_email": "g@n.example"})
    assert told(reading) == [(1, "recipient_email", "required"), (2, "recipient_name", "required")]
    assert reading.can_be_kept
    reading = read(mug, {"recipient_name": "Ada", "country": "DE"}, {"message": "Hello"})
    assert told(reading) == [
        (0, "postcode", "required"),
        (0, "address_line1", "required"),
        (0, "city", "required"),
        *(
            (1, column, "required")
            for column in ("recipient_name", "address_line1", "city", "country")
        ),
    ]
    assert not read(mug, {**RECIPIENT, "country": "HK", "postcode": ""}).errors  # has none


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("quantity", "0"),
        ("quantity", "1001"),
        ("quantity", "many"),
        ("quantity", "1" * 5_000),
        ("recipient_name", "A" * 256),
        ("recipient_name", "Ada\0"),
        ("recipient_name", "\u2800"),
        ("recipient_email", "ada at northwind"),
        ("message", "x" * 501),
        ("message", "See https://evil.example/x"),
        ("message", "See www.evil.example"),
        ("message", "Go to evil.com, now"),
        ("message", "mailto:me"),
        ("send_on", "2026-11-25"),
        ("send_on", "2028-01-01"),
        ("send_on", "2026-02-30"),
        ("send_on", "12/11/2026"),
        ("send_on", "tomorrow"),
        ("recipient_name", "=A1"),
        ("message", "=1+1"),
        ("message", '= CONCAT("Dear ", A1)'),
    ],
)
def test_what_is_wrong_is_named_in_a_sentence_and_cannot_be_kept(
    card: Product, column: str, text: str
) -> None:
    reading = read(card, ADA, {**ADA, column: text})
    assert told(reading) == [(1, column, "invalid")]
    assert reading.errors[0].detail.endswith(".")
    assert not reading.can_be_kept


@pytest.mark.parametrize(
    ("column", "text"),
    [("country", "Atlantis"), ("postcode", "ABC"), ("send_on", "2026-12-01")],
)
def test_an_address_is_checked_as_at_the_checkout_and_a_parcel_has_no_date(
    mug: Product, column: str, text: str
) -> None:
    assert (0, column, "invalid") in told(read(mug, {**RECIPIENT, column: text}))


@pytest.mark.parametrize(
    "text",
    [
        "Thank you!Come again",
        "It costs 3.50 or so",
        "Meet at 9.30",
        "=)",
        "1+1=2",
        "<b>Hi</b>",
        "🎉",
    ],
)
def test_a_message_without_a_link_is_kept_as_it_is(card: Product, text: str) -> None:
    [row] = read(card, {**ADA, "message": text}).rows
    assert row.message == text


def test_today_is_not_over_and_days_are_read_as_they_are_written_here_and_there(
    card: Product,
) -> None:
    rows = read(card, {**ADA, "send_on": "2026-11-26"}, {**ADA, "send_on": "24.12.2026"}).rows
    assert [row.send_on for row in rows] == [TODAY, TODAY + timedelta(days=28)]


def test_of_what_is_sent_by_mail_no_address_is_kept(card: Product) -> None:
    [row] = read(card, RECIPIENT).rows
    assert {name for name, value in row.recipient.items() if value} == set(ADA)


def test_501_rows_are_one_error_and_500_are_none(card: Product) -> None:
    assert not read(card, *[ADA] * MOST_ROWS).errors
    reading = read(card, *[ADA] * (MOST_ROWS + 1))
    assert told(reading) == [(MOST_ROWS, "", "too_many")]
    assert "At most 500 rows fit into one order; these are 501." in reading.errors[0].detail


def test_the_same_person_twice_is_allowed_and_told(card: Product, mug: Product) -> None:
    again = {**ADA, "recipient_name": "A. Byron", "recipient_email": "ADA@Northwind.example"}
    reading = read(card, ADA, {**ADA, "recipient_email": "x@n.example"}, again)
    assert not reading.errors
    assert same_people(reading.rows) == ["Ada Byron gets “Card” in rows 1 and 3."]
    rows = read(mug, RECIPIENT, {**RECIPIENT, "address_line1": "Elsewhere 1"}, RECIPIENT).rows
    assert same_people(rows) == ["Ada Byron gets “Mug” in rows 1 and 3."]


def test_nobody_twice_is_nobody(card: Product) -> None:
    empty: dict[str, Any] = dict.fromkeys(RECIPIENT, "")
    assert same_people([DraftRow(card, 1, empty), DraftRow(card, 1, empty)]) == []


def test_500_rows_are_read_without_a_query(mug: Product, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert not read(mug, *[RECIPIENT] * MOST_ROWS).errors
