"""Two people correct a line that was settled wrongly, based on the partner's own answer."""

from datetime import date
from typing import Any

import pytest
from django.core import mail

from accounts.models import User
from fulfillment.models import VirtualCode
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_against_ledger, check_invariants
from redemption.messages.notifications import send_letter
from redemption.models import Decision, Letter, OrderItem, RedemptionOrder
from redemption.orders.actions.remedies import confirm, offered, propose, reject
from redemption.orders.actions.services import reveal_codes
from redemption.orders.selectors import Search, list_of
from redemption.saga.steps import RedemptionError
from redemption.states import (
    DecisionStatus,
    LineStatus,
    OrderStatus,
    Verdict,
)
from tests.redemption.saga.model.saga_parts import news_of
from tests.redemption.saga.test_virtual_news import accepted, answers, give_back, now
from tests.redemption.saga.test_webhooks import ask_the_partner, codes_of, ended, send, work_inbox
from tests.redemption.world import World
from tests.support.stack import statement

pytestmark = pytest.mark.django_db(transaction=True)

AGREED = {"agreed_by": "Mara Lindt", "agreed_on": date(2026, 11, 20)}


def line(order: RedemptionOrder) -> OrderItem:
    return order.items.get()


def proposed(order: RedemptionOrder, verdict: Verdict, by: User, **agreed: Any) -> Decision:
    return propose(
        item=line(order), verdict=verdict, evidence="Ticket 4711.", by=Actor.person(by), **agreed
    )


def put_right(order: RedemptionOrder, verdict: Verdict, fay: User, gil: User, **agreed: Any) -> str:
    proposed(order, verdict, fay, **agreed)
    return confirm(item=line(order), by=Actor.person(gil))


def holds(world: World, *, at_rest: bool = True) -> bool:
    entries = statement(world.partners.ledger()["entries"])
    found = [*check_invariants(at_rest=at_rest), *check_against_ledger(entries)]
    assert found == [], "; ".join(map(str, found))
    return True


@pytest.fixture
def others_codes(world: World) -> tuple[RedemptionOrder, set[str]]:
    """A line that was settled with codes of another line, and its own codes."""
    order = accepted(world)
    answers(world, order, "delivered", "OF-ANOTHER-1", "OF-ANOTHER-2")
    own = {unit["code"] for unit in codes_of(ended(world, order, "delivered"))}
    return now(order), own


@pytest.fixture
def kept(world: World) -> RedemptionOrder:
    """A line that was settled as delivered although it failed."""
    order = accepted(world)
    answers(world, order, "delivered", "NEVER-1", "NEVER-2")
    ended(world, order, "failed")
    return now(order)


def test_wrong_codes_are_withdrawn_and_the_right_ones_given(
    world: World,
    others_codes: tuple[RedemptionOrder, set[str]],
    fay: User,
    gil: User,
    client_for: Any,
) -> None:
    order, own = others_codes
    told = put_right(order, Verdict.CODES, fay, gil)
    assert told == "Confirmed. The wrong codes are withdrawn, and the right ones can be shown."
    assert {
        code.code for code in reveal_codes(item=line(order), by=Actor.in_seat(world.seat))
    } == own
    assert VirtualCode.objects.count() == 4  # all are kept as history
    assert now(order).status == OrderStatus.COMPLETED
    letter = Letter.objects.get(order=order, kind="corrected")
    send_letter(letter.pk)
    assert "please do not use them" in mail.outbox[-1].body
    page = client_for(world.seat).get(order.get_absolute_url()).content.decode()
    assert "The codes were replaced" in page
    assert holds(world)


def test_codes_that_were_withdrawn_can_be_had_by_whose_they_are(
    world: World, others_codes: tuple[RedemptionOrder, set[str]], fay: User, gil: User
) -> None:
    order, _own = others_codes
    owner = accepted(world)
    answers(world, owner, "delivered", "OF-ANOTHER-1", "OF-ANOTHER-2")
    assert now(owner).needs_attention  # the codes are stored with another line
    put_right(order, Verdict.CODES, fay, gil)
    answers(world, owner, "delivered", "OF-ANOTHER-1", "OF-ANOTHER-2")
    assert (now(owner).status, now(owner).needs_attention) == (OrderStatus.COMPLETED, False)


