"""Recipients who are asked by a link where to send something."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.core import mail
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Company
from fulfillment.desk.services import correct_recipient
from fulfillment.models import Fulfillment, PartnerCall
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.lifecycle import StaleStatusError
from loyalty_portal.data.recipient import FIELDS
from loyalty_portal.data.texts import mail as mail_sending
from redemption.invariants.checks import check_invariants
from redemption.models import OrderItem, RecipientAsk, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.asking import services
from redemption.saga import steps
from redemption.saga.queues import work
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from tests.accounts.access.making import new_key
from tests.accounts.factories import UserFactory
from tests.loyalty_portal.api.calls import Calls
from tests.redemption.saga.test_races import while_somebody
from tests.redemption.saga.test_sweep import sweep
from tests.redemption.saga.waiting.lines import (
    confirmed,
    line,
    placed,
    time_comes,
    tomorrow,
)
from tests.redemption.world import RECIPIENT, World
from tests.support.staff import browser, staff
from tests.support.waiting import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

ADA = dict.fromkeys(FIELDS, "") | {"recipient_name": "Ada", "recipient_email": "ada@home.example"}
ASKED: dict[str, Any] = {"recipient": ADA, "asks": True}
HOME = {name: text for name, text in RECIPIENT.items() if name != "recipient_email"}


def asked(world: World, **terms: Any) -> RedemptionOrder:
    """A confirmed order of one book whose recipient has the letter with the link."""
    order = confirmed(world, (world.product(points=100), {**ASKED, **terms}))
    sweep()
    return order


def link(number: int = -1) -> str:
    """The path in a letter to a recipient, the newest by default."""
    bodies = [str(each.body) for each in mail.outbox if "/for-you/" in str(each.body)]
    [path] = re.findall(r"https?://[^/]+(/for-you/\S+)", bodies[number])
    return path


def letters() -> list[str]:
    return [str(each.subject) for each in mail.outbox if "/for-you/" in str(each.body)]


def newest() -> mail.EmailMessage:
    """The newest letter with a link."""
    return [each for each in mail.outbox if "/for-you/" in str(each.body)][-1]


def as_seat(world: World) -> Actor:
    return Actor.in_seat(world.seat)


def days_later(days: int) -> None:
    """Let days pass for the letter that waits, and its lines."""
    span = timedelta(days=days)
    OrderItem.objects.update(waits_until=F("waits_until") - span)
    moved = {name: F(name) - span for name in ("until", "sent_at", "next_attempt_at")}
    RecipientAsk.objects.update(**moved)


def test_nobody_is_asked_before_the_points_are_taken(world: World) -> None:
    order = placed(world, (world.product(points=100), ASKED))
    sweep()  # settles the debit
    sweep()
    assert letters() == [f"{world.company.name} has something for you"]
    assert newest().to == ["ada@home.example"]
    item = line(order)
    assert (item.recipient_name, item.recipient_email) == ("Ada", "ada@home.example")
    assert not Fulfillment.objects.exists()
    assert check_invariants() == []


def test_an_order_that_waits_for_approval_asks_nobody(world: World) -> None:
    world.company.approval_threshold = 1
    world.company.save()
    placed(world, (world.product(points=100), ASKED))
    sweep()
    assert letters() == []


def test_the_token_is_stored_hashed_and_the_letter_is_sent_once(world: World) -> None:
    asked(world)
    token = link().split("/")[2]
    ask = RecipientAsk.objects.get()
    assert token not in orjson.dumps(RecipientAsk.objects.values().get(), default=str).decode()
    assert (len(token), ask.secret, ask.letters) == (43, None, 1)
    sweep()
    assert not work("letters to recipients", ask.pk)
    assert len(letters()) == 1


def test_the_page_shows_product_company_and_message_and_nothing_else(
    world: World, client: Client
) -> None:
    order = asked(world, message="Well done <script>alert(1)</script>")
    page = client.get(link())
    text = page.content.decode()
    assert page.status_code == 200
    assert line(order).product_name in text
    assert world.company.name in text
    assert "Well done &lt;script&gt;" in text
    assert "Only the desk of the programme" in text
    for secret in (order.order_number, "ada@home.example"):
        assert secret not in text
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page["Cache-Control"]
    assert not page.cookies


def test_opening_the_link_uses_nothing_up_and_its_form_answers_once(
    world: World, client: Client
) -> None:
    order = asked(world)
    for _ in range(3):  # mail scanners
        assert client.get(link()).status_code == 200
        assert client.head(link()).status_code == 200
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(link(), HOME, headers={"Origin": "null"})  # as without a referrer
    assert (answer.status_code, answer["Location"]) == (303, "/for-you/done/")
    assert strict.get("/for-you/done/").status_code == 200
    parcel = world.fulfillment(order)
    assert (parcel.status, parcel.address_line1, parcel.postcode) == (
        "QUEUED",
        "Invalidenstr. 43",
        "10115",
    )
    again = client.get(link())
    assert (again.status_code, "Already answered" in again.content.decode()) == (410, True)
    second = client.post(link(), HOME | {"recipient_name": "Somebody Else"})
    assert (second.status_code, "Already answered" in second.content.decode()) == (410, True)
    assert world.fulfillment(order).recipient_name == "Ada Byron"
    assert check_invariants() == []


def test_the_company_sees_the_city_and_the_desk_the_whole_address(
    world: World, client: Client
) -> None:
    order = asked(world)
    client.post(link(), HOME)
    item = line(order)
    assert item.recipient() == ADA | {"recipient_name": "Ada Byron", "city": "Berlin"}
    assert item.hides_address
    company = Client()
    company.force_login(world.seat.user)
    pages = [
        company.get(f"/orders/{order.order_number}/").content.decode(),
        company.get(f"/orders/{order.order_number}/?all").content.decode(),
        company.get(f"/orders/{order.order_number}/receipt/").content.decode(),
        company.get("/orders/").content.decode(),
    ]
    for page in pages:
        assert "Invalidenstr" not in page
        assert "10115" not in page
        assert "+4930123456" not in page
    assert "Berlin" in pages[0]
    assert "The desk alone sees the address." in pages[0]
    # Nor can it be found out by searching.
    found = company.get(f"/orders/{order.order_number}/?who=Invalidenstr").content.decode()
    assert "Invalidenstr. 43" not in found
    kept = orjson.dumps(list(order.events.values()), default=str).decode()
    assert "Invalidenstr" not in kept


def test_what_the_desk_corrects_stays_with_the_desk_too(world: World, client: Client) -> None:
    order = asked(world)
    client.post(link(), HOME)
    parcel = world.fulfillment(order)
    packer = Actor.person(UserFactory.create(superuser=True))
    Fulfillment.objects.filter(pk=parcel.pk).update(
        claimed_by=packer.user_id, claimed_until=timezone.now() + timedelta(hours=1)
    )
    parcel.refresh_from_db()
    moved = RECIPIENT | {"address_line1": "Torstr. 1", "postcode": "10119", "city": "Potsdam"}
    correct_recipient(parcel=parcel, recipient=moved, by=packer)
    assert world.fulfillment(order).address_line1 == "Torstr. 1"
    item = line(order)
    assert (item.city, item.address_line1, item.postcode) == ("Potsdam", "", "")
    assert order.events.get(subject="TOLD").reason == "Recipient corrected."


def test_one_person_answers_once_for_all_that_they_get(world: World, client: Client) -> None:
    book, card = world.product(points=100), world.virtual(points=100)
    world.partners.dial(mode="instant")
    order = confirmed(world, (book, ASKED), (card, ASKED), (card, {}))
    sweep()
    assert len(letters()) == 1
    assert client.post(link(), HOME).status_code == 303
    statuses = sorted(order.items.values_list("fulfillment_status", flat=True))
    assert "WAITING" not in statuses
    asked_lines = order.items.filter(waits_for="RECIPIENT")
    assert {item.recipient_email for item in asked_lines} == {"ada@home.example"}
    assert check_invariants() == []


def test_whoever_confirms_their_e_mail_gets_the_code_there(world: World, client: Client) -> None:
    order = confirmed(world, (world.virtual(points=100), ASKED))
    sweep()
    assert "address_line1" not in client.get(link()).content.decode()
    forged = {"recipient_name": "Ada", "recipient_email": "mallory@elsewhere.example"}
    assert client.post(link(), forged).status_code == 303
    body = orjson.loads(PartnerCall.objects.get().body)
    assert body["recipient"]["email"] == "ada@home.example"
    assert line(order).fulfillment_status == "REQUESTED"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"city": ""}, "Enter the city."),
        ({"postcode": "0815"}, "postcode of Germany looks like"),
        ({"country": "Atlantis"}, "ountry"),
        ({"recipient_name": "n" * 5_000}, "at most 255 characters"),
        ({"address_line1": "a\0b"}, "Null characters"),
    ],
)
def test_an_answer_that_is_wrong_keeps_what_was_typed_and_the_line_waits_on(
    world: World, client: Client, change: dict[str, str], told: str
) -> None:
    order = asked(world)
    answer = client.post(link(), HOME | change)
    text = answer.content.decode()
    assert (answer.status_code, told in text) == (422, True)
    assert "Berlin" in text or "city" in change
    assert line(order).fulfillment_status == "WAITING"


@pytest.mark.parametrize("name", ["Ada 🦊👩‍👩‍👧", "عائشة בן־דוד", "<script>alert(1)</script>"])
def test_any_name_is_taken_as_it_is(world: World, client: Client, name: str) -> None:
    order = asked(world)
    assert client.post(link(), HOME | {"recipient_name": name}).status_code == 303
    assert world.fulfillment(order).recipient_name == name
    company = Client()
    company.force_login(world.seat.user)
    assert "<script>alert" not in company.get(f"/orders/{order.order_number}/").content.decode()


def test_a_reminder_comes_after_a_week_and_both_links_work(world: World, client: Client) -> None:
    asked(world)
    days_later(6)
    sweep()
    assert len(letters()) == 1
    days_later(1)
    sweep()
    assert letters()[1] == f"Reminder: {world.company.name} has something for you"
    assert link(0) != link(1)
    assert client.get(link(0)).status_code == client.get(link(1)).status_code == 200
    days_later(3)
    sweep()
    assert len(letters()) == 2
    assert client.post(link(0), HOME).status_code == 303
    assert client.get(link(1)).status_code == 410


def test_without_an_answer_the_link_ends_and_the_points_go_back_once(
    world: World, client: Client
) -> None:
    order = asked(world)
    days_later(7)
    sweep()
    days_later(8)
    time_comes(order)
    expired = client.get(link())
    assert (expired.status_code, "time for an answer is over" in expired.content.decode()) == (
        410,
        True,
    )
    assert client.post(link(), HOME).status_code == 410
    for _ in range(4):
        sweep()
    assert world.ledger(order) == (100, 100)
    assert client.post(link(), HOME).status_code == 410
    assert not RecipientAsk.objects.exclude(next_attempt_at=None).exists()
    assert check_invariants(at_rest=True) == []


def test_whoever_answered_is_not_reminded(world: World, client: Client) -> None:
    asked(world)
    client.post(link(), HOME)
    days_later(8)
    sweep()
    assert len(letters()) == 1
    assert not RecipientAsk.objects.exclude(next_attempt_at=None).exists()


def test_the_link_of_a_cancelled_line_says_that_it_has_ended(world: World, client: Client) -> None:
    order = asked(world)
    cancel(order=order, by=as_seat(world), reason="not needed")
    page = client.get(link())
    assert (page.status_code, "not needed any more" in page.content.decode()) == (410, True)
    assert client.post(link(), HOME).status_code == 410
    days_later(7)
    sweep()
    assert len(letters()) == 1


def test_a_company_that_is_switched_off_takes_no_answer(world: World, client: Client) -> None:
    order = asked(world)
    Company.objects.update(is_active=False)
    page = client.get(link())
    assert (page.status_code, "No answer can be taken" in page.content.decode()) == (410, True)
    assert client.post(link(), HOME).status_code == 410
    with pytest.raises(RedemptionError, match="Nobody waits"):
        services.answer(token=link().split("/")[2], said=HOME)
    assert line(order).fulfillment_status == "WAITING"
    Company.objects.update(is_active=True)
    assert client.post(link(), HOME).status_code == 303


def test_a_link_that_nobody_sent_is_not_known(world: World, client: Client) -> None:
    page = client.get("/for-you/no-such-token/")
    assert (page.status_code, page["Referrer-Policy"]) == (404, "no-referrer")
    assert client.post("/for-you/no-such-token/", HOME).status_code == 404
    with pytest.raises(RedemptionError, match="newer one"):
        services.answer(token="no-such-token", said=HOME)


def test_too_many_pages_from_one_network_have_to_wait(world: World, client: Client) -> None:
    for _ in range(200):
        client.get("/for-you/no-such-token/", REMOTE_ADDR="192.0.2.7")
    assert client.get("/for-you/no-such-token/", REMOTE_ADDR="192.0.2.7").status_code == 429
    assert client.get("/for-you/no-such-token/", REMOTE_ADDR="192.0.2.8").status_code == 404


def test_a_new_link_ends_the_old_one_at_once(world: World, client: Client) -> None:
    order = asked(world)
    old = link()
    with pytest.raises(RedemptionError, match="less than five minutes ago"):
        services.send_anew(item=line(order), email="ada@home.example", by=as_seat(world))
    days_later(1)
    told = services.send_anew(item=line(order), email="ada@home.example", by=as_seat(world))
    assert told.startswith("A new link goes to ada@home.example.")
    assert client.get(old).status_code == 404
    with pytest.raises(RedemptionError, match="on its way already"):
        services.send_anew(item=line(order), email="ada@home.example", by=as_seat(world))
    sweep()
    assert len(letters()) == 2
    ids = {
        each.extra_headers["Message-ID"] for each in mail.outbox if "/for-you/" in str(each.body)
    }
    assert len(ids) == 2
    assert client.get(old).status_code == 404
    assert client.post(link(), HOME).status_code == 303


def test_a_corrected_address_gets_the_next_letter(world: World, client: Client) -> None:
    order = asked(world)
    services.send_anew(item=line(order), email="ada@work.example", by=as_seat(world))
    sweep()
    assert newest().to == ["ada@work.example"]
    assert client.post(link(), HOME).status_code == 303
    assert line(order).recipient_email == "ada@work.example"
    assert world.fulfillment(order).recipient_email == "ada@work.example"
    kept = order.events.get(subject="NOTE").reason
    assert "@" not in kept


def test_two_people_of_one_name_are_not_asked_at_one_address(world: World) -> None:
    other = {"recipient": ADA | {"recipient_email": "ada@work.example"}, "asks": True}
    book = world.product(points=100)
    order = confirmed(world, (book, ASKED), (book, other))
    sweep()
    at_home = order.items.get(recipient_email="ada@home.example")
    with pytest.raises(RedemptionError, match="asked at this address already"):
        services.send_anew(item=at_home, email="ada@work.example", by=as_seat(world))
    assert RecipientAsk.objects.filter(email="ada@home.example").exists()
    assert order.items.filter(recipient_email="ada@home.example").exists()


@pytest.mark.parametrize(
    "email", ["", "nowhere", "a@b\0.example", "x" * 60 + "@" + "n" * 60 + ".example" * 30]
)
def test_a_corrected_address_that_is_none_is_refused(world: World, email: str) -> None:
    order = asked(world)
    with pytest.raises(RedemptionError):
        services.send_anew(item=line(order), email=email, by=as_seat(world))
    assert RecipientAsk.objects.get().email == "ada@home.example"


def test_links_are_not_sent_without_end(world: World) -> None:
    order = asked(world)
    RecipientAsk.objects.update(letters=services.MOST_LETTERS)
    with pytest.raises(RedemptionError, match="10 links were sent"):
        services.send_anew(item=line(order), email="ada@work.example", by=as_seat(world))


def test_the_company_may_give_the_address_and_then_sees_it(world: World, client: Client) -> None:
    order = asked(world)
    services.give(item=line(order), recipient=RECIPIENT, by=as_seat(world))
    item = line(order)
    assert (item.recipient(), item.hides_address) == (RECIPIENT, False)
    assert world.fulfillment(order).address_line1 == "Invalidenstr. 43"
    assert client.get(link()).status_code == 410
    with pytest.raises(RedemptionError, match="answered already"):
        services.give(item=line(order), recipient=RECIPIENT, by=as_seat(world))
    with pytest.raises(RedemptionError, match="Nobody is asked"):
        services.send_anew(item=line(order), email="ada@work.example", by=as_seat(world))
    assert check_invariants() == []


def test_giving_the_address_of_one_line_leaves_the_person_asked_about_others(
    world: World, client: Client
) -> None:
    book = world.product(points=100)
    order = confirmed(world, (book, ASKED), (book, ASKED))
    sweep()
    first, second = order.items.all()
    services.give(item=first, recipient=RECIPIENT, by=as_seat(world))
    assert client.post(link(), HOME).status_code == 303
    second.refresh_from_db()
    assert second.hides_address


def test_others_of_the_company_may_not_change_who_is_asked(world: World) -> None:
    order = asked(world)
    colleague = Actor.in_seat(world.new_seat("buyer"))
    stranger = Actor.in_seat(world.new_seat("owner", world.new_company(points=1)))
    for who in (colleague, stranger):
        with pytest.raises(RedemptionError, match="does not include"):
            services.give(item=line(order), recipient=RECIPIENT, by=who)
        with pytest.raises(RedemptionError, match="does not include"):
            services.send_anew(item=line(order), email="ada@work.example", by=who)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"recipient": ADA | {"recipient_email": " "}}, "Give the e-mail address"),
        ({"recipient": None}, "Give the e-mail address"),
        ({"recipient": ADA | {"recipient_name": ""}}, "Say who gets"),
        ({"send_on": tomorrow()}, "cannot wait for a date too"),
    ],
)
def test_nobody_is_asked_in_a_way_that_cannot_be(
    world: World, terms: dict[str, Any], told: str
) -> None:
    with pytest.raises(RedemptionError, match=told):
        placed(world, (world.virtual(points=100), {**ASKED, **terms}))
    assert not RedemptionOrder.objects.exists()


def test_an_address_typed_beside_the_question_is_not_kept(world: World) -> None:
    order = placed(world, (world.product(points=100), {"recipient": RECIPIENT, "asks": True}))
    assert line(order).recipient() == ADA | {
        "recipient_name": "Ada Byron",
        "recipient_email": "ada@northwind.example",
    }


def test_a_letter_that_cannot_be_sent_is_tried_again_with_the_same_link(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = confirmed(world, (world.product(points=100), ASKED))
    ask = RecipientAsk.objects.get()
    with monkeypatch.context() as down:
        # replaced: the mail server, which refuses
        down.setattr(mail_sending, "sent", lambda _message: "ConnectionRefusedError")
        assert work("letters to recipients", ask.pk)
    ask.refresh_from_db()
    assert (ask.problem, ask.sent_at) == ("ConnectionRefusedError", None)
    assert ask.next_attempt_at is not None
    company = Client()
    company.force_login(world.seat.user)
    shown = company.get(f"/orders/{order.order_number}/").content.decode()
    assert "could not be sent yet" in shown
    RecipientAsk.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    assert work("letters to recipients", ask.pk)
    ask.refresh_from_db()
    assert (ask.problem, ask.letters, ask.secret) == ("", 1, None)
    assert client.get(link()).status_code == 200


def test_a_letter_whose_link_was_replaced_while_it_was_sent_is_not_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = confirmed(world, (world.product(points=100), ASKED))
    ask = RecipientAsk.objects.get()
    guarded = mail_sending.sent

    def meanwhile(message: Any) -> str:
        told = guarded(message)
        services.send_anew(item=line(order), email="ada@work.example", by=as_seat(world))
        return told

    with monkeypatch.context() as busy:
        # replaced: sending, during which somebody corrects the address
        busy.setattr(mail_sending, "sent", meanwhile)
        assert work("letters to recipients", ask.pk)
    ask.refresh_from_db()
    assert (ask.sent_at, ask.token_hash) == (None, None)
    sweep()
    assert newest().to == ["ada@work.example"]
    assert len(letters()) == 2


def test_a_debit_that_is_cancelled_meanwhile_asks_nobody(world: World) -> None:
    order = placed(world, (world.product(points=100), ASKED))
    cancel(order=order, by=as_seat(world), reason="")
    settle_transaction(world.debit(order).pk)
    sweep()
    assert letters() == []


# --- Two at once -----------------------------------------------------------------------------


def token() -> str:
    return link().split("/")[2]


def named(name: str) -> dict[str, str]:
    return HOME | {"recipient_name": name}


def test_of_two_answers_that_are_sent_at_once_one_counts(world: World) -> None:
    order = asked(world)
    path = link()

    def press(name: str) -> Callable[[], tuple[str, int]]:
        def pressed() -> tuple[str, int]:
            try:
                return name, Client().post(path, named(name)).status_code
            finally:
                connection.close()

        return pressed

    answers = all_at_once([press(f"Ada {number}") for number in range(4)])
    [counted] = [name for name, status in answers if status == 303]
    assert {status for name, status in answers if name != counted} <= {410, 422}
    assert world.fulfillment(order).recipient_name == line(order).recipient_name == counted
    assert Fulfillment.objects.count() == 1
    assert check_invariants() == []


def test_the_second_of_two_answers_reads_that_nobody_waits_for_it(world: World) -> None:
    order = asked(world)
    with (
        while_somebody(lambda: services.answer(token=token(), said=named("Ada"))),
        pytest.raises(RedemptionError, match="Nobody waits"),
    ):
        services.answer(token=token(), said=named("Somebody Else"))
    assert world.fulfillment(order).recipient_name == "Ada"


def test_without_the_lock_the_second_answer_meets_a_line_that_has_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control. That nothing is sent twice holds even so: the status guards it."""
    asked(world)

    def unlocked() -> None:
        def read(key: UUID) -> RedemptionOrder:
            return RedemptionOrder.objects.select_related("company").get(pk=key)

        # replaced: the lock of the order, for the second answer only
        monkeypatch.setattr(services, "locked", read)
        monkeypatch.setattr(steps, "locked", read)
        services.answer(token=token(), said=named("Somebody Else"))

    with (
        while_somebody(lambda: services.answer(token=token(), said=named("Ada"))),
        pytest.raises(StaleStatusError),
    ):
        unlocked()
    assert Fulfillment.objects.count() == 1


