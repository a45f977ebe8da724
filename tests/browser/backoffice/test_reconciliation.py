"""Reconciliation in a browser: with the statement, with a file, and the differences found."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta

import pgtrigger
import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from accounts.models import Company
from redemption.models import LoyaltyTransaction, Reconciliation, RedemptionOrder
from tests.browser.scene import Scene
from tests.browser.window import WCAG, Window
from tests.support.stack import Stack
from tests.support.staff import staff
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
LIST = "/admin/redemption/reconciliation/"
HEADER = "transaction_id,type,account_id,points,reference,created_at"


@pytest.fixture(autouse=True)
def put_right(stack: Stack) -> Iterator[None]:
    """Restore the partner's entries that a test changed, or later comparisons would find them."""
    yield
    orders = RedemptionOrder.objects.filter(total_points=1_500)
    numbers = [(number,) for number in orders.values_list("order_number", flat=True)]
    with sqlite3.connect(stack.sandbox.data_dir / "sandbox.sqlite3", timeout=10) as books:
        books.executemany(
            "UPDATE entry SET points = 1500 WHERE points = 999 AND reference = ?", numbers
        )
    books.close()


def paid_an_hour_ago(scene: Scene, stack: Stack, *, points_there: int = 1_500) -> Company:
    """A company that redeemed one card; the partner's entry says `points_there`."""
    seat = scene.new_seat("buyer", scene.new_company(points=100_000))
    order = scene.place((scene.card, 1), seat=seat)
    eventually(lambda: stack.ends(order.order_number), "the card is delivered")
    then = timezone.now() - timedelta(hours=1)
    with pgtrigger.ignore():
        debits = LoyaltyTransaction.objects.filter(order=order)
        debits.update(created_at=then, first_sent_at=then, settled_at=then)
    with sqlite3.connect(stack.sandbox.data_dir / "sandbox.sqlite3", timeout=10) as books:
        books.execute(
            "UPDATE entry SET created_at = ?, points = ? WHERE reference = ?",
            (f"{then:%Y-%m-%dT%H:%M:%S.000Z}", points_there, order.order_number),
        )
    books.close()
    return seat.company


def the_debit(company: Company) -> LoyaltyTransaction:
    return LoyaltyTransaction.objects.select_related("order").get(company=company)


def choose_company(page: Page, form: Locator, company: Company) -> None:
    form.locator(".select2-selection").click()
    page.locator(".select2-search__field").fill(company.name)
    page.get_by_role("option", name=company.name).click()


def compare_now(page: Page, company: Company) -> None:
    """Start a comparison from the list, from yesterday on in case midnight was an hour ago."""
    page.goto(LIST)
    page.get_by_role("link", name="Compare now").click()
    form = page.locator("form[action$='compare/statement/']")
    choose_company(page, form, company)
    form.get_by_label("From").fill(f"{timezone.now() - timedelta(days=1):%Y-%m-%d}")
    form.get_by_role("button", name="Compare now").click()
    expect(page).to_have_url(re.compile(r"/reconciliation/[0-9a-f-]{36}/change/$"))


def send_file(page: Page, company: Company, *rows: str) -> None:
    page.goto(f"{LIST}compare/")
    form = page.locator("form[action$='compare/file/']")
    today = timezone.now().astimezone(UTC).date()
    text = "\n".join((HEADER, *rows)).encode()
    form.locator("input[type=file]").set_input_files(
        {"name": "statement.csv", "mimeType": "text/csv", "buffer": text}
    )
    form.get_by_label("First day").fill(str(today - timedelta(days=1)))
    form.get_by_label("Last day").fill(str(today))
    choose_company(page, form, company)
    form.get_by_role("button", name="Compare with this file").click()


def row_for(debit: LoyaltyTransaction, *, points: int | str = 1_500) -> str:
    account, number = debit.company.loyalty_account_id, debit.order.order_number
    at = f"{debit.settled_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"{debit.external_transaction_id},debit,{account},{points},{number},{at}"


def test_reconciliation_is_for_everybody(scene: Scene, stack: Stack, open_window: Opener) -> None:
    company = paid_an_hour_ago(scene, stack, points_there=999)
    window = open_window(staff("finance"))
    compare_now(window.page, company)
    run = Reconciliation.objects.get(company=company)
    paths = (LIST, f"{LIST}{run.pk}/change/", f"{LIST}compare/")
    assert window.finds_for_everybody(paths) == []


def test_finance_compares_now_and_follows_a_difference_to_its_incident(
    scene: Scene, stack: Stack, open_window: Opener
) -> None:
    company = paid_an_hour_ago(scene, stack, points_there=999)
    page = open_window(staff("finance")).page
    compare_now(page, company)
    main = page.get_by_role("main")
    expect(main).to_contain_text("Differences")
    expect(main).to_contain_text("Other points")
    run = page.url

    page.get_by_role("link", name=re.compile("Open|incident", re.IGNORECASE)).last.click()
    expect(page.get_by_role("main")).to_contain_text("Nothing else is repaired automatically")
    page.get_by_role("link", name=re.compile(re.escape(company.name) + " ")).click()
    expect(page).to_have_url(run)


def test_what_agrees_is_in_the_history_with_its_day(
    scene: Scene, stack: Stack, open_window: Opener
) -> None:
    company, fay = paid_an_hour_ago(scene, stack), staff("finance")
    page = open_window(fay).page
    compare_now(page, company)
    expect(page.get_by_role("main")).to_contain_text("All agrees")
    page.goto(f"{LIST}?q={company.loyalty_account_id}")
    row = page.locator("#result_list tr", has_text=company.name)
    expect(row).to_contain_text("All agrees")
    expect(row).to_contain_text(str(fay))


def test_a_file_is_compared_and_a_wrong_one_names_its_rows(
    scene: Scene, stack: Stack, open_window: Opener
) -> None:
    company = paid_an_hour_ago(scene, stack)
    debit = the_debit(company)
    window = open_window(staff("finance"))
    page = window.page
    send_file(page, company, row_for(debit, points="many"))
    expect(page.get_by_role("main")).to_contain_text("Row 2")
    expect(page.get_by_role("main")).to_contain_text("many")
    assert window.axe_finds(WCAG) == []
    assert not Reconciliation.objects.filter(company=company).exists()

    send_file(page, company, row_for(debit))
    expect(page.get_by_role("main")).to_contain_text("All agrees")
    expect(page.get_by_role("main")).to_contain_text("Uploaded file")

    send_file(page, company, row_for(debit, points=999))
    expect(page.get_by_role("main")).to_contain_text("Other points")
    outcomes = Reconciliation.objects.filter(company=company).order_by("started_at")
    assert list(outcomes.values_list("outcome", "source")) == [
        ("AGREED", "FILE"),
        ("DIFFERS", "FILE"),
    ]


def test_a_partner_that_does_not_answer_is_said_so(
    scene: Scene, stack: Stack, open_window: Opener
) -> None:
    company = paid_an_hour_ago(scene, stack)
    stack.sandbox.fault("statement", "unavailable_503", times=None)
    page = open_window(staff("finance")).page
    compare_now(page, company)
    expect(page.get_by_role("main")).to_contain_text("The partner did not answer")
    expect(page.get_by_role("main")).to_contain_text("Nothing was compared.")
