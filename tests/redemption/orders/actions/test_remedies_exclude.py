"""The points of a line are either taken again or left with the company, never both and
never twice.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pgtrigger
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import Invariant, check_invariants
from redemption.models import Decision, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions import remedies
from redemption.orders.actions.remedies import confirm, offered
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from redemption.states import DecisionStatus, LineStatus, Verdict
from tests.accounts.factories import UserFactory
from tests.redemption.orders.actions.test_remedies import AGREED, holds, line, proposed, put_right
from tests.redemption.orders.actions.test_transaction_decisions_two_people import at_once
from tests.redemption.pages import timeline
from tests.redemption.saga.test_virtual_news import accepted, answers, give_back
from tests.redemption.saga.test_webhooks import ask_the_partner, ended
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)

BEING_TAKEN = "Points of this line are being taken again. Wait until that has ended."
LEFT = "The points of this line were left with the company: two people decided it."
GUARDS = (
    "redemption.Decision:write_offs_within_credits",
    "redemption.LoyaltyTransaction:corrections_within_credits",
)


def put_by_an_older_version(order: RedemptionOrder, verdict: Verdict, by: User) -> Decision:
    """A proposal from a version that did not check for other remedies."""
    found = Decision.objects.latest("proposed_at").found
    agreed = AGREED if verdict == Verdict.CORRECTION else {}
    return Decision.objects.create(
        item=line(order),
        verdict=verdict,
        units=2,
        found=found,
        evidence="Ticket 4712.",
        proposed_by=by,
        **agreed,
    )


def test_while_points_are_taken_again_no_other_remedy_moves_or_leaves_them(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    put_right(given_back, Verdict.CORRECTION, fay, gil, **AGREED)
    assert offered(world.fulfillment(given_back)) == []
    with pytest.raises(RedemptionError, match=BEING_TAKEN):
        proposed(given_back, Verdict.WRITE_OFF, fay)
    late = put_by_an_older_version(given_back, Verdict.WRITE_OFF, fay)
    with pytest.raises(RedemptionError, match=f"The proposal is closed: {BEING_TAKEN}"):
        confirm(item=line(given_back), by=Actor.person(gil), proposal=late.pk)
    late.refresh_from_db()
    assert late.status == DecisionStatus.OVERTAKEN
    settle_transaction(LoyaltyTransaction.objects.get(transaction_type="CORRECTION").pk)
    with pytest.raises(RedemptionError, match="does not go with a line that is “delivered”"):
        proposed(given_back, Verdict.WRITE_OFF, fay)
    assert holds(world)


def test_a_refused_correction_leaves_both_ways_open(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    put_right(given_back, Verdict.CORRECTION, fay, gil, **AGREED)
    world.partners.account(world.company.loyalty_account_id, 1)
    settle_transaction(LoyaltyTransaction.objects.get(transaction_type="CORRECTION").pk)
    assert offered(world.fulfillment(given_back)) == [Verdict.CORRECTION, Verdict.WRITE_OFF]
    put_right(given_back, Verdict.WRITE_OFF, fay, gil)
    assert holds(world)


def test_points_that_were_left_with_the_company_are_not_taken_again_nor_left_twice(
    world: World, given_back: RedemptionOrder, fay: User, gil: User
) -> None:
    put_right(given_back, Verdict.WRITE_OFF, fay, gil)
    (told,) = [step for step in timeline(given_back) if "stay with your company" in step.title]
    assert f"2 × {line(given_back).product_name}: our partner delivered it after all." in told.text
    assert "The 1,000 points that went back are not taken again." in told.text
    assert offered(world.fulfillment(given_back)) == []
    for verdict, agreed in ((Verdict.CORRECTION, AGREED), (Verdict.WRITE_OFF, {})):
        with pytest.raises(RedemptionError, match=LEFT):
            proposed(given_back, verdict, fay, **agreed)
        late = put_by_an_older_version(given_back, verdict, fay)
        with pytest.raises(RedemptionError, match=f"The proposal is closed: {LEFT}"):
            confirm(item=line(given_back), by=Actor.person(gil), proposal=late.pk)
    assert not LoyaltyTransaction.objects.filter(transaction_type="CORRECTION").exists()
    assert world.ledger(given_back) == (1_000, 1_000)
    assert holds(world)


def test_only_what_was_not_left_with_the_company_is_taken_again(
    world: World, fay: User, gil: User
) -> None:
    order = accepted(world, cards=3)
    answers(world, order, "failed")
    give_back(world, order)
    ended(world, order, "delivered", codes=1)
    put_right(order, Verdict.WRITE_OFF, fay, gil)
    ended(world, order, "delivered", codes=3)
    put_right(order, Verdict.CORRECTION, fay, gil, **AGREED)
    correction = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
    assert correction.points_amount == 1_000
    settle_transaction(correction.pk)
    ask_the_partner()
    assert world.ledger(order) == (2_500, 1_500)
    item = line(order)
    assert (item.fulfillment_status, item.quantity_delivered) == (LineStatus.DELIVERED, 2)
    assert Verdict.CORRECTION not in offered(world.fulfillment(order))
    with pytest.raises(RedemptionError, match=LEFT):
        proposed(order, Verdict.CORRECTION, fay, **AGREED)


# --- Two remedies at once ------------------------------------------------------------------


def race(
    order: RedemptionOrder,
    first: Verdict,
    second: Verdict,
    ignoring: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> list[Any]:
    """The results of two people: one confirms the first remedy, while the other proposes and
    confirms the second as soon as no proposal is open.
    """
    fay, gil, hal, ida = (UserFactory.create(is_staff=True) for _ in range(4))
    agreed = {verdict: AGREED if verdict == Verdict.CORRECTION else {} for verdict in Verdict}
    proposed(order, first, fay, **agreed[first])

    def confirm_the_first() -> str:
        with ignoring():
            return confirm(item=line(order), by=Actor.person(gil))

    def do_the_second() -> str:
        while True:
            try:
                proposed(order, second, hal, **agreed[second])
                break
            except RedemptionError as error:
                if "proposed something already" not in str(error):
                    raise
        with ignoring():
            return confirm(item=line(order), by=Actor.person(ida))

    return at_once([confirm_the_first, do_the_second])


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (Verdict.CORRECTION, Verdict.WRITE_OFF, BEING_TAKEN),
        (Verdict.WRITE_OFF, Verdict.CORRECTION, LEFT),
    ],
)
def test_two_remedies_at_once_are_one(
    world: World, given_back: RedemptionOrder, first: Verdict, second: Verdict, why: str
) -> None:
    done, refused = race(given_back, first, second)
    assert done.startswith("Confirmed.")
    assert refused == why
    assert Decision.objects.get(status=DecisionStatus.CONFIRMED).verdict == first
    assert check_invariants() == []


@pytest.mark.parametrize(
    ("first", "second"),
    [(Verdict.CORRECTION, Verdict.WRITE_OFF), (Verdict.WRITE_OFF, Verdict.CORRECTION)],
)
def test_without_the_guards_both_are_done_and_the_invariants_say_so(
    world: World,
    given_back: RedemptionOrder,
    monkeypatch: pytest.MonkeyPatch,
    first: Verdict,
    second: Verdict,
) -> None:
    # replaced: negative control, all three guards taken away
    monkeypatch.setattr(remedies, "offered", lambda _held: list(Verdict))
    monkeypatch.setattr(remedies, "_settled_otherwise", lambda *_asked: "")
    monkeypatch.setattr(remedies, "_written_off", lambda _line: 0)
    answers_ = race(given_back, first, second, lambda: pgtrigger.ignore(*GUARDS))
    assert all(each.startswith("Confirmed.") for each in answers_)
    assert Decision.objects.filter(status=DecisionStatus.CONFIRMED).count() == 2
    assert {each.invariant for each in check_invariants()} == {Invariant.WITHIN}


@pytest.mark.parametrize("done", [Verdict.CORRECTION, Verdict.WRITE_OFF])
def test_the_database_leaves_no_points_that_are_taken_again_and_takes_none_that_are_left(
    world: World, given_back: RedemptionOrder, fay: User, gil: User, done: Verdict
) -> None:
    put_right(given_back, done, fay, gil, **(AGREED if done == Verdict.CORRECTION else {}))
    settled = {"status": DecisionStatus.CONFIRMED, "decided_by": gil, "decided_at": timezone.now()}
    late = put_by_an_older_version(given_back, Verdict.WRITE_OFF, fay)
    with pytest.raises(IntegrityError, match="write_offs_within_credits"), transaction.atomic():
        Decision.objects.filter(pk=late.pk).update(**settled)
