"""The invariants hold after the saga, and every deliberate violation is found."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pgtrigger
import pytest
from django.db import connection
from django.utils import timezone

from accounts.loyalty import StatementEntry, statement
from fulfillment.models import Fulfillment
from fulfillment.services import cannot_supply
from redemption.invariants.checks import (
    Invariant,
    Violation,
    check_against_ledger,
    check_invariants,
)
from redemption.models import Letter, LoyaltyTransaction, RedemptionOrder
from tests.redemption.invariants.order_gallery import Orders
from tests.redemption.world import World
from tests.support.module_data import shared_data
from tests.support.sandbox_process import SandboxProcess

# Each test is rolled back, so the orders are made only once.
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def orders(
    sandbox: SandboxProcess, django_db_setup: None, django_db_blocker: object
) -> Iterator[Orders]:
    with shared_data(sandbox, django_db_blocker):
        yield Orders(World(sandbox))


def break_it(sql: str) -> None:
    """Run SQL without triggers, which no code of ours can do."""
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute(sql)


def kinds(violations: list[Violation]) -> set[Invariant]:
    return {violation.invariant for violation in violations}


def test_nothing_is_found_in_what_the_saga_did(orders: Orders) -> None:
    assert check_invariants() == []
    seen = set(RedemptionOrder.objects.values_list("status", flat=True))
    assert seen >= {
        "AWAITING_APPROVAL", "PENDING", "CONFIRMED", "IN_FULFILLMENT", "CANCELLING", "COMPLETED",
        "CANCELLED", "DECLINED", "REJECTED",
    }  # fmt: skip


def test_what_a_completed_order_owes_must_have_come_back_once_all_is_at_rest(
    orders: Orders,
) -> None:
    found = check_invariants(at_rest=True)
    assert [(each.invariant, each.subject) for each in found] == [
        (Invariant.CREDITED, orders.in_part.order_number)
    ]
    assert "C=0 owed=1000" in str(found[0])


DEBIT = "transaction_type = 'DEBIT'"
A_DEBIT = f"(SELECT id FROM loyalty_transaction WHERE {DEBIT} AND status = 'SUCCEEDED' LIMIT 1)"
ONE_SKU = "(SELECT min(product_id::text)::uuid FROM inventory)"
OLD = "now() - interval '20 days'"
EVENT = (
    "INSERT INTO redemption_orderevent"
    " (id, order_id, subject, from_status, to_status, reason, at) SELECT gen_random_uuid(), id,"
    " 'ORDER', {}, {}, '', now() FROM redemption_order WHERE status = {} LIMIT 1"
)
BREAKAGES = [
    (Invariant.TOTAL, "UPDATE order_item SET points_per_item = points_per_item + 1"),
    (Invariant.TOTAL, f"UPDATE loyalty_transaction SET points_amount = 7 WHERE id = {A_DEBIT}"),
    (
        Invariant.WITHIN,
        "UPDATE loyalty_transaction SET points_amount = 1000000 WHERE transaction_type = 'CREDIT'",
    ),
    (
        Invariant.FOUNDED,
        (
            "UPDATE loyalty_transaction SET original_id = (SELECT id FROM loyalty_transaction WHERE"
            f" {DEBIT} AND status = 'REFUSED') WHERE transaction_type = 'CREDIT'"
        ),
    ),
    (
        Invariant.NOTHING_TAKEN,
        f"UPDATE loyalty_transaction SET status = 'SENT' WHERE {DEBIT} AND status = 'REFUSED'",
    ),
    (
        Invariant.NOTHING_TAKEN,
        "UPDATE redemption_order SET status = 'EXPIRED' WHERE status = 'CANCELLED'",
    ),
    (Invariant.TAKEN, "UPDATE redemption_order SET status = 'CONFIRMED' WHERE status = 'PENDING'"),
    (
        Invariant.DEBIT_OPEN,
        "UPDATE redemption_order SET status = 'PENDING' WHERE status = 'CONFIRMED'",
    ),
    (
        Invariant.OWED,
        (
            "UPDATE order_item SET quantity_refunded = 1, quantity_credited = 1"
            " WHERE quantity_refunded = 0"
        ),
    ),
    (
        Invariant.OWED,
        "UPDATE loyalty_transaction SET units = units + 1 WHERE item_id IS NOT NULL",
    ),
    (
        # The order's sum stays right, and only that of its lines does not.
        Invariant.OWED,
        (
            "UPDATE loyalty_transaction SET item_id = (SELECT id FROM order_item WHERE"
            " quantity_refunded = 0 LIMIT 1), units = NULL WHERE units = 20"
        ),
    ),
    (Invariant.DECIDED, "DELETE FROM redemption_decision WHERE units = 20"),
    (
        Invariant.DECIDED,
        "DELETE FROM redemption_decision WHERE verdict = 'RETURNED'",
    ),
    (
        Invariant.DECIDED,
        (
            "UPDATE redemption_linereturn SET recorded_by_id = (SELECT"
            " min(proposed_by_id::text)::uuid FROM redemption_decision WHERE returned_id ="
            " redemption_linereturn.id)"
        ),
    ),
    (Invariant.DECIDED, "UPDATE redemption_linereturn SET units = units + 1"),
    (Invariant.DECIDED, "UPDATE redemption_linereturn SET credited = 0 WHERE credited = 2"),
    (
        Invariant.DECIDED,
        (
            "UPDATE redemption_decision SET decided_by_id = NULL, alone_up_to = 9999"
            " WHERE units = 20"
        ),
    ),
    (Invariant.DECIDED, "UPDATE redemption_decision SET units = 21 WHERE units = 20"),
    (
        Invariant.GIVEN_BACK,
        "UPDATE loyalty_transaction SET status = 'UNKNOWN' WHERE transaction_type = 'CREDIT'",
    ),
    (
        Invariant.ENDED,
        "UPDATE redemption_order SET status = 'COMPLETED' WHERE status = 'CONFIRMED'",
    ),
    (
        Invariant.STUCK,
        "UPDATE redemption_order SET status = 'IN_FULFILLMENT' WHERE status = 'COMPLETED'",
    ),
    (
        Invariant.UNITS,
        (
            "UPDATE order_item SET quantity_delivered = 1, quantity_returned = 1"
            " WHERE fulfillment_status = 'RETURNED' AND quantity > 1"
        ),
    ),
    (
        Invariant.UNITS,
        "UPDATE order_item SET quantity_returned = 1 WHERE fulfillment_status = 'RETURNED'",
    ),
    (
        Invariant.UNITS,
        "UPDATE order_item SET quantity_returned = 30 WHERE quantity = 30",
    ),
    (
        Invariant.UNITS,
        (
            "UPDATE order_item SET quantity_credited = 1 WHERE fulfillment_status = 'CANCELLED'"
            " AND quantity_refunded > 0"
        ),
    ),
    (
        Invariant.ROUTED,
        (
            "DELETE FROM fulfillment_fulfillmentevent; DELETE FROM fulfillment_fulfillment"
            " WHERE status = 'QUEUED' AND quantity_shipped = 0"
        ),
    ),
    (Invariant.ROUTED, "UPDATE fulfillment_fulfillment SET reference = gen_random_uuid()"),
    (Invariant.WAITED, "DELETE FROM redemption_linewait"),
    (Invariant.WAITED, "UPDATE redemption_linewait SET next_attempt_at = NULL"),
    (
        Invariant.WAITED,
        "UPDATE redemption_linewait SET next_attempt_at = now() + interval '2 days'",
    ),
    (Invariant.WAITED, f"UPDATE redemption_linewait SET ended_at = {OLD}"),
    (
        Invariant.AGREED,
        "UPDATE fulfillment_fulfillment SET status = 'PACKED' WHERE status = 'QUEUED'",
    ),
    (
        Invariant.AGREED,
        "UPDATE fulfillment_fulfillment SET quantity_returned = 2 WHERE quantity = 30",
    ),
    (Invariant.CODES, "DELETE FROM fulfillment_virtualcode WHERE position = 2"),
    (
        Invariant.CODES,
        (
            "UPDATE fulfillment_virtualcode SET fulfillment_id = (SELECT id FROM"
            " fulfillment_fulfillment WHERE status = 'REQUESTED' LIMIT 1) WHERE position = 1 AND"
            " fulfillment_id = (SELECT max(fulfillment_id::text)::uuid FROM fulfillment_virtualcode)"
        ),
    ),
    (
        Invariant.CODE_ONCE,
        ("DROP INDEX one_unit_a_code; UPDATE fulfillment_virtualcode SET fingerprint = 'the same'"),
    ),
    (Invariant.PARCELS, "UPDATE fulfillment_shipmentline SET quantity = quantity + 1"),
    (Invariant.PARCELS, "UPDATE fulfillment_shipment SET delivered_at = NULL"),
    (
        Invariant.PARCELS,
        (
            "INSERT INTO fulfillment_shipment (id, carrier, tracking_number, shipped_at)"
            " VALUES (gen_random_uuid(), 'DHL', '', now())"
        ),
    ),
    (
        Invariant.PARCELS,
        (
            "INSERT INTO fulfillment_shipmentline (id, shipment_id, fulfillment_id, quantity)"
            " SELECT gen_random_uuid(), min(s.id::text)::uuid, min(f.id::text)::uuid, 1"
            " FROM fulfillment_shipment s, fulfillment_fulfillment f WHERE f.channel = 'PARTNER'"
        ),
    ),
    (
        Invariant.HELD,
        "UPDATE inventory_reservation SET released = 0 WHERE released > 0 AND consumed = 0",
    ),
    (Invariant.HELD, "DELETE FROM inventory_reservation WHERE consumed = 0"),
    (
        Invariant.MOVED,
        (
            f"UPDATE inventory SET quantity_available = quantity_available + 1"
            f" WHERE product_id = {ONE_SKU}"
        ),
    ),
    (Invariant.MOVED, "DELETE FROM inventory_stockmovement WHERE kind = 'CONSUMED'"),
    (
        Invariant.MOVED,
        "DELETE FROM inventory_stockmovement WHERE kind = 'RECEIVED' AND reference IS NOT NULL",
    ),
    (
        # What could not be supplied was written off twice; the product's sums still agree.
        Invariant.MOVED,
        (
            "UPDATE inventory_stockmovement SET available_change = -9 WHERE kind = 'ADJUSTED' AND"
            " reference IS NOT NULL; UPDATE inventory SET quantity_available ="
            " quantity_available - 7 WHERE product_id IN (SELECT product_id FROM"
            " inventory_stockmovement WHERE available_change = -9)"
        ),
    ),
    (
        Invariant.RESERVED,
        (
            "UPDATE inventory SET quantity_reserved = quantity_reserved + 1,"
            f" quantity_available = quantity_available - 1 WHERE product_id = {ONE_SKU}"
        ),
    ),
    (
        Invariant.NOT_NEGATIVE,
        (
            "ALTER TABLE inventory DROP CONSTRAINT available_not_negative;"
            " UPDATE inventory SET quantity_available = -1"
        ),
    ),
    (
        Invariant.UNCOUNTED,
        (
            "ALTER TABLE inventory DROP CONSTRAINT uncounted_has_none_available;"
            " UPDATE inventory SET is_tracked = false"
        ),
    ),
    (Invariant.SHOWN, "UPDATE product SET stock_status = 'OUT' WHERE product_type = 'PHYSICAL'"),
    (Invariant.REPLAYED, "UPDATE redemption_order SET status = 'SOON' WHERE status = 'PENDING'"),
    (Invariant.REPLAYED, "DELETE FROM redemption_orderevent WHERE to_status = 'IN_FULFILLMENT'"),
    (Invariant.REPLAYED, "DELETE FROM redemption_orderevent WHERE subject = 'LINE'"),
    (Invariant.STEPPED, EVENT.format("'PENDING'", "'COMPLETED'", "'PENDING'")),
    (Invariant.FINAL, EVENT.format("'COMPLETED'", "'IN_FULFILLMENT'", "'COMPLETED'")),
    (
        Invariant.DUE,
        "UPDATE loyalty_transaction SET next_attempt_at = NULL WHERE status = 'INTENDED'",
    ),
    (
        Invariant.DUE,
        "UPDATE loyalty_transaction SET next_attempt_at = now() WHERE status = 'SUCCEEDED'",
    ),
    (Invariant.DUE, "UPDATE fulfillment_partnercall SET next_attempt_at = now()"),
    (
        Invariant.DUE,
        "UPDATE fulfillment_fulfillment SET next_attempt_at = NULL WHERE status = 'REQUESTED'",
    ),
    (Invariant.DUE, "UPDATE redemption_letter SET next_attempt_at = NULL"),
    (
        Invariant.MARKED,
        (
            f"UPDATE redemption_orderevent SET at = {OLD};"
            f" UPDATE redemption_order SET created_at = {OLD} WHERE status = 'PENDING'"
        ),
    ),
    (
        Invariant.MARKED,
        f"UPDATE redemption_linewait SET next_attempt_at = {OLD} WHERE ended_at IS NULL",
    ),
    (
        Invariant.MARKED,
        f"UPDATE redemption_order SET approve_by = {OLD} WHERE status = 'AWAITING_APPROVAL'",
    ),
    (
        Invariant.MARKED,
        (
            f"UPDATE loyalty_transaction SET status = 'NEEDS_REVIEW' WHERE {DEBIT} AND"
            " status = 'INTENDED'"
        ),
    ),
]


@pytest.mark.parametrize(("invariant", "sql"), BREAKAGES)
def test_what_is_broken_on_purpose_is_found(orders: Orders, invariant: Invariant, sql: str) -> None:
    if "'SOON'" in sql:
        sql = f"ALTER TABLE redemption_order DROP CONSTRAINT order_status_known; {sql}"
    break_it(sql)
    assert invariant in kinds(check_invariants())


def test_every_invariant_of_ours_has_a_breakage() -> None:
    at_the_partner = {Invariant.ENTRY_KNOWN, Invariant.ENTRY_SAME, Invariant.ENTRY_THERE}
    assert {invariant for invariant, _sql in BREAKAGES} == (
        set(Invariant) - at_the_partner - {Invariant.CREDITED}
    )


def test_an_overdue_order_that_is_marked_is_no_violation(orders: Orders) -> None:
    break_it(
        f"UPDATE redemption_orderevent SET at = {OLD};"
        f" UPDATE redemption_order SET created_at = {OLD}, needs_attention = true"
        " WHERE status = 'PENDING'"
    )
    assert Invariant.MARKED not in kinds(check_invariants())


def test_an_order_that_no_sweeper_could_mark_is_no_violation(orders: Orders) -> None:
    break_it(
        f"UPDATE redemption_orderevent SET at = {OLD};"
        f" UPDATE redemption_order SET created_at = {OLD} WHERE status = 'PENDING'"
    )
    assert Invariant.MARKED in kinds(check_invariants())
    assert Invariant.MARKED not in kinds(check_invariants(unswept=timedelta(days=99)))


# --- Against the partner's ledger ----------------------------------------------------------


@pytest.fixture(scope="module")
def entries(orders: Orders) -> list[StatementEntry]:
    companies = (orders.world.company, orders.careful)
    began = timezone.now() - timedelta(days=1)
    return [
        entry for company in companies for entry in statement(company.loyalty_account_id, began)
    ]


def test_the_partners_ledger_agrees_also_where_its_answer_was_lost(
    orders: Orders, entries: list[StatementEntry]
) -> None:
    lost = orders.world.debit(orders.cancelling)
    assert (lost.status, lost.external_transaction_id) == ("UNKNOWN", "")
    assert any(entry.reference == orders.cancelling.order_number for entry in entries)
    assert check_against_ledger(entries) == []


def test_an_entry_that_is_missing_at_the_partner_is_found(
    orders: Orders, entries: list[StatementEntry]
) -> None:
    gone = entries[0]
    [violation] = check_against_ledger(entries[1:])
    assert violation.invariant == Invariant.ENTRY_THERE
    assert gone.transaction_id in violation.figures


def test_an_entry_that_we_never_asked_for_is_found(
    orders: Orders, entries: list[StatementEntry]
) -> None:
    stranger = dataclasses.replace(entries[0], transaction_id="txn_x", reference="R-NOBODYS")
    [violation] = check_against_ledger([*entries, stranger])
    assert (violation.invariant, violation.subject) == (Invariant.ENTRY_KNOWN, "R-NOBODYS")


def test_points_taken_twice_are_found(orders: Orders, entries: list[StatementEntry]) -> None:
    number = orders.cancelling.order_number
    [once] = [entry for entry in entries if entry.reference == number]
    again = dataclasses.replace(once, transaction_id="txn_again")
    found = check_against_ledger([*entries, again])
    assert kinds(found) == {Invariant.ENTRY_KNOWN, Invariant.WITHIN}
    assert {violation.subject for violation in found} == {number}


def test_an_entry_belongs_to_the_credit_that_was_sent_rather_than_to_one_just_like_it(
    orders: Orders, entries: list[StatementEntry]
) -> None:
    """Two pieces are lost one after the other. Only the later credit was sent, without an
    answer.
    """
    parcel = Fulfillment.objects.get(label=orders.queued.order_number, quantity=2)
    for _ in range(2):
        cannot_supply(fulfillment=parcel, quantity=1, reason="lost", by=orders.by)
    first, second = sorted(orders.world.credits(orders.queued), key=lambda credit: credit.key)
    break_it(f"UPDATE loyalty_transaction SET status = 'SENT' WHERE id = '{second.pk}'")
    entry = dataclasses.replace(
        next(each for each in entries if each.reference == orders.queued.order_number),
        transaction_id="txn_unheard",
        kind="credit",
        points=second.points_amount,
    )
    assert check_against_ledger([*entries, entry]) == []
    again = dataclasses.replace(entry, transaction_id="txn_of_the_first")
    [violation] = check_against_ledger([*entries, entry, again])
    assert violation.invariant == Invariant.ENTRY_KNOWN
    assert first.status == "INTENDED"


def test_an_entry_of_other_points_or_another_account_is_found(
    orders: Orders, entries: list[StatementEntry]
) -> None:
    for change in ({"points": 1}, {"account_id": "ACC-other"}, {"reference": "R-OTHER"}):
        changed = [dataclasses.replace(entries[0], **change), *entries[1:]]
        assert Invariant.ENTRY_SAME in kinds(check_against_ledger(changed))


def test_an_entry_for_what_we_call_refused_is_found(
    orders: Orders, entries: list[StatementEntry]
) -> None:
    break_it(f"UPDATE loyalty_transaction SET status = 'REFUSED' WHERE id = {A_DEBIT}")
    assert Invariant.ENTRY_SAME in kinds(check_against_ledger(entries))


def test_a_statement_of_one_company_says_nothing_about_another(
    orders: Orders, entries: list[StatementEntry]
) -> None:
    theirs = [entry for entry in entries if entry.account_id == orders.careful.loyalty_account_id]
    assert 0 < len(theirs) < len(entries)
    assert check_against_ledger(theirs, companies=[orders.careful]) == []
    assert Invariant.ENTRY_THERE in kinds(check_against_ledger(theirs))


def test_what_was_settled_outside_the_asked_time_needs_no_entry(
    orders: Orders, entries: list[StatementEntry]
) -> None:
    settled = LoyaltyTransaction.objects.filter(settled_at__isnull=False)
    first = settled.earliest("settled_at").settled_at
    assert check_against_ledger([], until=first) == []
    assert check_against_ledger([], since=timezone.now()) == []
    # The unanswered one is not expected to have an entry.
    assert len(check_against_ledger([])) == len(entries) - 1


def test_letters_that_are_sent_are_done(orders: Orders) -> None:
    Letter.objects.update(sent_at=timezone.now(), next_attempt_at=None)
    assert check_invariants() == []
