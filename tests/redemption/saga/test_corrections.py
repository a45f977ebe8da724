"""Corrections take points again, once, when the line was delivered and the company agreed."""

from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from accounts.layout import header_of
from accounts.models import User
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.ids import uuid7
from redemption.messages.notifications import send_letter
from redemption.models import Decision, Letter, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions import transaction_decisions
from redemption.orders.actions.remedies import offered
from redemption.orders.actions.services import reveal_codes
from redemption.orders.selectors import Search, list_of
from redemption.saga.corrections import intend_correction
from redemption.saga.credits import intend_credit
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import (
    LineStatus,
    OrderStatus,
    TransactionStatus,
    Verdict,
)
from tests.redemption.orders.actions.test_remedies import AGREED, holds, line, proposed, put_right
from tests.redemption.saga.test_virtual_news import accepted, answers, give_back, now
from tests.redemption.saga.test_webhooks import ask_the_partner, codes_of, ended
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def agreed(order: RedemptionOrder, fay: User, gil: User) -> LoyaltyTransaction:
    """A correction of the order's line that two people agreed on, not sent yet."""
    put_right(order, Verdict.CORRECTION, fay, gil, **AGREED)
    return LoyaltyTransaction.objects.get(transaction_type="CORRECTION", status="INTENDED")


def lost(world: World, correction: LoyaltyTransaction, fault: str) -> None:
    """Send a correction to a partner that gives no clear answer."""
    world.partners.fault("debit", fault, times=10)
    settle_transaction(correction.pk)


def nobody_knows() -> None:
    """Pass the horizon of the lost correction, so that two people must decide."""
    lost_one = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
    LoyaltyTransaction.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    settle_transaction(lost_one.pk)
    lost_one.refresh_from_db()
    assert lost_one.status == TransactionStatus.NEEDS_REVIEW


def decided(
    intent: LoyaltyTransaction, verdict: Verdict, fay: User, gil: User, *, entry: str = ""
) -> None:
    told: dict[str, Any] = {"verdict": verdict, "entry": entry, "evidence": "Ticket 1."}
    transaction_decisions.propose(intent=intent, by=Actor.person(fay), **told)
    transaction_decisions.confirm(intent=intent, by=Actor.person(gil))


def corrected(order: RedemptionOrder, fay: User, gil: User) -> LoyaltyTransaction:
    """A succeeded correction of the order's line, with its codes requested."""
    made = agreed(order, fay, gil)
    settle_transaction(made.pk)
    ask_the_partner()
    made.refresh_from_db()
    return made


def test_points_that_went_back_are_taken_again_when_the_company_agreed(
    world: World, given_back: RedemptionOrder, fay: User, gil: User, client_for: Any
) -> None:
    told = put_right(given_back, Verdict.CORRECTION, fay, gil, **AGREED)
    assert told == "Confirmed. The points are being taken again."
    correction = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
    decision = Decision.objects.get()
    assert correction.key == f"correction:{decision.pk}"
    assert holds(world)  # also while it is in progress
    settle_transaction(correction.pk)
    assert world.ledger(given_back) == (2_000, 1_000)
    order = now(given_back)
    assert order.status == OrderStatus.CANCELLED  # unchanged
    assert line(order).fulfillment_status == LineStatus.DELIVERED
    assert holds(world)
    ask_the_partner()
    assert len(reveal_codes(item=line(order), by=Actor.in_seat(order.account_manager))) == 2
    send_letter(Letter.objects.get(order=order, kind="corrected").pk)
    assert "Mara Lindt agreed to it on 2026-11-20" in mail.outbox[-1].body
    assert list_of(world.seat, Search()).rows[0].spent
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "1,000 points taken again" in page
    assert "Mara Lindt agreed" in page
    assert holds(world)


