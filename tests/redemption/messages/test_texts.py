"""Text messages beside letters: once each, to whoever gave a number, where the company wants them."""

import re
from typing import Any

import pytest
from django.core import mail
from django.urls import reverse

from accounts.models import AccountManager, LetterOff, LetterTopic, TextsTo
from loyalty_portal.data.texts.times import exact
from redemption.models import Letter, LetterKind, RedemptionOrder, Sms
from redemption.saga.transactions import settle_transaction
from tests.redemption.pages import now, said
from tests.redemption.saga.test_sweep import sweep
from tests.redemption.world import World
from tests.support.sandbox_process import API_KEY
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
NUMBER = "+4915123456789"


@pytest.fixture(autouse=True)
def _provider(world: World, settings: Any) -> None:
    settings.SMS_URL, settings.SMS_KEY = f"{world.partners.url}/sms", API_KEY
    world.company.text_messages = True
    world.company.save()


def wants(seat: AccountManager, *topics: str) -> None:
    TextsTo.objects.create(user=seat.user, number=NUMBER, topics=list(topics))


def ordered(world: World) -> RedemptionOrder:
    """An order whose points are taken and whose letters were sent."""
    order = world.place((world.product(points=100), 1))
    settle_transaction(world.debit(order).pk)
    sweep()
    return order


def arrived(world: World) -> list[dict[str, str]]:
    """What the provider sent, the newest first."""
    texts: list[dict[str, str]] = world.partners.control("GET", "/texts")["texts"]
    return texts


def due_again() -> None:
    Sms.objects.update(next_attempt_at="2020-01-01T00:00:00Z")


def test_a_text_message_says_the_letters_news_once_in_the_readers_language(
    world: World, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wants(world.seat, LetterTopic.PROGRESS)
    world.seat.user.language = "de"
    world.seat.user.save()
    before = len(arrived(world))
    order = ordered(world)
    [text] = arrived(world)[: len(arrived(world)) - before]
    address = f"{settings.PORTAL_URL}{order.get_absolute_url()}"
    assert text["number"] == NUMBER
    assert text["text"] == f"{settings.BRAND['name']}: {mail.outbox[-1].subject} {address}"
    assert "Bestellung" in text["text"]
    sent = Sms.objects.get()
    assert (sent.letter.kind, bool(sent.sent_at), sent.problem) == (LetterKind.CONFIRMED, True, "")
    due_again()  # whatever else may happen, it is one message there
    Sms.objects.update(sent_at=None)
    sweep()
    assert len(arrived(world)) == before + 1
    assert NUMBER not in caplog.text


def test_the_letter_may_be_switched_off_beside_it(world: World) -> None:
    LetterOff.objects.create(user=world.seat.user, topic=LetterTopic.PROGRESS)
    wants(world.seat, LetterTopic.PROGRESS)
    before = len(arrived(world))
    ordered(world)
    assert mail.outbox == []
    assert len(arrived(world)) == before + 1


@pytest.mark.parametrize("why", ["no provider", "company", "topic", "no number", "switched off"])
def test_nobody_else_gets_one(world: World, settings: Any, why: str) -> None:
    if why != "no number":
        wants(world.seat, LetterTopic.POINTS_BACK if why == "topic" else LetterTopic.PROGRESS)
    if why == "no provider":
        settings.SMS_URL = ""
    if why == "company":
        world.company.text_messages = False
        world.company.save()
    if why == "switched off":
        world.seat.user.is_active = False
        world.seat.user.save()
    ordered(world)
    assert Letter.objects.exists()
    assert not Sms.objects.exists()


def test_who_takes_the_number_back_gets_none_that_waits(world: World) -> None:
    wants(world.seat, LetterTopic.PROGRESS)
    before = len(arrived(world))
    world.partners.fault("text", "unavailable_503", times=None)
    ordered(world)
    world.partners.clear_faults()
    TextsTo.objects.all().delete()
    due_again()
    sweep()
    assert len(arrived(world)) == before
    assert Sms.objects.get().problem == "not wanted any more"


@pytest.mark.parametrize(("keeps_keys", "copies"), [(True, 1), (False, 2)])
def test_an_answer_that_is_lost_makes_no_second_message(
    world: World, keeps_keys: bool, copies: int
) -> None:
    """With a provider that ignores keys it does, so the test can tell."""
    wants(world.seat, LetterTopic.PROGRESS)
    before = len(arrived(world))
    world.partners.dial(honour_keys=keeps_keys)
    try:
        world.partners.fault("text", "error_500_after")
        ordered(world)
        waiting = Sms.objects.get()
        assert waiting.sent_at is None
        assert waiting.next_attempt_at
        due_again()
        sweep()
    finally:
        world.partners.dial(honour_keys=True)
    assert Sms.objects.get().sent_at
    assert len(arrived(world)) == before + copies


def test_what_the_provider_refuses_is_not_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    wants(world.seat, LetterTopic.PROGRESS)
    world.partners.fault("text", "refuse", code="no_such_number")
    order = ordered(world)
    text = Sms.objects.get()
    assert (text.problem, text.next_attempt_at, text.sent_at) == ("no_such_number", None, None)
    assert f"text message {text.pk} could not be sent: no_such_number" in caplog.text
    assert NUMBER not in caplog.text
    assert order.order_number not in caplog.text


def test_news_of_an_hour_ago_is_not_sent_any_more(world: World) -> None:
    wants(world.seat, LetterTopic.PROGRESS)
    world.partners.fault("text", "unavailable_503", times=None)
    try:
        ordered(world)
        Sms.objects.update(created_at="2020-01-01T00:00:00Z")
        due_again()
        sweep()
    finally:
        world.partners.clear_faults()
    text = Sms.objects.get()
    assert (text.sent_at, text.next_attempt_at) == (None, None)
    assert text.problem


# --- In the order's story ------------------------------------------------------------------------


def told(client: Any, order: RedemptionOrder) -> str:
    page = re.sub(r"<[^>]+>", " ", said(client.get(order.get_absolute_url())))
    return " ".join(page.split()).partition("Letters")[2]


def test_a_text_message_stands_with_its_letter_and_moves_the_open_page(
    world: World, client_for: Any
) -> None:
    wants(world.seat, LetterTopic.PROGRESS)
    client = client_for(world.seat)
    world.partners.fault("text", "unavailable_503", times=None)
    order = ordered(world)
    assert "Text message about it could not be sent yet" in told(client, order)
    before = now(order).pulse
    world.partners.clear_faults()
    due_again()
    sweep()
    assert now(order).pulse > before
    text = Sms.objects.get()
    assert text.sent_at
    assert f"Text message about it {exact(text.sent_at, seconds=True)}" in told(client, order)
    record = reverse("admin:redemption_redemptionorder_change", args=[order.pk])
    page = browser(staff("support")).get(record).content.decode()
    assert "Text message" in page
    assert NUMBER not in page


def test_one_that_is_refused_is_said_and_one_that_nobody_wants_is_not(
    world: World, client_for: Any
) -> None:
    wants(world.seat, LetterTopic.PROGRESS)
    client = client_for(world.seat)
    world.partners.fault("text", "refuse", code="no_such_number")
    order = ordered(world)
    page = told(client, order)
    assert "Text message about it could not be sent" in page
    assert "no_such_number" not in page
    Sms.objects.update(problem=Sms.NOT_WANTED)
    assert "Text message" not in told(client, order)
