"""Remedies in the admin: offered only where an error is possible, and decided by two people."""

from typing import Any

import pytest

from redemption.models import Decision, LoyaltyTransaction, RedemptionOrder
from redemption.states import DecisionStatus
from tests.redemption.backoffice.test_admin_deliveries import address, page_of
from tests.redemption.backoffice.test_admin_incidents import shown
from tests.redemption.saga.test_virtual_news import accepted, answers, give_back, now
from tests.redemption.saga.test_webhooks import ended
from tests.redemption.world import World
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)

CORRECTION = {
    "remedy": "CORRECTION",
    "agreed_by": "Mara Lindt",
    "agreed_on": "2026-11-20",
    "evidence": "Her letter of that day.",
}


def given_back(world: World) -> RedemptionOrder:
    order = accepted(world)
    answers(world, order, "failed")
    give_back(world, order)
    ended(world, order, "delivered")
    return now(order)


def read(answer: Any) -> str:
    page: str = answer.content.decode()
    return page


def test_a_correction_is_proposed_from_the_partners_answer_and_confirmed_by_another(
    world: World,
) -> None:
    order = given_back(world)
    item, fay, gil = order.items.get(), browser(staff("finance")), browser(staff("finance"))
    page = read(fay.get(page_of(item)))
    assert "Was it settled wrongly?" in page
    assert "take the points again, as the company agreed" in page
    assert "The codes were wrong" not in page  # nothing was delivered, so no code can be wrong
    page = read(fay.post(address(item, "remedy"), CORRECTION, follow=True))
    assert "A second person must decide" in page
    page = read(gil.get(page_of(item)))
    assert "Asked again, the partner says “delivered”; codes: 2." in page
    assert "It is about 1,000 points." in page
    assert "Mara Lindt agreed for the company on" in page
    page = read(gil.post(address(item, "confirm"), shown(), follow=True))
    assert "The points are being taken again." in page
    assert "Points taken again:" in page
    correction = LoyaltyTransaction.objects.get(transaction_type="CORRECTION")
    ledger = f"/admin/redemption/loyaltytransaction/{correction.pk}/change/"
    assert "Taken again" in read(gil.get(ledger))


def test_what_is_missing_in_a_correction_is_said_beside_its_field(world: World) -> None:
    item = given_back(world).items.get()
    client = browser(staff("finance"))
    answer = client.post(address(item, "remedy"), {"remedy": "CORRECTION", "evidence": "A letter."})
    assert answer.status_code == 422
    assert "Enter who agreed for the company." in read(answer)
    assert "Say on which day." in read(answer)
    assert not Decision.objects.exists()


def test_a_remedy_that_the_partners_answer_does_not_call_for_is_refused_in_words(
    world: World,
) -> None:
    order = accepted(world)
    answers(world, order, "failed")
    give_back(world, order)
    ended(world, order, "failed")
    item = order.items.get()
    wish = {"remedy": "WRITE_OFF", "evidence": "They say it came."}
    answer = browser(staff("finance")).post(address(item, "remedy"), wish)
    assert answer.status_code == 422
    assert "That does not call for this." in read(answer)
    assert "They say it came." in read(answer)


def test_who_proposed_a_remedy_cannot_confirm_it_and_another_may_reject_it(world: World) -> None:
    item = given_back(world).items.get()
    fay = browser(staff("finance"))
    fay.post(address(item, "remedy"), {"remedy": "WRITE_OFF", "evidence": "Ticket 4711."})
    page = read(fay.post(address(item, "confirm"), shown(), follow=True))
    assert "a second person must decide" in page
    gil = browser(staff("finance"))
    gil.post(address(item, "reject"), shown(reason="They paid for it."))
    assert Decision.objects.get().status == DecisionStatus.REJECTED


def test_who_may_not_decide_is_offered_nothing(world: World) -> None:
    item = given_back(world).items.get()
    client = browser(staff("support"))
    assert "Was it settled wrongly?" not in read(client.get(page_of(item)))
    assert client.post(address(item, "remedy"), CORRECTION).status_code == 403
