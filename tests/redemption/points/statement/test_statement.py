"""The points page: the sentence that adds up, and the statement below it."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook

from accounts.layout import Header, header_of
from accounts.models import AccountManager, KnownBalance
from accounts.services import known_balance
from catalog.models import Product
from fulfillment import services as desk
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from redemption.models import LoyaltyTransaction, RedemptionOrder, TransactionType
from redemption.points.header.spending import spending_of
from redemption.points.statement.files import WRITERS
from redemption.states import TransactionStatus
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.fulfillment.desk.test_papers import texts
from tests.redemption.factories import paid, placed, settle
from tests.redemption.pages import said
from tests.support.orders.order_kinds import parcel_of

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000, company__name="Northwind", user__name="Ada")


@pytest.fixture
def book() -> Product:
    return ProductFactory.create(name="Bicycles", points_cost=1_500)


def fresh(seat: AccountManager) -> AccountManager:
    rows = AccountManager.objects.select_related("company__known_balance", "user")
    return rows.get(pk=seat.pk)


def header(seat: AccountManager) -> Header:
    now = fresh(seat)
    return header_of(now, known=known_balance(now.company))


def words(page: str) -> str:
    """The page as it is read."""
    apart = re.sub(r"</(dt|dd|td|th|p|h\d|li)>", " ", page)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", apart))


def before_the_balance(order: RedemptionOrder) -> None:
    """The order's points moved before the loyalty system was asked for the balance."""
    asked = KnownBalance.objects.get(company=order.company_id).fetched_at
    order.transactions.update(settled_at=asked - timedelta(hours=1))


def failed_line(order: RedemptionOrder) -> None:
    """The order's only line cannot be supplied, so that its points are to be given back."""
    by = Actor.person(order.account_manager.user)
    desk.cannot_supply(fulfillment=parcel_of(order), quantity=None, reason="Broken", by=by)


# --- The sentence ----------------------------------------------------------------------------