def test_right_codes_that_stand_at_another_line_wait_until_that_is_put_right(
    world: World, fay: User, gil: User
) -> None:
    first, second = accepted(world), accepted(world)
    answers(world, first, "delivered", "WRONG-1", "WRONG-2")
    own = [unit["code"] for unit in codes_of(ended(world, first, "delivered"))]
    answers(world, second, "delivered", *own)
    ended(world, second, "delivered")
    proposed(first, Verdict.CODES, fay)
    with pytest.raises(RedemptionError, match="Correct that line first"):
        confirm(item=line(first), by=Actor.person(gil))
    put_right(second, Verdict.CODES, fay, gil)
    confirm(item=line(first), by=Actor.person(gil))
    assert {
        code.code
        for code in reveal_codes(item=line(first), by=Actor.in_seat(first.account_manager))
    } == set(own)
    assert holds(world)


def test_points_of_what_was_never_delivered_go_back(
    world: World, kept: RedemptionOrder, fay: User, gil: User, client_for: Any
) -> None:
    assert put_right(kept, Verdict.CREDIT, fay, gil) == "Confirmed. The points go back."
    give_back(world, kept)
    assert world.ledger(kept) == (1_000, 1_000)
    assert line(kept).fulfillment_status == LineStatus.FAILED
    assert reveal_codes(item=line(kept), by=Actor.in_seat(kept.account_manager)) == []
    assert now(kept).status == OrderStatus.COMPLETED  # a final status stays
    assert not list_of(world.seat, Search()).rows[0].spent
    page = client_for(world.seat).get(kept.get_absolute_url()).content.decode()
    assert "1,000 points given back" in page
    assert holds(world)


