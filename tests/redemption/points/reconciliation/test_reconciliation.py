"""Each kind of difference to the partner's statement is found once, and ends when it is
resolved.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from fulfillment.models import Fulfillment
from fulfillment.services import cannot_supply
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.incidents.services import resolve
from redemption.models import (
    Difference,
    Incident,
    LoyaltyTransaction,
    ReconciledDay,
    Reconciliation,
    RedemptionOrder,
    RunOutcome,
    StatementLine,
)
from redemption.orders.actions.cancelling import cancel
from redemption.points.reconciliation.selectors import due_since, midnight
from redemption.points.reconciliation.services import MARGIN, reconcile
from redemption.saga.transactions import settle_transaction
from redemption.states import DifferenceKind, IncidentKind, IncidentStatus, TransactionStatus
from tests.redemption.world import World, make_all_due
from tests.support.orders.ageing import earlier, in_ledger, make_older

pytestmark = pytest.mark.django_db(transaction=True)
AN_HOUR = timedelta(hours=1)


def aged(world: World, age: timedelta = AN_HOUR) -> None:
    """Move everything so far an hour into the past, here and at the partner."""
    make_older(world.partners, age)


def at_partner(world: World, sql: str, *values: object) -> None:
    """Change the partner's ledger directly with SQL."""
    in_ledger(world.partners, sql, *values)


def settled(world: World, *, points: int = 1_000) -> RedemptionOrder:
    order = world.place((world.product(points=points), 1))
    settle_transaction(world.debit(order).pk)
    order.refresh_from_db()
    return order


def entry_of(order: RedemptionOrder) -> str:
    return order.transactions.get().external_transaction_id


def run_of(world: World, **asked: Any) -> Reconciliation:
    run = reconcile(company=world.company, **asked)
    run.refresh_from_db()
    return run


def the_difference(run: Reconciliation, kind: DifferenceKind) -> Difference:
    assert run.outcome == RunOutcome.DIFFERS
    [difference] = run.differences.all()
    assert difference.kind == kind
    assert difference.incident is not None
    assert difference.incident.kind == IncidentKind.RECONCILIATION
    assert difference.incident.company == run.company
    assert difference.incident.what == difference.what
    return difference


def copied(world: World, order: RedemptionOrder, **changes: object) -> None:
    """Copy the debit's entry at the partner, with changes."""
    names = (
        "transaction_id, type, account_id, points, reference, original_transaction_id,"
        " balance_after, created_at, idempotency_key"
    )
    told = ", ".join("?" if name in changes else name for name in names.split(", "))
    values = [changes[name] for name in names.split(", ") if name in changes]
    sql = f"INSERT INTO entry ({names}) SELECT {told} FROM entry WHERE transaction_id = ?"
    at_partner(world, sql, *values, entry_of(order))


def test_a_run_in_which_all_agrees_says_so_with_its_figures(world: World) -> None:
    first = settled(world)
    settled(world, points=700)
    cancel(order=first, by=Actor.in_seat(world.seat), reason="not needed")
    settle_transaction(world.credits(first)[0].pk)
    aged(world)
    run = run_of(world)
    assert (run.outcome, run.problem, run.difference_count) == (RunOutcome.AGREED, "", 0)
    assert (run.entries, run.matched, run.waiting) == (3, 3, 0)
    assert (run.points_taken, run.points_given_back) == (1_700, 1_000)
    assert run.finished_at is not None
    assert not Incident.objects.exists()
    assert not StatementLine.objects.exists()


def test_each_day_has_its_figures_also_one_on_which_nothing_moved(world: World) -> None:
    settled(world)
    aged(world, timedelta(days=2))
    settled(world, points=700)
    aged(world)
    run_of(world)
    days = ReconciledDay.objects.filter(company=world.company).order_by("day")
    moved = [day.points_taken for day in days if day.entries]
    assert moved == [1_000, 700]
    assert sum(day.matched for day in days) == 2
    assert len(days) >= 3