def test_an_answer_while_the_link_is_replaced_reads_so(world: World) -> None:
    order = asked(world)
    old, by = token(), as_seat(world)
    item = line(order)
    with (
        while_somebody(lambda: services.send_anew(item=item, email="ada@work.example", by=by)),
        pytest.raises(RedemptionError, match="replaced by a newer one"),
    ):
        services.answer(token=old, said=HOME)
    assert line(order).fulfillment_status == "WAITING"


def test_an_answer_as_the_line_is_cancelled_sends_nothing(world: World, client: Client) -> None:
    order = asked(world)
    with (
        while_somebody(lambda: cancel(order=order, by=as_seat(world), reason="not needed")),
        pytest.raises(RedemptionError, match="Nobody waits"),
    ):
        services.answer(token=token(), said=HOME)
    assert not Fulfillment.objects.exists()
    assert client.post(link(), HOME).status_code == 410
    assert check_invariants() == []


def test_the_api_tells_whose_answer_a_line_waits_for_and_until_when(world: World) -> None:
    order = asked(world)
    calls = Calls(new_key(world.company))
    [told] = calls.get(f"/orders/{order.pk}/lines").json()["data"]
    item = order.items.get()
    assert (told["fulfillment_status"], told["waits_for"]) == ("WAITING", "RECIPIENT")
    assert told["recipient"]["email"] == "ada@home.example"
    assert item.waits_until
    assert told["waits_until"].startswith(f"{item.waits_until:%Y-%m-%dT%H:%M}")
    services.answer(token=link().split("/")[2], said=HOME)
    [told] = calls.get(f"/orders/{order.pk}/lines").json()["data"]
    assert (told["waits_for"], told["waits_until"]) == (None, None)
    assert (told["recipient"]["city"], told["recipient"]["address_line1"]) == ("Berlin", None)


