"""Reconciliation runs: one at a time, by days, failing ones, and after restoring a backup."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Company
from redemption.models import (
    Incident,
    LoyaltyTransaction,
    Reconciliation,
    RedemptionOrder,
    RunOutcome,
    StatementLine,
)
from redemption.points import tasks
from redemption.points.reconciliation import services
from redemption.points.reconciliation.selectors import due_since, latest_runs, midnight
from redemption.points.reconciliation.services import ReconciliationError, reconcile
from redemption.saga.transactions import settle_transaction
from redemption.states import DifferenceKind
from tests.redemption.points.reconciliation.test_reconciliation import (
    AN_HOUR,
    aged,
    at_partner,
    copied,
    run_of,
    settled,
    the_difference,
)
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_partner_that_breaks_off_makes_a_failed_run_and_changes_nothing(world: World) -> None:
    settled(world)
    settled(world)
    aged(world)
    at_partner(world, "UPDATE entry SET points = 999")
    assert run_of(world).difference_count == 2
    world.partners.dial(page_size=1)
    at_partner(world, "UPDATE entry SET reference = '' WHERE seq = (SELECT max(seq) FROM entry)")
    run = run_of(world)
    assert (run.outcome, run.difference_count) == (RunOutcome.FAILED, 0)
    assert "did not answer" in run.problem
    assert Incident.objects.unresolved().count() == 2
    assert not StatementLine.objects.exists()


def test_a_partner_that_knows_no_account_or_statement_is_said_so(world: World) -> None:
    world.partners.fault("statement", "refuse", status=404, code="account_not_found")
    assert "account_not_found" in run_of(world).problem


def test_pages_are_read_one_after_another_and_kept_in_pieces(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that eight entries come in several pieces
    monkeypatch.setattr("redemption.points.reconciliation.statements.PIECE", 2)
    monkeypatch.setattr("redemption.points.reconciliation.tally.PIECE", 2)
    order = settled(world)
    for number in range(7):
        name = f"txn_{number}"
        copied(world, order, transaction_id=name, reference=f"R-{number}", points=number + 1)
    aged(world)
    world.partners.dial(page_size=3)
    run = run_of(world)
    assert (run.entries, run.matched, run.difference_count) == (8, 1, 7)
    assert Incident.objects.unresolved().count() == 7


def test_a_company_is_compared_once_at_a_time(world: World) -> None:
    run = run_of(world)
    with pgtrigger.ignore():
        Reconciliation.objects.filter(pk=run.pk).update(
            outcome=RunOutcome.RUNNING, finished_at=None
        )
    with pytest.raises(ReconciliationError, match="at this moment"):
        reconcile(company=world.company)
    Reconciliation.objects.update(started_at=timezone.now() - timedelta(hours=3))
    assert run_of(world).outcome == RunOutcome.AGREED
    run.refresh_from_db()
    assert (run.outcome, run.problem) == (RunOutcome.FAILED, "It was stopped in the middle.")


def test_a_failure_of_ours_is_written_into_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise ZeroDivisionError

    # replaced: an error of ours, which nothing from outside causes
    monkeypatch.setattr(services, "compare", broken)
    with pytest.raises(ZeroDivisionError):
        reconcile(company=world.company)
    run = Reconciliation.objects.get()
    assert (run.outcome, run.problem) == (RunOutcome.FAILED, "It failed here: ZeroDivisionError")


def test_the_beginning_cannot_lie_in_the_future(world: World) -> None:
    with pytest.raises(ReconciliationError, match="nothing to compare"):
        reconcile(company=world.company, since=timezone.now())


def test_a_partner_without_a_statement_is_not_asked_for_one(world: World, settings: Any) -> None:
    settings.LOYALTY_API_STATEMENT = False
    with pytest.raises(ReconciliationError, match="Upload"):
        reconcile(company=world.company)
    tasks.reconcile_all()
    assert not Reconciliation.objects.exists()


def test_days_begin_at_midnight_utc() -> None:
    assert midnight(datetime(2026, 3, 1, 23, 59, tzinfo=UTC)) == datetime(2026, 3, 1, tzinfo=UTC)


def test_the_database_keeps_one_run_at_a_time_and_ends_with_an_outcome(world: World) -> None:
    run = run_of(world)
    rows = Reconciliation.objects.filter(pk=run.pk)
    for wrong in ({"finished_at": None}, {"until": run.since}, {"outcome": "SOON"}):
        with pytest.raises(IntegrityError), pgtrigger.ignore(), transaction.atomic():
            rows.update(**wrong)


# --- A restored backup -----------------------------------------------------------------------


def test_after_last_nights_backup_what_is_newer_at_the_partner_is_listed_and_not_taken_again(
    world: World,
) -> None:
    begun = world.place((world.product(points=300), 1))  # its debit is not sent yet
    backup = connection.creation.serialize_db_to_string()
    settle_transaction(world.debit(begun).pk)
    lost = settled(world, points=700)
    with pgtrigger.ignore():
        call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
        connection.creation.deserialize_db_from_string(backup)
    assert not RedemptionOrder.objects.filter(pk=lost.pk).exists()
    aged(world, AN_HOUR)
    make_all_due()
    settle_transaction(world.debit(begun).pk)
    LoyaltyTransaction.objects.update(settled_at=timezone.now() - AN_HOUR)
    assert world.ledger(begun) == (300, 0)  # the same key, so the same entry
    difference = the_difference(run_of(world), DifferenceKind.MISSING_HERE)
    assert lost.order_number in difference.what
    assert difference.points_there == 700
    assert world.ledger(lost) == (700, 0)


def test_days_that_a_run_over_later_ones_left_out_are_compared_by_the_next(world: World) -> None:
    """After nights that failed, somebody compared today alone. A difference of those days must
    not stay unseen.
    """
    Company.objects.update(created_at=timezone.now() - timedelta(days=6))
    run_of(world)
    with pgtrigger.ignore():
        Reconciliation.objects.update(
            since=timezone.now() - timedelta(days=7), until=timezone.now() - timedelta(days=5)
        )
    order = settled(world)
    aged(world, timedelta(days=3))
    at_partner(world, "UPDATE entry SET points = 999")
    today = run_of(world, since=midnight(timezone.now()))
    assert today.outcome == RunOutcome.AGREED
    [row] = latest_runs()
    assert row.gap_from  # type: ignore[attr-defined]
    night = run_of(world)
    assert the_difference(night, DifferenceKind.AMOUNT).order == order
    [row] = latest_runs()
    assert row.gap_from is None  # type: ignore[attr-defined]


def test_a_first_run_over_some_days_leaves_the_earlier_ones_due(world: World) -> None:
    Company.objects.update(created_at=timezone.now() - timedelta(days=6))
    run_of(world, since=timezone.now() - timedelta(days=2))
    assert due_since(Company.objects.get()) == midnight(timezone.now() - timedelta(days=6))


def test_a_run_over_other_days_does_not_hide_an_open_difference(world: World) -> None:
    settled(world)
    aged(world, timedelta(days=3))
    at_partner(world, "UPDATE entry SET points = 999")
    the_difference(run_of(world), DifferenceKind.AMOUNT)
    assert run_of(world, since=timezone.now() - AN_HOUR).outcome == RunOutcome.AGREED
    [row] = latest_runs()
    assert row.last_outcome == RunOutcome.DIFFERS  # type: ignore[attr-defined]
