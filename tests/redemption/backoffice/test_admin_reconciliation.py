"""Reconciliation in the admin: days, runs, differences, and starting a run."""

from datetime import UTC, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty_portal.data.actor import Actor
from redemption.backoffice import forms
from redemption.models import (
    Difference,
    Incident,
    LoyaltyTransaction,
    Reconciliation,
    RunOutcome,
    StatementLine,
)
from redemption.orders.actions.cancelling import cancel
from redemption.points.reconciliation.services import reconcile
from redemption.saga.transactions import settle_transaction
from redemption.states import DifferenceKind
from tests.catalog.importing.command import swollen, workbook
from tests.redemption.points.reconciliation.test_reconciliation import (
    AN_HOUR,
    aged,
    at_partner,
    settled,
)
from tests.redemption.world import World
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/redemption/reconciliation/"
COMPARE = f"{LIST}compare/"
HEADER = "transaction_id,type,account_id,points,reference,created_at"


@pytest.fixture
def finance() -> Client:
    return browser(staff("finance"))


def page_of(run: Reconciliation) -> str:
    return reverse("admin:redemption_reconciliation_change", args=[run.pk])


def statement_file(*transactions: LoyaltyTransaction, **changes: object) -> str:
    lines = [HEADER]
    for each in transactions:
        assert each.settled_at
        told = {
            "id": each.external_transaction_id,
            "type": each.transaction_type.lower(),
            "account": each.company.loyalty_account_id,
            "points": each.points_amount,
            "reference": each.order.order_number,
            "at": each.settled_at.isoformat(),
        } | changes
        lines.append(",".join(map(str, told.values())))
    return "\n".join(lines)


def upload(client: Client, text: str | bytes, *, name: str = "statement.csv", **asked: Any) -> Any:
    today = timezone.now().astimezone(UTC).date()
    data = {"since": str(today - timedelta(days=1)), "last": str(today), **asked}
    raw = text if isinstance(text, bytes) else text.encode()
    data["file"] = SimpleUploadedFile(name, raw)
    return client.post(f"{COMPARE}file/", data)


def paid(world: World, **wanted: int) -> LoyaltyTransaction:
    order = settled(world, **wanted)
    aged(world)
    return order.transactions.get()


def test_the_days_show_what_agrees_and_what_does_not(world: World, finance: Client) -> None:
    paid(world)
    at_partner(world, "UPDATE entry SET points = 999")
    other = world.new_company(points=1)
    run, fine = reconcile(company=world.company), reconcile(company=other)
    page = finance.get(LIST).content.decode()
    assert "≠ 1" in page
    assert "✓ 0" in page
    assert page_of(run) in page
    assert page_of(fine) in page
    assert "Differences" in page


def test_a_runs_page_links_its_differences_to_order_and_incident(
    world: World, finance: Client
) -> None:
    debit = paid(world)
    at_partner(world, "UPDATE entry SET points = 999")
    run = reconcile(company=world.company)
    page = finance.get(page_of(run)).content.decode()
    incident = Incident.objects.get()
    for shown in (
        "Other points", "999", debit.order.order_number,
        reverse("admin:redemption_incident_change", args=[incident.pk]),
        reverse("admin:redemption_redemptionorder_change", args=[debit.order_id]),
        reverse("admin:redemption_loyaltytransaction_change", args=[debit.pk]),
    ):  # fmt: skip
        assert shown in page


def test_comparing_now_shows_the_run_and_who_asked_for_it(world: World, finance: Client) -> None:
    paid(world)
    answer = finance.post(f"{COMPARE}statement/", {"company": world.company.pk, "since": ""})
    run = Reconciliation.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, page_of(run))
    assert (run.outcome, run.matched) == (RunOutcome.AGREED, 1)
    assert run.by is not None


def test_a_partner_that_is_down_is_said_on_the_runs_page(world: World, finance: Client) -> None:
    world.partners.fault("statement", "unavailable_503", times=None)
    data = {"company": world.company.pk, "since": "2026-01-01"}
    page = finance.post(f"{COMPARE}statement/", data, follow=True).content.decode()
    assert "The partner did not answer" in page
    assert "Nothing was compared." in page


def test_what_cannot_be_compared_is_said_above_the_form(world: World, finance: Client) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    data = {"company": world.company.pk, "since": tomorrow.date()}
    answer = finance.post(f"{COMPARE}statement/", data)
    assert answer.status_code == 422
    assert "nothing to compare yet" in answer.content.decode()


