"""Stored codes that cannot be read, because they were moved to another row or their key is
missing.
"""

import base64
import os
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from fulfillment.models import CodeReveal, VirtualCode
from loyalty_portal.data.actor import Actor
from redemption.incidents.causes import settle_gone
from redemption.invariants.checks import check_invariants
from redemption.models import Incident, RedemptionOrder
from redemption.orders.actions.remedies import confirm, propose
from redemption.orders.actions.services import reveal_codes
from redemption.states import IncidentKind, IncidentStatus, Verdict
from tests.redemption.pages import address
from tests.redemption.saga.test_virtual_news import accepted, answers, now
from tests.redemption.saga.test_webhooks import body, codes_of, ended, send, work_inbox
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)

SENTENCE = "A code cannot be shown: what is stored of it is damaged."


def delivered(world: World, cards: int = 2) -> tuple[RedemptionOrder, list[str]]:
    """An order whose cards were delivered, with their codes."""
    order = accepted(world, cards)
    own = [unit["code"] for unit in codes_of(ended(world, order, "delivered"))]
    answers(world, order, "delivered", *own)
    return now(order), own


def swap(one: VirtualCode, other: VirtualCode) -> None:
    """Exchange the stored values of two codes, as somebody with access to the database could."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE fulfillment_virtualcode a SET code = b.code FROM fulfillment_virtualcode b
            WHERE (a.id, b.id) IN ((%(one)s, %(other)s), (%(other)s, %(one)s))
            """,
            {"one": one.pk, "other": other.pk},
        )


def stored(code: VirtualCode) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT code FROM fulfillment_virtualcode WHERE id = %s", [code.pk])
        return str(cursor.fetchone()[0])


def code_of(order: RedemptionOrder, position: int) -> VirtualCode:
    return VirtualCode.objects.get(fulfillment__label=order.order_number, position=position)


def shown(client: Client, order: RedemptionOrder, *, number: int = 1, by_htmx: bool = False) -> str:
    item = order.items.get()
    headers = {"HX-Request": "true", "HX-Target": f"codes-{item.pk}"} if by_htmx else {}
    there = address(order, "codes", item.pk)
    answer = client.post(there, {"number": str(number)}, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def incident() -> Incident:
    return Incident.objects.get(kind=IncidentKind.UNREADABLE)


@pytest.fixture
def mixed_up(world: World) -> tuple[RedemptionOrder, list[str], RedemptionOrder]:
    """An order of two cards; the first code is damaged because it is stored with another order's
    card.
    """
    (order, own), (other, _codes) = delivered(world), delivered(world, cards=1)
    swap(code_of(order, 1), code_of(other, 1))
    return order, own, other


def test_the_buyer_reads_that_a_code_is_damaged_and_sees_the_others(
    world: World, client_for: Any, mixed_up: tuple[RedemptionOrder, list[str], RedemptionOrder]
) -> None:
    order, own, other = mixed_up
    client = client_for(world.seat)
    for by_htmx in (True, False):
        page = shown(client, order, by_htmx=by_htmx)
        assert SENTENCE in page
        assert own[0] not in page
        page = shown(client, order, number=2, by_htmx=by_htmx)
        assert SENTENCE not in page
        assert own[1] in page
    assert CodeReveal.objects.count() == 2
    page = shown(client, other)
    assert SENTENCE in page
    assert own[0] not in page
    assert CodeReveal.objects.count() == 2  # of the other order nothing was shown
    assert "Showed the codes" not in client.get(other.get_absolute_url()).content.decode()


def test_it_is_one_incident_that_tells_no_secret_and_nor_does_the_log(
    world: World,
    client_for: Any,
    mixed_up: tuple[RedemptionOrder, list[str], RedemptionOrder],
    caplog: pytest.LogCaptureFixture,
) -> None:
    order, own, other = mixed_up
    for each in (order, order, other):
        shown(client_for(world.seat), each)
    assert incident().cases.count() == 2  # the same cause, at two lines
    case = order.incident_cases.get()
    assert case.what == f"{order.order_number}: A stored code of this line cannot be read."
    assert now(order).needs_attention
    told = " ".join([caplog.text, incident().what, case.what, str(case.facts)])
    for secret in (*own, stored(code_of(order, 1))):
        assert secret not in told
    settle_gone()
    assert incident().status == IncidentStatus.OPEN  # nothing has changed
    assert check_invariants() == []


def test_two_people_have_the_code_replaced_by_what_the_partner_says(
    world: World,
    client_for: Any,
    mixed_up: tuple[RedemptionOrder, list[str], RedemptionOrder],
    fay: User,
    gil: User,
) -> None:
    order, own, _other = mixed_up
    shown(client_for(world.seat), order)
    item = order.items.get()
    propose(item=item, verdict=Verdict.CODES, evidence="Ticket 4711.", by=Actor.person(fay))
    confirm(item=item, by=Actor.person(gil))
    assert {code.code for code in reveal_codes(item=item, by=Actor.in_seat(world.seat))} == set(own)
    settle_gone()
    assert not order.incident_cases.unended().exists()
    assert not now(order).needs_attention
    assert check_invariants() == []


def test_the_partners_answer_about_a_damaged_code_is_no_contradiction_and_work_goes_on(
    world: World, mixed_up: tuple[RedemptionOrder, list[str], RedemptionOrder]
) -> None:
    order, own, _other = mixed_up
    card = world.fulfillment(order)
    assert send(body(card, "delivered", codes=2, partner_id=card.partner_id)).status_code == 204
    work_inbox()
    answers(world, order, "delivered", *own)
    assert {each.kind for each in Incident.objects.all()} >= {IncidentKind.UNREADABLE}
    assert not Incident.objects.filter(
        kind__in=[IncidentKind.POISON_ROW, IncidentKind.CONTRADICTION]
    ).exists()


def test_a_key_that_was_taken_away_too_early_is_put_back_and_it_is_over(
    world: World, client_for: Any, settings: Any
) -> None:
    order, own = delivered(world)
    listed = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [base64.urlsafe_b64encode(os.urandom(32)).decode()]
    assert SENTENCE in shown(client_for(world.seat), order)
    settings.FIELD_ENCRYPTION_KEYS = listed
    settle_gone()
    assert incident().status == IncidentStatus.RESOLVED
    assert own[0] in shown(client_for(world.seat), order)
