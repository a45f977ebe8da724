"""The address book: its entries, merging what is there twice, and tables in and out."""

import io
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AccountManager, Address
from loyalty_portal.data.recipient import FIELDS
from redemption.checkout.book import services
from redemption.checkout.book.selectors import same_ones
from tests.accounts.factories import SeatFactory
from tests.redemption.world import RECIPIENT

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
BOOK = "/company/addresses/"
IMPORT = f"{BOOK}import/"
HEADER = "Name,E-mail,Address,Postcode,City,Country"


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__name="Northwind")


@pytest.fixture
def client(seat: AccountManager, client_for: SignIn) -> Client:
    return client_for(seat)


def entry(seat: AccountManager, **fields: str) -> Address:
    return Address.objects.create(company=seat.company, **{**RECIPIENT, **fields})


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def pasted(client: Client, table: str) -> Any:
    return client.post(IMPORT, {"pasted": table})


def cells(number: int, **fields: str) -> dict[str, str]:
    return {f"{number}-{name}": text for name, text in {**RECIPIENT, **fields}.items()}


def test_an_entry_is_added_changed_and_removed(seat: AccountManager, client: Client) -> None:
    assert "Nobody is in the book yet" in text(client.get(BOOK))
    assert client.post(f"{BOOK}new/", RECIPIENT)["Location"] == BOOK
    kept = Address.objects.get()
    assert (kept.company, kept.recipient()) == (seat.company, RECIPIENT)
    here = f"{BOOK}{kept.pk}/"
    assert 'value="Invalidenstr. 43"' in text(client.get(here))
    wrong = client.post(here, {**RECIPIENT, "postcode": "1", "recipient_name": "x" * 5_000})
    assert wrong.status_code == 422
    assert "looks like" in text(wrong)
    assert "at most 255 characters" in text(wrong)
    client.post(here, {**RECIPIENT, "city": "Potsdam"})
    kept.refresh_from_db()
    assert kept.city == "Potsdam"
    gone = client.post(f"{here}remove/", follow=True)
    assert "Ada Byron is removed from the address book." in text(gone)
    assert client.post(f"{here}remove/").status_code == 404


def test_the_book_is_for_those_who_order_and_of_their_company_alone(
    seat: AccountManager, client: Client, client_for: SignIn
) -> None:
    theirs = entry(SeatFactory.create(), recipient_name="Of Another Company")
    assert "Of Another Company" not in text(client.get(BOOK))
    for where in (f"{BOOK}{theirs.pk}/", f"{BOOK}{uuid4()}/"):
        assert client.get(where).status_code == 404
        assert client.post(where, RECIPIENT).status_code == 404
    assert client.post(f"{BOOK}{theirs.pk}/remove/").status_code == 404
    said = {"keep": str(theirs.pk), "entry": [str(theirs.pk), str(entry(seat).pk)]}
    assert "One of these entries is gone." in text(client.post(f"{BOOK}merge/", said, follow=True))
    assert Address.objects.count() == 2
    viewer = client_for(SeatFactory.create(company=seat.company, viewer=True))
    for where in ("", "new/", "import/", "duplicates/", "file/csv/"):
        assert viewer.get(BOOK + where).status_code == 403


def test_strange_names_are_shown_and_do_nothing(seat: AccountManager, client: Client) -> None:
    entry(seat, recipient_name="<script>alert(1)</script> 🎁 محمد")
    page = client.get(BOOK).content.decode()
    assert "<script>alert" not in page
    assert "🎁 محمد</bdi>" in page


def test_one_person_in_several_entries_becomes_one(seat: AccountManager, client: Client) -> None:
    first = entry(seat, recipient_email="", recipient_phone="")
    second = entry(seat, recipient_name="ada  BYRON", address_line1="Invalidenstr 43")
    third = entry(seat, recipient_name="Ada Byron", address_line1="", city="", country="")
    entry(seat, recipient_name="Somebody else")
    groups = same_ones(seat.company)
    assert [{row.pk for row in group} for group in groups] == [{first.pk, second.pk, third.pk}]
    assert "1 person seems to be in the book more than once." in text(client.get(BOOK))
    keys = [str(row.pk) for row in (first, second, third)]
    page = text(client.get(f"{BOOK}duplicates/"))
    assert all(key in page for key in keys)
    merged = client.post(f"{BOOK}merge/", {"keep": keys[0], "entry": keys}, follow=True)
    assert "Ada Byron is one entry now." in text(merged)
    assert "Everybody is in the book once" in text(merged)
    first.refresh_from_db()
    assert first.recipient() == RECIPIENT  # it has the e-mail and phone that it lacked
    assert Address.objects.count() == 2
    again = client.post(f"{BOOK}merge/", {"keep": keys[0], "entry": keys}, follow=True)
    assert "One of these entries is gone." in text(again)
    for said in ({"entry": keys}, {"keep": "x", "entry": keys}, {"keep": keys[0], "entry": ["x"]}):
        none = client.post(f"{BOOK}merge/", said, follow=True)
        assert "Choose the entry that stays." in text(none)


