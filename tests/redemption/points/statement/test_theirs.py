"""What the loyalty system books by itself: read, named as its own, reconciled with nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager, KnownBalance, LedgerRead, PartnersBooking
from accounts.services import refresh_balance
from redemption.invariants.checks import check_against_ledger
from redemption.models import Incident, RunOutcome
from redemption.points.reconciliation.services import reconcile
from redemption.points.tasks import reconcile_company
from redemption.points.theirs import is_due, look_at_theirs, read_theirs
from redemption.saga.transactions import settle_transaction
from tests.redemption.pages import said
from tests.redemption.points.statement.ledger import differences
from tests.redemption.points.statement.test_statement import words
from tests.redemption.world import World
from tests.support.stack import statement

SignIn = Callable[[AccountManager], Client]
HTMX = {"HX-Request": "true"}


def booked(world: World, kind: str, points: int, description: str = "", **more: str) -> None:
    facts = {"account_id": world.company.loyalty_account_id, "kind": kind, "points": points}
    told = {"description": description} if description else {}
    world.partners.control("POST", "/book", {**facts, **told, **more})


def asked(world: World) -> None:
    """Ask for the balance anew."""
    cache.clear()
    KnownBalance.objects.all().delete()
    world.company.refresh_from_db()
    refresh_balance(company=world.company)


def page(client_for: SignIn, world: World, query: str = "") -> str:
    return words(said(client_for(world.seat).get(f"/points/{query}")))


def test_the_statement_has_what_was_earned_adjusted_and_expired_and_adds_up(
    client_for: SignIn, world: World
) -> None:
    booked(world, "earned", 5_000, "Sales in October")
    order = world.place((world.product(points=1_500), 2))
    settle_transaction(world.debit(order).pk)
    booked(world, "adjusted", -200)
    booked(world, "expired", -700, "Points of 2024")
    asked(world)
    read_theirs(company=world.company)

    told = page(client_for, world)

    assert "101,100 to spend = 101,100 at the loyalty system" in told
    assert "Opening balance 100,000" in told
    assert "Closing balance 101,100" in told
    for total in (
        "Taken 1 movement −3,000",
        "Earned 1 movement +5,000",
        "Expired 1 movement −700",
        "Adjusted 1 movement −200",
    ):
        assert total in told
    listed = told[told.index("What for") :]
    assert "Earned: Sales in October" in listed
    assert "The loyalty system" in listed
    balances = ("101,100", "101,800", "102,000", "105,000")
    places = [listed.index(f" {balance} ") for balance in balances]
    assert places == sorted(places)
    assert "What the loyalty system books by itself is as it told us at" in told


def test_what_was_booked_after_the_balance_is_not_in_it(client_for: SignIn, world: World) -> None:
    asked(world)
    booked(world, "earned", 5_000)
    read_theirs(company=world.company)
    told = page(client_for, world)
    assert "Closing balance 100,000" in told
    assert "Earned" not in told[told.index("What for") if "What for" in told else -1 :]
    asked(world)
    assert "Earned 1 movement +5,000" in page(client_for, world)


def test_its_own_entries_are_reconciled_with_nothing(world: World) -> None:
    booked(world, "earned", 5_000)
    booked(world, "expired", -10)
    entries = world.partners.ledger()["entries"]
    assert len(entries) == 2
    assert check_against_ledger(statement(entries)) == []
    since = timezone.now() - timedelta(days=2)
    run = reconcile(company=world.company, since=since)
    assert run.outcome == RunOutcome.AGREED
    assert run.entries == 0
    assert not Incident.objects.exists()


def test_an_entry_without_a_kind_is_still_reconciled(world: World) -> None:
    """The negative control: the same entry, from a partner that does not say what it is for."""
    then = (timezone.now() - timedelta(days=1)).isoformat()
    booked(world, "earned", 5_000, at=then)
    world.partners.dial(statement_kinds=False)
    world.partners.control("GET", "/ledger")
    run = reconcile(company=world.company, since=timezone.now() - timedelta(days=2))
    assert run.outcome != RunOutcome.AGREED


def test_entries_are_kept_once_however_often_they_are_read(world: World) -> None:
    world.partners.dial(page_size=2)
    for number in range(5):
        booked(world, "earned", 100 + number)
    assert read_theirs(company=world.company)
    assert not read_theirs(company=world.company)
    booked(world, "earned", 1)
    assert look_at_theirs(company=world.company)
    points = PartnersBooking.objects.order_by("at").values_list("points", flat=True)
    assert list(points) == [100, 101, 102, 103, 104, 1]


def test_a_reading_that_breaks_off_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: looks of 200 entries would need as many
    monkeypatch.setattr("redemption.points.theirs.A_LOOK", 2)
    world.partners.dial(page_size=1)
    for number in range(3):
        booked(world, "earned", 100 + number)
    look_at_theirs(company=world.company)
    assert PartnersBooking.objects.count() == 2
    world.partners.fault("statement", "unavailable_503", times=None)
    assert not look_at_theirs(company=world.company)
    assert LedgerRead.objects.get().failed_at is not None
    world.partners.clear_faults()
    look_at_theirs(company=world.company)
    assert PartnersBooking.objects.count() == 3
    assert LedgerRead.objects.get().failed_at is None


def test_the_nightly_task_reads_them(world: World) -> None:
    booked(world, "earned", 5_000)
    reconcile_company(str(world.company.pk))
    assert PartnersBooking.objects.get().points == 5_000


def test_the_page_asks_after_it_was_shown_and_not_again_at_once(
    client_for: SignIn, world: World
) -> None:
    booked(world, "earned", 5_000)
    asked(world)
    client = client_for(world.seat)
    assert 'hx-get="/points/theirs/"' in said(client.get("/points/"))
    answer = client.get("/points/theirs/", headers=HTMX)
    assert (answer.status_code, answer["HX-Trigger"]) == (204, '{"balance-changed": {}}')
    assert not is_due(world.company)
    assert 'hx-get="/points/theirs/"' not in said(client.get("/points/"))
    again = client.get("/points/theirs/", headers=HTMX)
    assert "HX-Trigger" not in again
    assert client.get("/points/theirs/")["Location"] == "/points/"


def test_a_partner_without_a_statement_is_told(
    client_for: SignIn, world: World, settings: Any
) -> None:
    settings.LOYALTY_API_STATEMENT = False
    asked(world)
    assert not read_theirs(company=world.company)
    told = page(client_for, world)
    assert "This loyalty system tells us of nothing else" in told
    assert "theirs" not in said(client_for(world.seat).get("/points/"))


def test_a_partner_without_kinds_is_told(client_for: SignIn, world: World) -> None:
    world.partners.dial(statement_kinds=False)
    booked(world, "earned", 5_000)
    asked(world)
    read_theirs(company=world.company)
    assert not PartnersBooking.objects.exists()
    assert "does not say what it books by itself" in page(client_for, world)


def test_a_partner_that_does_not_answer_is_told(client_for: SignIn, world: World) -> None:
    asked(world)
    assert "was not read yet, and is missing" in page(client_for, world)
    world.partners.fault("statement", "unavailable_503", times=None)
    assert not read_theirs(company=world.company)
    assert "it did not answer" in page(client_for, world)


def test_the_statement_says_whether_reconciliation_agrees(client_for: SignIn, world: World) -> None:
    asked(world)
    assert "It was not compared with the loyalty system’s own statement yet." in page(
        client_for, world
    )
    since = timezone.now() - timedelta(days=2)
    reconcile(company=world.company, since=since)
    assert "It agrees with the loyalty system’s own statement" in page(client_for, world)
    account = world.company.loyalty_account_id
    stray = {
        "transaction_id": "txn_stray",
        "type": "debit",
        "account_id": account,
        "points": 70,
        "reference": "R-STRAY",
        "created_at": (timezone.now() - timedelta(days=1)).isoformat(),
    }
    world.partners.control("POST", "/import", {"entries": [stray]})
    reconcile(company=world.company, since=since)
    assert "1 difference to the loyalty system’s own statement is being looked into" in page(
        client_for, world
    )


def test_the_statement_is_narrowed_to_a_kind_of_theirs_and_has_no_member(
    client_for: SignIn, world: World
) -> None:
    booked(world, "earned", 5_000, "Sales")
    order = world.place((world.product(points=1_500), 2))
    settle_transaction(world.debit(order).pk)
    asked(world)
    read_theirs(company=world.company)
    told = page(client_for, world, "?kind=earned")
    assert "Sales" in told
    assert order.order_number not in told
    assert "Sales" not in page(client_for, world, f"?by={world.seat.pk}")
    assert "Sales" not in page(client_for, world, "?kind=DEBIT")
    taken = client_for(world.seat).get("/points/file/csv/").content.decode()
    assert "Sales" in taken
    assert "The loyalty system" in taken


def test_nobody_sees_what_another_company_earned(client_for: SignIn, world: World) -> None:
    other = world.new_company(points=10)
    world.partners.control(
        "POST",
        "/book",
        {"account_id": other.loyalty_account_id, "kind": "earned", "points": 4_321},
    )
    read_theirs(company=other)
    asked(world)
    assert "4,321" not in page(client_for, world)


def test_the_statement_is_the_ledger_entry_by_entry(world: World) -> None:
    """What the chaos runs ask after each seed, with its negative controls."""
    booked(world, "earned", 5_000)
    order = world.place((world.product(points=1_500), 2))
    assert list(differences(world.partners)) == []  # not taken yet, nothing read yet
    settle_transaction(world.debit(order).pk)
    read_theirs(company=world.company)
    assert list(differences(world.partners)) == []

    booked(world, "earned", 1)
    ((_company, told),) = differences(world.partners)
    assert "only there" in told
    read_theirs(company=world.company)
    assert list(differences(world.partners)) == []
    PartnersBooking.objects.filter(points=1).update(points=2)
    assert len(list(differences(world.partners))) == 1
