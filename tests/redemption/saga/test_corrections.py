"""Corrections take points again, once, when the line was delivered and the company agreed."""

from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from accounts.models import User
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.ids import uuid7
from redemption.messages.notifications import send_letter
from redemption.models import Decision, Letter, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions import transaction_decisions
from redemption.orders.actions.services import reveal_codes
from redemption.orders.selectors import Search, list_of
from redemption.saga.corrections import intend_correction
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import (
    LineStatus,
    OrderStatus,
    TransactionStatus,
    Verdict,
)
from tests.redemption.orders.test_remedies import AGREED, holds, line, proposed, put_right
from tests.redemption.saga.test_virtual_news import accepted, answers, give_back, now
from tests.redemption.saga.test_webhooks import ask_the_partner, codes_of, ended
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert len(reveal_codes(item=line(order), by=SYSTEM)) == 2
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
    put_right(given_back, Verdict.CORRECTION, fay, gil, **AGREED)
    correction = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
    world.partners.fault("debit", "error_500_after", times=10)
    settle_transaction(correction.pk)
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
    put_right(given_back, Verdict.CORRECTION, fay, gil, **AGREED)
    correction = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
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
    put_right(given_back, Verdict.CORRECTION, fay, gil, **AGREED)
    correction = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
    world.partners.fault("debit", "error_500_before", times=10)
    settle_transaction(correction.pk)
    LoyaltyTransaction.objects.update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    settle_transaction(correction.pk)
    correction.refresh_from_db()
    assert correction.status == TransactionStatus.NEEDS_REVIEW
    transaction_decisions.propose(
        intent=correction,
        verdict=Verdict.DID_NOT,
        entry="",
        evidence="Ticket 1.",
        by=Actor.person(fay),
    )
    transaction_decisions.confirm(intent=correction, by=Actor.person(gil))
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
    put_right(order, Verdict.CORRECTION, fay, gil, **AGREED)
    settle_transaction(LoyaltyTransaction.objects.get(transaction_type="CORRECTION").pk)
    ask_the_partner()
    assert world.ledger(order) == (1_500, 500)
    assert {code.code for code in reveal_codes(item=line(order), by=SYSTEM)} == set(own)
    assert holds(world)


def test_a_correction_needs_the_companys_word(
    world: World, given_back: RedemptionOrder, fay: User
) -> None:
    with pytest.raises(RedemptionError, match="who of the company agreed"):
        proposed(given_back, Verdict.CORRECTION, fay)


def test_no_more_is_taken_again_than_was_given_back(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    put_right(given_back, Verdict.CORRECTION, fay, gil, **AGREED)
    with pytest.raises(RedemptionError, match="not so many are left"):
        proposed(given_back, Verdict.CORRECTION, fay, **AGREED)
    made = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
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


def test_a_correction_that_nobody_decided_is_refused_by_the_database(
    world: World, given_back: RedemptionOrder, fay: User
) -> None:
    decision = proposed(given_back, Verdict.CORRECTION, fay, **AGREED)
    with pytest.raises(IntegrityError, match="would exceed its credits"), transaction.atomic():
        intend_correction(given_back, decision, by=SYSTEM)