def test_an_address_is_taken_whole_from_another_entry(seat: AccountManager) -> None:
    """Never the street of one and the city of another."""
    kept = entry(seat, address_line1="", city="Rome", postcode="", country="")
    other = entry(seat)
    services.merge(company=seat.company, keep=kept.pk, others=[other.pk])
    kept.refresh_from_db()
    assert kept.recipient() == RECIPIENT


def test_a_pasted_table_is_shown_with_an_error_at_each_cell_and_kept_when_it_is_right(
    seat: AccountManager, client: Client
) -> None:
    rows = f"{HEADER}\nAda,ada@n.example,Street 1,10115,Berlin,Germany\nBob,bob,=1+1,1,Rome,Narnia"
    page = pasted(client, rows)
    said = text(page)
    assert page.status_code == 200
    for wrong in (
        "Row 2, E-mail: Enter a valid e-mail address, such as name@example.com.",
        "Row 2, Address: This is a formula.",
        "Row 2, Country: Choose the country from the list.",
    ):
        assert wrong in said
    assert "Row 1," not in said
    assert not Address.objects.exists()
    right = {**cells(0), **cells(1, recipient_name="Bob", country="Italy", postcode="00118")}
    wrong_now = client.post(IMPORT, {**right, "1-recipient_email": "bob", "do": "keep"})
    assert wrong_now.status_code == 422
    assert 'value="Bob"' in text(wrong_now)
    removed = client.post(IMPORT, {**right, "remove": "0"})
    assert 'value="Bob"' in text(removed)
    assert 'value="Ada Byron"' not in text(removed)
    assert not Address.objects.exists()
    kept = client.post(IMPORT, {**right, "do": "keep"}, follow=True)
    assert "2 addresses are kept." in text(kept)
    assert Address.objects.filter(country="IT", recipient_name="Bob").exists()
    twice = client.post(IMPORT, {**right, "do": "keep"}, follow=True)
    assert "0 addresses are kept. 2 were in the book already." in text(twice)
    assert Address.objects.count() == 2


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_exported_is_read_back_as_it_is(
    kind: str, seat: AccountManager, client: Client
) -> None:
    """Names that a spreadsheet would compute or turn into a number too."""
    names = ["+Plus", "@Home", "=Equals", "007", "Ada, the “first”", "O'Hara; Sons"]
    for name in names:
        entry(seat, recipient_name=name)
    file = client.get(f"{BOOK}file/{kind}/")
    assert "attachment" in file["Content-Disposition"]
    if kind == "xlsx":
        sheet = openpyxl.load_workbook(io.BytesIO(file.content)).worksheets[0]
        assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    Address.objects.all().delete()
    page = client.post(IMPORT, {"file": SimpleUploadedFile(f"a.{kind}", file.content)})
    assert text(page).count("This is a formula.") == 2  # of "=Equals" alone: summary and cell
    shown = page.content.decode()
    for name in ("+Plus", "@Home", "007"):
        assert f'value="{name}"' in shown


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Paste the rows of your table first."),
        (b"PK\x03\x04 no workbook", "The workbook cannot be opened"),
        (b"Name,Address\nA\0da,x", "it has NUL bytes"),
        (b'Name,Address\n"Ada,x', "is a quotation mark left open?"),
        (b"Name,Address\n", "names of columns, and no rows below them"),
        (("Name\n" + "Ada\n" * 501).encode(), "These are 501 rows; at most 500 fit."),
        (b"x" * 5_000_001, "The file is larger than 5 MB."),
    ],
)
def test_what_is_no_table_of_addresses_is_said(data: bytes, why: str, client: Client) -> None:
    sent = {"file": SimpleUploadedFile("a.csv", data)} if data else {"pasted": ""}
    page = client.post(IMPORT, sent)
    assert page.status_code == 422
    assert why in text(page)
    assert not Address.objects.exists()


def test_a_table_of_windows_with_semicolons_is_read(client: Client) -> None:
    table = "Name;Straße;PLZ;Ort;Land\nJürgen Größe;Straße 1;10115;Köln;Germany".encode("cp1252")
    page = client.post(IMPORT, {"file": SimpleUploadedFile("a.csv", table)})
    assert 'value="Jürgen Größe"' in text(page)
    assert "Please correct this" not in text(page)


def test_more_than_the_book_holds_is_refused_whole(
    seat: AccountManager, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that two entries fill the book
    monkeypatch.setattr(services, "MOST_ADDRESSES", 2)
    entry(seat)
    said = {**cells(0, recipient_name="B"), **cells(1, recipient_name="C"), "do": "keep"}
    page = client.post(IMPORT, said)
    assert page.status_code == 422
    assert "The address book holds 2 addresses." in text(page)
    assert Address.objects.count() == 1
    assert "The address book holds 2" not in text(
        client.post(f"{BOOK}new/", RECIPIENT, follow=True)
    )
    full = client.post(f"{BOOK}new/", {**RECIPIENT, "recipient_name": "D"})
    assert "The address book holds 2 addresses." in text(full)


def test_a_form_of_more_rows_than_fit_is_told_so(client: Client) -> None:
    said = "&".join(f"{number}-{name}=x" for number in range(510) for name in FIELDS)
    page = client.post(IMPORT, said, content_type="application/x-www-form-urlencoded")
    assert page.status_code == 413
    assert "At most 500 addresses fit." in text(page)