def test_the_sentence_says_where_each_point_is(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    before_the_balance(paid(seat, (book, 10)))  # 15,000, which the balance knows
    placed(seat, (book, 2))  # 3,000 being taken
    unclear = placed(seat, (book, 1)).transactions.get()
    unclear.transition(TransactionStatus.SENT)
    unclear.transition(TransactionStatus.UNKNOWN)
    since = paid(seat, (book, 4))

    told = words(said(client_for(seat).get("/points/")))

    assert "89,500 to spend = 100,000 at the loyalty system (" in told
    assert "− 4,500 being taken" in told
    assert re.search(r"\(of it unclear since [^:]+: 1,500\)", told)
    assert "− 6,000 taken since" in told
    assert since.order_number in told
    assert 100_000 - 4_500 - 6_000 == 89_500 == header(seat).spendable


def test_the_sentence_is_what_checkout_decides_with(seat: AccountManager, book: Product) -> None:
    """For every status of a debit, a credit and a correction, the figures are the header's."""
    kinds = [TransactionType.DEBIT, TransactionType.CREDIT]
    order = paid(seat, (book, 3))
    refund = LoyaltyTransaction(
        order=order,
        company=order.company,
        original=order.transactions.get(),
        points_amount=1_500,
        transaction_type=TransactionType.CREDIT,
        key="credit:one",
        body="{}",
    )
    refund.save()
    debit = placed(seat, (book, 7)).transactions.get()
    for status in TransactionStatus.values:
        settled = timezone.now() if status in {"SUCCEEDED", "REFUSED"} else None
        number = {"external_transaction_id": "txn_1"} if status == "SUCCEEDED" else {}
        for row in (debit, refund):
            LoyaltyTransaction.objects.filter(pk=row.pk).update(
                status=status, settled_at=settled, **number
            )
            number = {"external_transaction_id": "txn_2"} if number else {}
        theirs = header(seat)
        mine = spending_of(fresh(seat), theirs).header
        assert mine == theirs, f"{status} of {kinds}"
        assert spending_of(fresh(seat), theirs).rest == mine.spendable


def test_points_that_came_back_since_are_added(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    before_the_balance(order)
    failed_line(order)
    settle(order.transactions.get(transaction_type=TransactionType.CREDIT))
    told = words(said(client_for(seat).get("/points/")))
    assert "103,000 to spend = 100,000 at the loyalty system" in told
    assert "+ 3,000 given back since" in told
    assert header(seat).spendable == 103_000


def test_what_is_coming_back_or_waits_is_named_and_not_subtracted(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    before_the_balance(order)
    failed_line(order)
    seat.company.approval_threshold = 100
    seat.company.save()
    placed(fresh(seat), (book, 5))
    told_expiring = [{"points": 700, "expires_on": "2027-01-31"}]
    KnownBalance.objects.update(expiring=told_expiring)
    told = words(said(client_for(seat).get("/points/")))
    assert "100,000 to spend = 100,000 at the loyalty system" in told
    assert "Waiting for approval, not taken yet 7,500" in told
    assert "Coming back, not given back yet 3,000" in told
    assert "Expire on Jan. 31, 2027 700" in told


def test_it_adds_up_while_the_loyalty_system_is_down_and_says_how_old_it_is(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    """Also for points that were asked for long before the balance and settled after it."""
    then = timezone.now() - timedelta(days=3)
    KnownBalance.objects.update(fetched_at=then, failed_at=timezone.now())
    old = placed(seat, (book, 1))
    old.transactions.update(created_at=then - timedelta(days=2))
    settle(old.transactions.get())
    told = words(said(client_for(seat).get("/points/")))
    assert "98,500 to spend = 100,000 at the loyalty system" in told
    assert "The loyalty system does not answer at the moment." in told
    assert "3 days ago" in told
    assert header(seat).spendable == 98_500


def test_less_than_nothing_is_nothing_and_still_adds_up(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    placed(seat, (book, 2))
    KnownBalance.objects.update(points=1_000)
    told = words(said(client_for(seat).get("/points/")))
    assert " 0 points " in told
    assert "−2,000 = 1,000 at the loyalty system" in told
    assert "nothing can be spent for now" in told


def test_a_balance_that_nobody_knows_is_said(client_for: SignIn, book: Product) -> None:
    seat = SeatFactory.create()
    paid(seat, (book, 1))
    told = words(said(client_for(seat).get("/points/")))
    assert "The loyalty system has not told us your balance yet" in told
    assert "−1,500" in told  # the statement is there all the same
    assert "Closing balance" not in told


def test_the_balance_in_the_header_and_at_home_leads_to_the_points(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    placed(seat, (book, 2))
    page = said(client_for(seat).get("/"))
    assert re.search(r'id="balance-link"[^>]+href="/points/"', page)
    assert 'href="/points/#taking"' in page
    assert "97,000 to spend = 100,000 at the loyalty system" in words(page)


# --- The statement ---------------------------------------------------------------------------


def test_the_statement_has_opening_movements_and_closing(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    mug = ProductFactory.create(name="Mug", points_cost=200)
    first, second = paid(seat, (book, 2), (mug, 1), reference="PO 7"), paid(seat, (book, 1))
    for order in (first, second):
        before_the_balance(order)
    told = words(said(client_for(seat).get("/points/?time=30d")))
    # The balance knows both already.
    assert "Opening balance 104,700" in told
    assert "Taken 2 movements −4,700" in told
    assert "Closing balance 100,000" in told
    assert "Taken: 2 × Bicycles and 1 more" in told
    assert f"{first.order_number} · PO 7" in told
    assert re.search(r"−1,500 100,000 .*−3,200 101,500", told)


def test_what_comes_back_names_its_line_and_why(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 2))
    failed_line(order)
    settle(order.transactions.get(transaction_type=TransactionType.CREDIT))
    told = words(said(client_for(seat).get("/points/")))
    assert "Given back: 2 × Bicycles" in told
    assert "+3,000" in told


def test_pages_follow_one_another_without_a_movement_twice_or_left_out(
    client_for: SignIn, seat: AccountManager, book: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: pages of 50 would need as many orders
    monkeypatch.setattr("redemption.points.statement.page.PAGE_SIZE", 2)
    orders = [paid(seat, (book, 1)) for _each in range(5)]
    # Two that were settled in the same moment.
    same = timezone.now()
    LoyaltyTransaction.objects.filter(order__in=orders[1:3]).update(settled_at=same)
    client, address, seen = client_for(seat), "/points/", list[tuple[str, str]]()
    for _page in range(3):
        page = said(client.get(address))
        told = words(page)
        seen += re.findall(r"−1,500 (\d\d,\d00)", told[told.index("What for") :])
        found = re.search(r'rel="next"\s+href="([^"]+)"', page)
        address = "/points/" + (found[1] if found else "")
    assert seen == ["92,500", "94,000", "95,500", "97,000", "98,500"]
    assert found is None
    nonsense = said(client.get("/points/?after=yesterday"))
    assert 'rel="next"' in nonsense


def test_the_statement_is_narrowed_by_time_member_and_kind(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    colleague = SeatFactory.create(company=seat.company, user__name="Grace")
    ours, theirs, old = paid(seat, (book, 1)), paid(colleague, (book, 2)), paid(seat, (book, 3))
    old.transactions.update(settled_at=datetime(2025, 2, 28, 22, tzinfo=UTC))
    client = client_for(seat)

    def shown(query: str) -> set[str]:
        page = words(said(client.get(f"/points/?{query}")))
        listed = page[page.index("Statement,") :]
        return {name for name, order in names.items() if order.order_number in listed}

    names = {"ours": ours, "theirs": theirs, "old": old}
    assert shown("") == {"ours", "theirs"}
    assert shown("time=2025-02") == {"old"}
    assert shown("time=own&since=2025-02-28&until=2025-02-28") == {"old"}
    assert shown("time=own&since=2025-02-01") == {"ours", "theirs", "old"}
    assert shown(f"by={colleague.pk}") == {"theirs"}
    assert shown("kind=CREDIT") == set()
    assert shown("kind=nonsense&time=nonsense&by=nonsense") == {"ours", "theirs"}
    assert shown(f"by={SeatFactory.create().pk}") == {"ours", "theirs"}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("since=2026-11-02&until=2026-11-01", "The first day is after the last one."),
        ("since=2026-02-30", "Enter a valid date."),
        ("since=0001-01-01", "Choose a day from 2000 to 2099."),
        ("until=9999-12-31", "Choose a day from 2000 to 2099."),
    ],
)
def test_wrong_days_are_told_beside_their_field(
    client_for: SignIn, seat: AccountManager, query: str, sentence: str
) -> None:
    response = client_for(seat).get(f"/points/?time=own&{query}")
    assert response.status_code == 200
    assert sentence in said(response)


def test_nobody_sees_the_points_of_another_company(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    theirs = SeatFactory.create(company__balance=777_123)
    order, waiting = paid(theirs, (book, 1)), placed(theirs, (book, 1))
    page = said(client_for(seat).get(f"/points/?by={theirs.pk}"))
    assert order.order_number not in page
    assert waiting.order_number not in page
    assert "777,123" not in page


def test_the_page_takes_as_many_queries_for_many_movements_as_for_one(
    client_for: SignIn, seat: AccountManager, book: Product, django_assert_max_num_queries: Any
) -> None:
    for _each in range(6):
        paid(seat, (book, 1))
        placed(seat, (book, 1))
    client = client_for(seat)
    with django_assert_max_num_queries(19):
        client.get("/points/")


def test_the_statement_alone_is_swapped_in(client_for: SignIn, seat: AccountManager) -> None:
    headers = {"HX-Request": "true", "HX-Target": "points"}
    answer = client_for(seat).get("/points/?kind=CREDIT&by=", headers=headers)
    assert "<html" not in said(answer)
    assert answer["HX-Push-Url"] == "/points/?kind=CREDIT"


# --- Files -----------------------------------------------------------------------------------


def test_a_file_has_the_whole_statement_that_adds_up(
    client_for: SignIn, seat: AccountManager, book: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: pieces of 1,000 would need as many orders
    monkeypatch.setattr("redemption.points.statement.movements.PIECE", 2)
    evil = ProductFactory.create(name='=HYPERLINK("http://evil.example")', points_cost=10)
    for _each in range(4):
        paid(seat, (book, 1), reference="@SUM(A1)")
    paid(seat, (evil, 1), reference="007")
    answer = client_for(seat).get("/points/file/csv/")
    assert answer["Content-Disposition"].startswith('attachment; filename="points-')
    taken = TrailEntry.objects.get(kind=TrailKind.EXPORTED)
    assert (taken.by_id, taken.what, taken.key) == (
        seat.user_id, "Points statement", str(seat.company_id),
    )  # fmt: skip
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    opening, *moved, closing = rows[1:]
    assert int(opening[-1]) == 100_000
    assert [row[-2] for row in moved] == ["-1500"] * 4 + ["-10"]
    balance = int(opening[-1])
    for row in moved:
        balance += int(row[-2])
        assert balance == int(row[-1])
    assert balance == int(closing[-1]) == 93_990
    texts = [cell for row in rows for cell in row[:-2]]
    assert not any(cell.lstrip(" ").startswith(("=", "+", "-", "@")) for cell in texts)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", row[0]) for row in rows[1:])


def test_a_workbook_has_numbers_and_no_formula(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    Product.objects.filter(pk=book.pk).update(name="=1+1")
    book.refresh_from_db()
    paid(seat, (book, 1), reference="=cmd()")
    answer = client_for(seat).get("/points/file/xlsx/")
    sheet: Any = load_workbook(io.BytesIO(answer.content)).active
    assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert sheet.cell(row=3, column=8).value == -1_500


def test_a_pdf_has_names_of_many_scripts_and_absolute_times(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    Product.objects.filter(pk=book.pk).update(name="Книга “Ёлка” Łódź 東京")
    book.refresh_from_db()
    for number in range(30):  # more than a page
        paid(seat, (book, 1), reference=f"Bestellung {number}")
    answer = client_for(seat).get("/points/file/pdf/")
    assert answer["Content-Type"] == "application/pdf"
    told = texts(answer.content)
    assert "Northwind" in told
    assert "Opening balance" in told
    assert "55,000" in told
    assert "−1,500" in told
    assert "2/2" in told.replace("\n", "")
    assert "ago" not in told


def test_a_part_of_the_statement_has_no_balances(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    paid(seat, (book, 1))
    for form in ("csv", "xlsx", "pdf"):
        assert client_for(seat).get(f"/points/file/{form}/?kind=DEBIT").status_code == 200
    told = client_for(seat).get("/points/file/csv/?kind=DEBIT").content.decode()
    assert "Opening balance" not in told
    assert client_for(seat).get("/points/file/exe/").status_code == 404


def test_a_file_that_would_be_too_long_is_not_begun(
    client_for: SignIn, seat: AccountManager, book: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: 2,000 orders would take long
    monkeypatch.setitem(WRITERS, "pdf", WRITERS["pdf"]._replace(most=1))
    for _each in range(2):
        paid(seat, (book, 1))
    answer = client_for(seat).get("/points/file/pdf/", follow=True)
    assert answer.redirect_chain[0][1] == 303
    assert "A file of the form PDF takes at most 1 movements." in said(answer)


def test_files_are_of_the_own_company_only(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    theirs = paid(SeatFactory.create(company__balance=1), (book, 1))
    for form in ("csv", "pdf"):
        content = client_for(seat).get(f"/points/file/{form}/").content
        shown = content.decode() if form == "csv" else texts(content)
        assert theirs.order_number not in shown