def test_a_correction_without_a_clear_answer_is_asked_again_and_taken_once(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    correction = agreed(given_back, fay, gil)
    lost(world, correction, "error_500_after")
    correction.refresh_from_db()
    assert correction.status == TransactionStatus.UNKNOWN
    assert line(given_back).fulfillment_status == LineStatus.FAILED
    assert holds(world)
    world.partners.clear_faults()
    make_all_due()
    settle_transaction(correction.pk)
    assert world.ledger(given_back) == (2_000, 1_000)
    assert line(given_back).fulfillment_status == LineStatus.DELIVERED
    assert holds(world)


def test_a_correction_that_is_refused_moves_nothing_and_is_told(
    world: World, given_back: RedemptionOrder, fay: User, gil: User, client_for: Any
) -> None:
    correction = agreed(given_back, fay, gil)
    world.partners.account(world.company.loyalty_account_id, 1)
    settle_transaction(correction.pk)
    order = now(given_back)
    assert (order.status, line(order).fulfillment_status) == ("CANCELLED", "FAILED")
    assert order.events.filter(reason__startswith="The points were not taken again").exists()
    assert not order.needs_attention
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "1,000 points were not taken again" in page
    assert holds(world)
    proposed(given_back, Verdict.CORRECTION, fay, **AGREED)  # once the company has points again


def test_a_correction_of_which_nobody_knows_is_decided_by_two_people(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    correction = agreed(given_back, fay, gil)
    lost(world, correction, "error_500_before")
    nobody_knows()
    decided(correction, Verdict.DID_NOT, fay, gil)
    order = now(given_back)
    assert (order.status, line(order).fulfillment_status) == ("CANCELLED", "FAILED")
    assert holds(world)


def test_in_part_what_came_after_all_is_taken_again_and_its_code_shown(
    world: World, fay: User, gil: User
) -> None:
    order = accepted(world)
    own = [unit["code"] for unit in codes_of(ended(world, order, "delivered"))]
    answers(world, order, "delivered", own[0])
    give_back(world, order)
    corrected(order, fay, gil)
    assert world.ledger(order) == (1_500, 500)
    assert {
        code.code
        for code in reveal_codes(item=line(order), by=Actor.in_seat(order.account_manager))
    } == set(own)
    assert holds(world)


def test_a_correction_needs_the_companys_word(
    world: World, given_back: RedemptionOrder, fay: User
) -> None:
    with pytest.raises(RedemptionError, match="who agreed for the company"):
        proposed(given_back, Verdict.CORRECTION, fay)


def test_no_more_is_taken_again_than_was_given_back(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    made = agreed(given_back, fay, gil)
    with pytest.raises(RedemptionError, match="Points of this line are being taken again"):
        proposed(given_back, Verdict.CORRECTION, fay, **AGREED)
    decision = Decision.objects.get()
    made.pk, made.key = uuid7(), "correction:again"
    with pytest.raises(IntegrityError), transaction.atomic():
        made.save(force_insert=True)  # one correction for each decision
    other = Decision.objects.create(
        item=decision.item,
        verdict="CORRECTION",
        units=1,
        found=decision.found,
        evidence="Ticket 2.",
        proposed_by=fay,
        decided_by=gil,
        decided_at="2026-11-26T12:00:00Z",
        status="CONFIRMED",
        **AGREED,
    )
    made.decision, made.points_amount = other, 1
    with pytest.raises(IntegrityError, match="would exceed its credits"), transaction.atomic():
        made.save(force_insert=True)


def test_points_that_are_still_going_back_are_not_taken_again(world: World, fay: User) -> None:
    order = accepted(world)
    answers(world, order, "failed")
    ended(world, order, "delivered")
    with pytest.raises(RedemptionError, match="Only 0 of these 1000 points went back so far"):
        proposed(order, Verdict.CORRECTION, fay, **AGREED)


def test_what_was_taken_again_can_be_given_back_just_once(
    world: World, given_back: RedemptionOrder, fay: User, gil: User, client_for: Any
) -> None:
    correction = corrected(given_back, fay, gil)
    ended(world, given_back, "failed")
    assert put_right(given_back, Verdict.CREDIT, fay, gil) == "Confirmed. The points go back."
    assert holds(world, at_rest=False)
    newest = LoyaltyTransaction.objects.get(original=correction)
    give_back(world, given_back)
    newest.refresh_from_db()
    assert newest.status == TransactionStatus.SUCCEEDED
    assert world.ledger(given_back) == (2_000, 2_000)
    assert line(given_back).fulfillment_status == LineStatus.FAILED
    assert holds(world)
    page = client_for(world.seat).get(given_back.get_absolute_url()).content.decode()
    assert "All 1,000 points are back." in page
    assert offered(world.fulfillment(given_back)) == [Verdict.CORRECTION, Verdict.WRITE_OFF]
    with pytest.raises(IntegrityError, match="would exceed its debit"), transaction.atomic():
        intend_credit(given_back, 1, units=1, item=line(given_back), reason="Again", by=SYSTEM)
    newest.pk, newest.key, newest.points_amount = uuid7(), "credit:again", 1
    newest.external_transaction_id = "another"
    with pytest.raises(IntegrityError, match="would exceed its debit"), transaction.atomic():
        newest.save(force_insert=True)


def test_it_may_be_corrected_again_and_given_back_again_point_for_point(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    for turn in (1, 2):
        corrected(given_back, fay, gil)
        assert world.ledger(given_back) == (1_000 + turn * 1_000, turn * 1_000)
        assert holds(world)
        ended(world, given_back, "failed")
        put_right(given_back, Verdict.CREDIT, fay, gil)
        give_back(world, given_back)
        ended(world, given_back, "delivered")
        assert world.ledger(given_back) == (1_000 + turn * 1_000, 1_000 + turn * 1_000)
        assert holds(world)


def test_in_part_each_credit_names_what_took_its_points(
    world: World, fay: User, gil: User, client_for: Any
) -> None:
    order = accepted(world)
    own = [unit["code"] for unit in codes_of(ended(world, order, "delivered"))]
    answers(world, order, "delivered", own[0])
    give_back(world, order)
    correction = corrected(order, fay, gil)
    ended(world, order, "failed")
    put_right(order, Verdict.CREDIT, fay, gil)
    give_back(world, order)
    assert world.ledger(order) == (1_500, 1_500)
    kept = order.transactions.filter(transaction_type="CREDIT")
    of_the_debit = kept.filter(original=world.debit(order)).values_list("points_amount", flat=True)
    assert list(of_the_debit) == [500, 500]
    assert kept.get(original=correction).points_amount == 500
    assert holds(world)
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "All 1,000 points are back." in page


def test_a_credit_that_names_no_debit_is_sent_anew_with_the_number_of_its_correction(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    correction = corrected(given_back, fay, gil)
    ended(world, given_back, "failed")
    put_right(given_back, Verdict.CREDIT, fay, gil)
    credit = LoyaltyTransaction.objects.filter(original=correction)
    named = credit.get().body.replace(correction.external_transaction_id, "txn_of_nobody")
    credit.update(body=named)
    settle_transaction(credit.get().pk)  # refused: the account has no such debit
    make_all_due()
    settle_transaction(credit.get().pk)
    assert credit.get().status == TransactionStatus.SUCCEEDED
    assert world.ledger(given_back) == (2_000, 2_000)
    assert holds(world)


def test_points_that_are_being_taken_again_are_told_alike_wherever_points_are_told(
    world: World, given_back: RedemptionOrder, fay: User, gil: User, client_for: Any
) -> None:
    def figures() -> tuple[int, int, int]:
        header = header_of(world.seat, known=None)
        return header.in_flight, header.being_taken, header.unclear

    def page() -> str:
        told: str = client_for(world.seat).get(given_back.get_absolute_url()).content.decode()
        return told

    assert "All 1,000 points are back." in page()
    put_right(given_back, Verdict.CORRECTION, fay, gil, **AGREED)
    assert figures() == (1_000, 1_000, 0)
    assert "1,000 points are being taken again." in page()
    assert "Being taken again" in page()
    correction = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
    lost(world, correction, "error_500_before")
    assert figures() == (1_000, 0, 1_000)
    assert "It is not clear yet whether 1,000 points were taken again" in page()
    nobody_knows()
    assert figures() == (1_000, 0, 1_000)
    assert "It is not clear whether 1,000 points were taken again; a person" in page()
    world.partners.clear_faults()
    decided(correction, Verdict.ASK_AGAIN, fay, gil)
    settle_transaction(correction.pk)
    assert figures() == (0, 0, 0)
    assert "1,000 points were taken." in page()
    assert "points are back" not in page()
    assert "All points went back." in page()
    assert holds(world)


def test_a_correction_that_is_decided_by_hand_to_have_taken_place_delivers_the_line(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    correction = agreed(given_back, fay, gil)
    lost(world, correction, "error_500_after")
    nobody_knows()
    [entry] = [
        each
        for each in world.partners.ledger(reference=given_back.order_number)["entries"]
        if each["idempotency_key"] == correction.key
    ]
    decided(correction, Verdict.TOOK_PLACE, fay, gil, entry=entry["transaction_id"])
    assert line(given_back).fulfillment_status == LineStatus.DELIVERED
    assert holds(world)


def test_a_correction_that_nobody_decided_is_refused_by_the_database(
    world: World, given_back: RedemptionOrder, fay: User
) -> None:
    decision = proposed(given_back, Verdict.CORRECTION, fay, **AGREED)
    with pytest.raises(IntegrityError, match="would exceed its credits"), transaction.atomic():
        intend_correction(given_back, decision, by=SYSTEM)
