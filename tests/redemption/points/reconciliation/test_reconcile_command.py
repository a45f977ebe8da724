"""`manage.py reconcile`, and the scheduled reconciliation."""

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Company
from redemption.models import (
    LoyaltyTransaction,
    Reconciliation,
    RunOutcome,
)
from redemption.points import tasks
from tests.redemption.points.reconciliation.test_reconciliation import (
    AN_HOUR,
    aged,
    at_partner,
    run_of,
    settled,
)
from tests.redemption.world import World
from tests.support.orders.ageing import earlier

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_command_says_that_all_agrees(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    settled(world)
    aged(world)
    call_command("reconcile")
    said = capsys.readouterr().out
    assert "1 entry, 1,000 points taken, 0 given back, 0 differences" in said
    assert "1 company: agrees." in said


def test_the_command_ends_with_1_and_lists_what_differs(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settled(world)
    aged(world)
    at_partner(world, "UPDATE entry SET points = 999")
    with pytest.raises(CommandError, match="1 with differences") as ended:
        call_command("reconcile", "--company", world.company.loyalty_account_id)
    assert ended.value.returncode == 1
    assert "Other points: " in capsys.readouterr().out


def test_the_command_goes_on_after_a_company_that_cannot_be_compared(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.new_company(points=1)
    at_partner(world, "DELETE FROM account WHERE account_id = ?", world.company.loyalty_account_id)
    with pytest.raises(CommandError, match="2 companies: 1 not compared"):
        call_command("reconcile")
    assert Reconciliation.objects.filter(outcome=RunOutcome.AGREED).count() == 1
    assert "account_not_found" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["name", "loyalty_account_id", "pk"])
def test_the_command_finds_a_company_by_name_account_or_id(world: World, how: str) -> None:
    world.new_company(points=1)
    call_command("reconcile", "--company", str(getattr(world.company, how)), "--since=2026-01-01")
    run = Reconciliation.objects.get()
    assert (run.company, run.since) == (world.company, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("asked", [["--company", "nobody"], ["--since", "yesterday"]])
def test_the_command_says_what_it_does_not_understand(world: World, asked: list[str]) -> None:
    with pytest.raises(CommandError, match=asked[1]):
        call_command("reconcile", *asked)


def test_clocks_of_the_web_and_the_partner_an_hour_apart_lose_no_entry(world: World) -> None:
    """Our clock is ahead: an entry dated after midnight here is from the evening before there."""
    settled(world)
    aged(world, AN_HOUR)
    began = LoyaltyTransaction.objects.get().created_at
    at_partner(world, f"UPDATE entry SET created_at = {earlier(AN_HOUR)}")
    assert run_of(world, since=began).outcome == RunOutcome.AGREED


def test_by_the_clock_each_company_is_compared(world: World) -> None:
    world.new_company(points=1)
    tasks.reconcile_all()  # Redis has no worker here
    for company in Company.objects.all():
        tasks.reconcile_company(str(company.pk))
        tasks.reconcile_company(str(company.pk))  # a task may run twice
    assert Reconciliation.objects.filter(outcome=RunOutcome.AGREED).count() == 4