def test_what_is_done_here_and_missing_there_is_found_and_goes_by_itself(world: World) -> None:
    order = settled(world)
    aged(world)
    entry = entry_of(order)
    at_partner(world, "UPDATE entry SET account_id = 'GONE'")
    difference = the_difference(run_of(world), DifferenceKind.MISSING_THERE)
    assert (difference.order, difference.transaction) == (order, world.debit(order))
    assert order.order_number in difference.what
    assert entry in difference.what
    at_partner(world, "UPDATE entry SET account_id = ?", world.company.loyalty_account_id)
    assert run_of(world).outcome == RunOutcome.AGREED
    incident = Incident.objects.get()
    assert (incident.status, incident.resolved_by) == (IncidentStatus.RESOLVED, None)
    assert "agree again" in incident.evidence


def test_an_entry_of_which_we_know_nothing_is_found(world: World) -> None:
    order = settled(world)
    copied(world, order, transaction_id="txn_x", reference="R-NOBODYS", points=5)
    aged(world)
    difference = the_difference(run_of(world), DifferenceKind.MISSING_HERE)
    assert (difference.order, difference.transaction, difference.entry) == (None, None, "txn_x")
    assert "R-NOBODYS" in difference.what


def test_an_entry_for_what_was_refused_here_is_found(world: World) -> None:
    order = settled(world)
    declined = world.place((world.product(points=90_000, stocked=5), 2))
    settle_transaction(world.debit(declined).pk)
    assert world.debit(declined).status == TransactionStatus.REFUSED
    copied(world, order, transaction_id="txn_x", reference=declined.order_number, points=180_000)
    aged(world)
    difference = the_difference(run_of(world), DifferenceKind.MISSING_HERE)
    assert difference.transaction == world.debit(declined)


def test_other_points_are_found(world: World) -> None:
    order = settled(world)
    aged(world)
    at_partner(world, "UPDATE entry SET points = 999")
    difference = the_difference(run_of(world), DifferenceKind.AMOUNT)
    assert (difference.points_there, difference.points_here) == (999, 1_000)
    assert difference.order == order


def test_points_taken_from_another_companys_account_are_found_in_both(world: World) -> None:
    settled(world)
    other = world.new_company(points=5_000)
    aged(world)
    at_partner(world, "UPDATE entry SET account_id = ?", other.loyalty_account_id)
    yesterday = timezone.now() - timedelta(days=1)  # an hour ago may be that
    run = reconcile(company=other, since=yesterday)
    difference = the_difference(run, DifferenceKind.ACCOUNT)
    assert world.company.loyalty_account_id in difference.what
    assert other.loyalty_account_id in difference.what
    the_difference(run_of(world), DifferenceKind.MISSING_THERE)


def test_points_taken_twice_for_one_debit_are_found(world: World) -> None:
    order = settled(world)
    copied(world, order, transaction_id="txn_again")
    aged(world)
    difference = the_difference(run_of(world), DifferenceKind.DUPLICATE)
    assert (difference.order, difference.entry) == (order, "txn_again")


def test_two_credits_of_the_same_points_are_no_duplicates_and_a_third_is(world: World) -> None:
    order = world.place((world.product(), 1), (world.product(), 1))
    settle_transaction(world.debit(order).pk)
    for parcel in Fulfillment.objects.filter(label=order.order_number):
        cannot_supply(fulfillment=parcel, quantity=None, reason="Broken", by=SYSTEM)
    for credit in world.credits(order):
        settle_transaction(credit.pk)
    aged(world)
    assert run_of(world).outcome == RunOutcome.AGREED
    first, second = world.credits(order)  # one for each line
    assert first.points_amount == second.points_amount
    at_partner(
        world,
        "INSERT INTO entry (transaction_id, type, account_id, points, reference, balance_after,"
        " created_at) SELECT 'txn_third', type, account_id, points, reference, balance_after,"
        " created_at FROM entry WHERE transaction_id = ?",
        first.external_transaction_id,
    )
    yesterday = timezone.now() - timedelta(days=1)  # an hour ago may be that
    the_difference(run_of(world, since=yesterday), DifferenceKind.DUPLICATE)


def test_an_entry_of_another_kind_or_order_is_found(world: World) -> None:
    order = settled(world)
    aged(world)
    at_partner(world, "UPDATE entry SET reference = 'R-OTHER'")
    difference = the_difference(run_of(world), DifferenceKind.OTHER)
    assert difference.order == order


def test_an_answer_that_was_lost_is_not_yet_known_here_and_no_difference(world: World) -> None:
    world.partners.fault("debit", "error_500_after")
    order = settled(world)
    assert world.debit(order).status == TransactionStatus.UNKNOWN
    aged(world)
    run = run_of(world)
    assert (run.outcome, run.waiting, run.matched) == (RunOutcome.AGREED, 1, 0)
    assert not Incident.objects.exists()