# --- Staff look at the letter --------------------------------------------------------------------


def test_staff_see_the_letter_as_its_reader_does_without_the_secret(world: World) -> None:
    order = asked(world, message="For your jubilee")
    ask = RecipientAsk.objects.get()
    there = reverse("admin:redemption_ask_preview", args=[ask.pk])
    record = reverse("admin:redemption_redemptionorder_change", args=[order.pk])
    support = browser(staff("support"))
    page = support.get(record).content.decode()
    assert there in page
    assert ADA["recipient_email"] in page
    seen = support.get(there)
    letter = seen.content.decode()
    for shown in ("Hello Ada", "For your jubilee", "/for-you/not-shown/"):
        assert shown in letter
    assert link() not in letter
    assert seen.headers["Content-Security-Policy"].startswith("sandbox allow-popups; default-src")
    ask.secret = f"reminder-{ask.pk}"
    ask.save()
    assert ask.secret not in support.get(there).content.decode()
    assert browser(staff("finance")).get(there).status_code == 403


def test_there_is_no_letter_to_see_once_nobody_waits_for_an_answer(world: World) -> None:
    order = asked(world)
    ask = RecipientAsk.objects.get()
    cancel(order=order, by=as_seat(world), reason="")
    support = browser(staff("support"))
    there = reverse("admin:redemption_ask_preview", args=[ask.pk])
    assert support.get(there).status_code == 404
    assert support.get(there.replace(str(ask.pk), str(order.pk))).status_code == 404