def test_a_write_off_moves_nothing_and_is_kept(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    assert "stay with the company" in put_right(given_back, Verdict.WRITE_OFF, fay, gil)
    decision = Decision.objects.get()
    assert (decision.status, decision.units, decision.points) == (
        DecisionStatus.CONFIRMED,
        2,
        1_000,
    )
    assert decision.found
    assert decision.found["status"] == "delivered"
    assert world.ledger(given_back) == (1_000, 1_000)
    assert holds(world)


def test_in_part_the_points_of_what_did_not_come_go_back(
    world: World, fay: User, gil: User
) -> None:
    order = accepted(world)
    answers(world, order, "delivered", "NEVER-1", "NEVER-2")
    ended(world, order, "delivered", codes=1)
    put_right(order, Verdict.CREDIT, fay, gil)
    give_back(world, order)
    assert world.ledger(order) == (1_000, 500)
    item = line(order)
    assert (item.fulfillment_status, item.quantity_delivered) == (LineStatus.DELIVERED, 1)
    assert len(reveal_codes(item=item, by=Actor.in_seat(item.order.account_manager))) == 1
    assert holds(world)


def test_the_incident_about_it_ends_with_the_decision(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    held = world.fulfillment(given_back)
    send(callback_of(world, given_back))
    work_inbox()
    ask_the_partner()
    assert now(given_back).needs_attention
    put_right(given_back, Verdict.WRITE_OFF, fay, gil)
    assert not now(given_back).needs_attention
    assert not given_back.incident_cases.unended().exists()
    held.refresh_from_db()
    assert held.attention == ""


def callback_of(world: World, order: RedemptionOrder) -> bytes:
    """The partner's true callback about the end."""
    [truth] = [
        each
        for each in world.partners.control("GET", "/fulfillments")["fulfillments"]
        if each["reference"] == str(world.fulfillment(order).pk)
    ]
    names = ("fulfillment_id", "reference", "status", "updated_at", "reason", "deliverables")
    return news_of({name: truth[name] for name in names})


@pytest.mark.parametrize("verdict", [Verdict.CODES, Verdict.CREDIT])
def test_only_what_the_partners_answer_calls_for_can_be_proposed(
    world: World, verdict: Verdict, fay: User
) -> None:
    order = accepted(world)
    send(ended(world, order, "delivered"))
    work_inbox()
    ask_the_partner()
    assert offered(world.fulfillment(order)) == [Verdict.CODES, Verdict.CREDIT]
    with pytest.raises(RedemptionError, match="does not call for this"):
        proposed(order, verdict, fay)
    with pytest.raises(RedemptionError, match="does not go with a line that is “delivered”"):
        proposed(order, Verdict.WRITE_OFF, fay)
    assert not Decision.objects.exists()


def test_a_line_that_has_not_ended_has_no_remedy(world: World, fay: User) -> None:
    order = accepted(world)
    assert offered(world.fulfillment(order)) == []
    with pytest.raises(RedemptionError, match="asked of the partner"):
        proposed(order, Verdict.CREDIT, fay)


def test_a_partner_that_does_not_answer_lets_nothing_be_proposed(
    world: World, given_back: RedemptionOrder, fay: User
) -> None:
    world.partners.fault("get_fulfillment", "error_500_before", times=10)
    with pytest.raises(RedemptionError, match="no clear answer"):
        proposed(given_back, Verdict.WRITE_OFF, fay)


def test_one_person_alone_puts_nothing_right(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    proposed(given_back, Verdict.WRITE_OFF, fay)
    with pytest.raises(RedemptionError, match="a second person must decide"):
        confirm(item=line(given_back), by=Actor.person(fay))
    with pytest.raises(RedemptionError, match="proposed something already"):
        proposed(given_back, Verdict.WRITE_OFF, gil)
    reject(item=line(given_back), reason="They paid for it.", by=Actor.person(gil))
    rejected = Decision.objects.get()
    assert rejected.status == DecisionStatus.REJECTED
    assert str(rejected) == f"{Verdict.WRITE_OFF.label} (2 of 2) (Rejected)"
    with pytest.raises(RedemptionError, match="Nothing is proposed"):
        confirm(item=line(given_back), by=Actor.person(gil))


def test_a_proposal_ends_when_the_partner_says_something_else_by_then(
    world: World, others_codes: tuple[RedemptionOrder, set[str]], fay: User, gil: User
) -> None:
    order, _own = others_codes
    decision = proposed(order, Verdict.CODES, fay)
    assert decision.found
    Decision.objects.filter(pk=decision.pk).update(found=decision.found | {"codes": "others"})
    with pytest.raises(RedemptionError, match="The partner says something else by now"):
        confirm(item=line(order), by=Actor.person(gil))
    decision.refresh_from_db()
    assert decision.status == DecisionStatus.OVERTAKEN
    assert {
        code.code
        for code in reveal_codes(item=line(order), by=Actor.in_seat(order.account_manager))
    } == {
        "OF-ANOTHER-1",
        "OF-ANOTHER-2",
    }


def test_a_line_that_the_partner_never_had_has_no_remedy(world: World, fay: User) -> None:
    order = world.place((world.virtual(), 1))
    with pytest.raises(RedemptionError, match="This line is not with the partner"):
        proposed(order, Verdict.CREDIT, fay)


def test_only_an_answer_about_the_end_lets_something_be_proposed(world: World, fay: User) -> None:
    order = accepted(world)
    answers(world, order, "failed")
    give_back(world, order)
    with pytest.raises(RedemptionError, match="it has not ended there"):
        proposed(order, Verdict.WRITE_OFF, fay)
    ended(world, order, "delivered", codes=3)
    with pytest.raises(RedemptionError, match="names more codes than were ordered"):
        proposed(order, Verdict.WRITE_OFF, fay)


def test_only_the_proposal_that_was_read_is_confirmed(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    read = proposed(given_back, Verdict.WRITE_OFF, fay)
    reject(item=line(given_back), reason="Say which ticket.", by=Actor.person(gil))
    proposed(given_back, Verdict.WRITE_OFF, fay)
    with pytest.raises(RedemptionError, match="Something else is proposed by now"):
        confirm(item=line(given_back), by=Actor.person(gil), proposal=read.pk)
    assert not Decision.objects.filter(status=DecisionStatus.CONFIRMED).exists()