def test_what_nobody_asks_about_any_more_is_a_difference_that_says_it_took_place(
    world: World, settings: Any
) -> None:
    world.partners.fault("debit", "error_500_after")
    order = settled(world)
    settings.LOYALTY_API_KEY_RETENTION = 60
    aged(world)
    make_all_due()
    settle_transaction(world.debit(order).pk)
    assert world.debit(order).status == TransactionStatus.NEEDS_REVIEW
    difference = the_difference(run_of(world), DifferenceKind.MISSING_HERE)
    assert difference.transaction == world.debit(order)
    assert difference.entry


def test_what_is_younger_than_the_margin_is_left_to_the_next_run(world: World) -> None:
    order = settled(world)
    copied(world, order, transaction_id="txn_x", reference="R-NOBODYS")
    at_partner(world, "UPDATE entry SET account_id = 'GONE' WHERE reference <> 'R-NOBODYS'")
    run = run_of(world)
    assert (run.outcome, run.entries) == (RunOutcome.AGREED, 0)
    aged(world, MARGIN + timedelta(minutes=1))
    assert run_of(world, since=timezone.now() - AN_HOUR).difference_count == 2


@pytest.mark.parametrize("minutes", [-9, 9])
def test_clocks_that_differ_by_less_than_the_margin_make_no_difference(
    world: World, minutes: int
) -> None:
    """At both ends: one entry just after the beginning, one just before the end."""
    settled(world)
    aged(world, timedelta(days=1))
    settled(world)
    aged(world, MARGIN + timedelta(seconds=30))
    at_partner(world, f"UPDATE entry SET created_at = {earlier(timedelta(minutes=minutes))}")
    first = LoyaltyTransaction.objects.order_by("created_at")[0]
    run = run_of(world, since=first.created_at)
    assert run.outcome == RunOutcome.AGREED


def test_a_debit_that_was_unclear_for_days_has_its_entry_in_the_past(world: World) -> None:
    world.partners.fault("debit", "error_500_after")
    order = settled(world)
    aged(world, timedelta(days=5))
    make_all_due()
    LoyaltyTransaction.objects.update(first_sent_at=timezone.now() - AN_HOUR)
    settle_transaction(world.debit(order).pk)
    LoyaltyTransaction.objects.update(settled_at=timezone.now() - AN_HOUR)
    run = run_of(world, since=timezone.now() - 2 * AN_HOUR)
    assert run.outcome == RunOutcome.AGREED
    at_partner(world, "UPDATE entry SET points = 999")
    run = run_of(world, since=timezone.now() - 2 * AN_HOUR)
    assert the_difference(run, DifferenceKind.AMOUNT).order == order
    assert (run.entries, run.points_taken) == (0, 0)  # those of its own days only


def test_a_second_run_raises_nothing_again_and_looks_back_at_what_is_open(world: World) -> None:
    settled(world)
    aged(world, timedelta(days=3))
    at_partner(world, "UPDATE entry SET points = 999")
    first = the_difference(run_of(world), DifferenceKind.AMOUNT)
    # the run itself is three days old, so the next one begins after the difference
    second = the_difference(run_of(world), DifferenceKind.AMOUNT)
    assert first.incident == second.incident
    assert Incident.objects.get().times_seen == 2
    assert due_since(world.company) == midnight(first.at)


@pytest.mark.parametrize(
    ("breaking", "mending"),
    [
        ("UPDATE entry SET points = 999", "UPDATE entry SET points = 1000"),
        ("UPDATE entry SET type = 'credit'", "UPDATE entry SET type = 'debit'"),
        (
            "UPDATE entry SET transaction_id = 'txn_other', reference = 'R-OTHER'",
            "DELETE FROM entry",
        ),
    ],
)
def test_what_the_partner_mends_resolves_its_incident(
    world: World, breaking: str, mending: str
) -> None:
    settled(world)
    aged(world, timedelta(days=2))
    at_partner(world, breaking)
    [*_others, difference] = run_of(world).differences.order_by("-kind")
    at_partner(world, mending)
    run_of(world)
    assert difference.incident
    difference.incident.refresh_from_db()
    assert difference.incident.status == IncidentStatus.RESOLVED
    open_ones = Incident.objects.unresolved()
    # Our transaction is still missing there.
    assert open_ones.count() == (1 if mending.startswith("DELETE") else 0)