def test_a_partner_without_a_statement_leaves_the_file(
    world: World, finance: Client, settings: Any
) -> None:
    assert "compare/statement/" in finance.get(COMPARE).content.decode()
    settings.LOYALTY_API_STATEMENT = False
    page = finance.get(COMPARE).content.decode()
    assert "compare/statement/" not in page
    assert "multipart/form-data" in page


def test_a_file_that_agrees_is_compared_as_the_statement_is(world: World, finance: Client) -> None:
    debit = paid(world)
    answer = upload(finance, statement_file(debit))
    run = Reconciliation.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, page_of(run))
    assert (run.outcome, run.entries, run.matched) == (RunOutcome.AGREED, 1, 1)
    assert not StatementLine.objects.exists()


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"points": 5}, DifferenceKind.AMOUNT),
        ({"account": "ACC-strange"}, DifferenceKind.ACCOUNT),
        ({"type": "credit"}, DifferenceKind.OTHER),
    ],
)
def test_a_file_with_an_entry_that_differs_makes_an_incident(
    world: World, finance: Client, changes: dict[str, object], kind: str
) -> None:
    debit = paid(world)
    upload(finance, statement_file(debit, **changes), company=world.company.pk)
    difference = Difference.objects.get()
    assert (difference.kind, difference.transaction) == (kind, debit)
    assert Incident.objects.get() == difference.incident


def test_a_file_may_tell_on_which_debit_a_credit_was_booked(world: World, finance: Client) -> None:
    order = settled(world)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    credit = world.credits(order)[0]
    settle_transaction(credit.pk)
    aged(world)
    lines = statement_file(world.debit(order), world.credits(order)[0]).splitlines()
    own = world.debit(order).external_transaction_id
    for number, outcome in ((own, RunOutcome.AGREED), ("txn_other", RunOutcome.DIFFERS)):
        told = [f"{HEADER},original_transaction_id", f"{lines[1]},", f"{lines[2]},{number}"]
        upload(finance, "\n".join(told), company=world.company.pk)
        assert Reconciliation.objects.latest("started_at").outcome == outcome
    assert Difference.objects.get().kind == DifferenceKind.WRONG_DEBIT


def test_a_file_may_tell_what_the_partner_booked_by_itself(world: World, finance: Client) -> None:
    own, theirs = (statement_file(paid(world), type="debit").splitlines()[1] for _each in range(2))
    theirs = theirs.replace("txn_", "own_")
    for kind, entries in (("earned", 2), ("redemption", 3)):
        second = statement_file(*LoyaltyTransaction.objects.order_by("created_at")[1:]).splitlines()
        told = [f"{HEADER},kind", f"{own},", f"{second[1]},refund", f"{theirs},{kind}"]
        upload(finance, "\n".join(told), company=world.company.pk)
        run = Reconciliation.objects.latest("started_at")
        assert run.entries == entries
        assert run.outcome == (RunOutcome.AGREED if kind == "earned" else RunOutcome.DIFFERS)


def test_a_workbook_is_compared_like_a_text_file(world: World, finance: Client) -> None:
    debit = paid(world)
    assert debit.settled_at
    sheet = workbook(
        HEADER.split(","),
        [
            debit.external_transaction_id, "debit", world.company.loyalty_account_id,
            debit.points_amount, debit.order.order_number,
            debit.settled_at.astimezone(UTC).replace(tzinfo=None),
        ],
    )  # fmt: skip
    answer = upload(finance, sheet, name="statement.xlsx", company=world.company.pk)
    run = Reconciliation.objects.get()
    assert (answer.status_code, run.outcome, run.matched) == (303, RunOutcome.AGREED, 1)


def test_a_workbook_that_unpacks_to_hundreds_of_megabytes_is_refused_unread(
    world: World, finance: Client
) -> None:
    answer = upload(finance, swollen(workbook(HEADER.split(","))), name="statement.xlsx")
    assert answer.status_code == 422
    assert "unpacks to 300 MB" in answer.content.decode()


def test_a_file_without_our_entry_and_with_a_strange_one_makes_two(
    world: World, finance: Client
) -> None:
    debit = paid(world)
    upload(finance, statement_file(debit, id="txn_x", reference="R-X"))
    kinds = Difference.objects.values_list("kind", flat=True)
    assert set(kinds) == {DifferenceKind.MISSING_HERE, DifferenceKind.MISSING_THERE}