def numbered_wrongly(world: World, *, company: Any = None) -> tuple[RedemptionOrder, Any]:
    """An order with the number of another one, recorded before that one's answer came."""
    seat = world.new_seat("buyer", company) if company else None
    owner, liar = world.place((world.product(), 1)), world.place((world.product(), 1), seat=seat)
    world.partners.fault("debit", "error_500_after")
    settle_transaction(world.debit(owner).pk)
    world.partners.fault("debit", "someone_elses_transaction_id")
    settle_transaction(world.debit(liar).pk)
    return owner, liar


def test_a_number_of_another_is_told_as_swapped_and_not_as_twice_and_missing(
    world: World,
) -> None:
    owner, liar = numbered_wrongly(world)
    aged(world)
    run = run_of(world)
    found = {each.order: each for each in run.differences.select_related("order")}
    assert {each.kind for each in found.values()} == {DifferenceKind.SWAPPED}
    assert set(found) == {owner, liar}
    lied = world.debit(liar).external_transaction_id
    assert found[owner].entry == lied
    assert f"here it has the number {lied}" in found[liar].what


def test_a_credit_that_was_booked_on_another_debit_is_told_until_it_was_moved(
    world: World,
) -> None:
    order, other = settled(world), settled(world)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="not needed")
    settle_transaction(world.credits(order)[0].pk)
    aged(world)
    moved = "UPDATE entry SET original_transaction_id = ? WHERE type = 'credit'"
    at_partner(world, moved, entry_of(other))
    difference = the_difference(run_of(world), DifferenceKind.WRONG_DEBIT)
    own = world.debit(order).external_transaction_id
    assert f"on the debit {entry_of(other)}; this order's is {own}" in difference.what
    at_partner(world, moved, None)  # a statement may leave it out
    assert run_of(world).outcome == RunOutcome.AGREED
    at_partner(world, moved, own)
    assert run_of(world).outcome == RunOutcome.AGREED
    assert not Incident.objects.unresolved().exists()


def test_a_number_of_another_companys_is_told_as_swapped_in_both_statements(
    world: World,
) -> None:
    other = world.new_company(points=5_000)
    owner, liar = numbered_wrongly(world, company=other)
    aged(world)
    for company, order in ((world.company, owner), (other, liar)):
        run = reconcile(company=company)
        [difference] = run.differences.all()
        assert (difference.kind, difference.order) == (DifferenceKind.SWAPPED, order)


def test_two_that_have_each_others_numbers_are_told_as_swapped(world: World) -> None:
    one, two = settled(world), settled(world)
    numbers = entry_of(one), entry_of(two)
    for order, number in ((one, ""), (two, numbers[0]), (one, numbers[1])):
        LoyaltyTransaction.objects.filter(order=order).update(
            external_transaction_id=number, doubt="" if number else "ASK"
        )
    LoyaltyTransaction.objects.update(doubt="")
    aged(world)
    found = run_of(world).differences.values_list("kind", "order", "entry")
    assert set(found) == {
        (DifferenceKind.SWAPPED, one.pk, numbers[0]),
        (DifferenceKind.SWAPPED, two.pk, numbers[1]),
    }


def test_a_difference_that_a_person_resolved_is_not_looked_for_again(world: World) -> None:
    settled(world)
    aged(world, timedelta(days=3))
    at_partner(world, "UPDATE entry SET points = 999")
    difference = the_difference(run_of(world), DifferenceKind.AMOUNT)
    assert difference.incident
    resolve(incident=difference.incident, by=Actor.in_seat(world.seat), evidence="Ticket 4711")
    assert run_of(world).outcome == RunOutcome.AGREED
    assert Incident.objects.count() == 1


def test_what_is_open_outside_the_time_that_was_asked_for_stays_open(world: World) -> None:
    settled(world)
    aged(world, timedelta(days=3))
    at_partner(world, "UPDATE entry SET points = 999")
    run_of(world)
    assert run_of(world, since=timezone.now() - AN_HOUR).outcome == RunOutcome.AGREED
    assert Incident.objects.unresolved().count() == 1