def test_a_file_of_all_companies_makes_a_run_for_each_and_tells_of_strange_accounts(
    world: World, finance: Client
) -> None:
    first = paid(world)
    other = world.new_company(points=1)
    text = statement_file(first) + (
        f"\ntxn_y,debit,{other.loyalty_account_id},5,R-Y,{timezone.now() - AN_HOUR:%FT%TZ}"
        f"\ntxn_z,debit,SOMEBODY-ELSE,5,R-Z,{timezone.now() - AN_HOUR:%FT%TZ}"
    )
    page = finance.get(upload(finance, text)["Location"]).content.decode()
    assert "1 entry is on an account that no company has." in page
    assert "2 companies compared." in page
    outcomes = dict(Reconciliation.objects.values_list("company__name", "outcome"))
    assert outcomes == {world.company.name: "AGREED", other.name: "DIFFERS"}


def test_a_file_of_another_company_is_refused_and_nothing_is_compared(
    world: World, finance: Client
) -> None:
    mine, other = paid(world), world.new_company(points=1)
    of_other = statement_file(mine, id="txn_y", account=other.loyalty_account_id)
    answer = upload(finance, of_other, company=str(world.company.pk))
    assert answer.status_code == 422
    told = (
        f"This file has nothing of {world.company.name} (account "
        f"{world.company.loyalty_account_id}). Its account is {other.loyalty_account_id}."
    )
    assert told in answer.content.decode()
    assert not Reconciliation.objects.exists()
    assert not Incident.objects.exists()
    # One of its transactions on a wrong account is a difference, so such a file is compared.
    swapped = statement_file(mine, account=other.loyalty_account_id)
    assert upload(finance, swapped, company=str(world.company.pk)).status_code == 303
    assert Reconciliation.objects.get().outcome == "DIFFERS"


def test_each_wrong_row_is_named_and_nothing_is_compared(world: World, finance: Client) -> None:
    debit = paid(world)
    rows = (
        "txn_2,transfer,A,5,R-1,2026-11-01T00:00:00Z",
        "txn_3,debit,A,many,R-1,2026-11-01T00:00:00Z",
        ",debit,A,5,R-1,2026-11-01T00:00:00Z",
        "txn_5,debit,A,5,R-1,yesterday",
        "txn_6,debit",
    )
    text = "\n".join((statement_file(debit), *rows))
    answer = upload(finance, text)
    page = answer.content.decode()
    assert answer.status_code == 422
    for row in ("Row 3", "Row 4", "Row 5", "Row 6", "Row 7", "transfer", "many", "yesterday"):
        assert row in page
    assert "Row 2" not in page
    assert not Reconciliation.objects.exists()
    assert not StatementLine.objects.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2", "These columns are missing"),
        (HEADER, "no rows below the header"),
        (f'{HEADER}\n"open', "quote left open"),
        (f"{HEADER}\n\0", "NUL"),
        ("PK\x03\x04 no workbook", "cannot be opened"),
    ],
)
def test_a_file_that_is_none_is_refused(
    world: World, finance: Client, text: str, said: str
) -> None:
    answer = upload(finance, text)
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_a_file_too_large_is_refused(
    world: World, finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that a small file is too large
    monkeypatch.setattr(forms, "LARGEST_STATEMENT", 10)
    assert "larger than" in upload(finance, HEADER).content.decode()


def test_days_in_the_wrong_order_are_refused(world: World, finance: Client) -> None:
    answer = upload(finance, statement_file(paid(world)), since="2026-11-02", last="2026-11-01")
    assert "before the first" in answer.content.decode()


def test_auditors_look_and_run_nothing(world: World) -> None:
    run = reconcile(company=world.company)
    auditor = browser(staff("auditor"))
    assert auditor.get(LIST).status_code == auditor.get(page_of(run)).status_code == 200
    assert "compare/" not in auditor.get(LIST).content.decode()
    for address in (COMPARE, f"{COMPARE}statement/", f"{COMPARE}file/"):
        assert auditor.post(address).status_code == 403
    assert browser(staff("support")).get(LIST).status_code == 403
    assert Reconciliation.objects.count() == 1


def test_nothing_of_a_run_can_be_changed(world: World, finance: Client) -> None:
    run = reconcile(company=world.company)
    assert finance.post(page_of(run), {"outcome": "AGREED"}).status_code == 405
    assert finance.get(f"{LIST}add/").status_code == 403
    assert finance.get(f"{COMPARE}nothing/").status_code == 404
