"""Where people get text messages, and about what: their profile, and the company's page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import AccountManager, PersonLetter, Role, TextsTo
from accounts.seats.letters import compose
from tests.accounts.factories import SeatFactory

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
TEXTS = "/profile/texts/"


@pytest.fixture
def ada(settings: Any) -> AccountManager:
    settings.SMS_URL, settings.SMS_KEY = "http://127.0.0.1:1/sms", "k"
    return SeatFactory.create(role=Role.BUYER, company__text_messages=True)


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


@pytest.mark.parametrize(
    "typed", ["+49 151 23456789", "0049 (151) 2345-6789", " +49151/23456789 ", "+49.151.23456789"]
)
def test_a_number_is_kept_as_the_provider_takes_it(
    ada: AccountManager, client_for: SignIn, typed: str
) -> None:
    client = client_for(ada)
    assert "Send me text messages about" in text(client.get("/profile/"))
    answer = client.post(TEXTS, {"number": typed, "topics": ["progress", "points_back"]})
    assert (answer.status_code, answer["Location"]) == (303, "/profile/")
    kept = TextsTo.objects.get(user=ada.user)
    assert (kept.number, kept.topics) == ("+4915123456789", ["points_back", "progress"])
    assert 'value="+4915123456789"' in text(client.get("/profile/"))
    client.post(TEXTS, {"number": ""})
    assert not TextsTo.objects.exists()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"number": "0151 23456789", "topics": ["progress"]}, "with the code of its country"),
        ({"number": "+49", "topics": ["progress"]}, "with the code of its country"),
        ({"number": "+4915123456789 ext 3", "topics": ["progress"]}, "with the code of its"),
        ({"number": "=+4915123456789", "topics": ["progress"]}, "with the code of its country"),
        ({"number": "+" + "1" * 5_000, "topics": ["progress"]}, "at most 30 characters"),
        ({"number": "+4915123456789"}, "Choose what you want to be told"),
        ({"number": "+4915123456789", "topics": ["approvals"]}, "Select a valid choice"),
        ({"number": "+4915123456789", "topics": ["copies"]}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    ada: AccountManager, client_for: SignIn, said: dict[str, Any], why: str
) -> None:
    answer = client_for(ada).post(TEXTS, said)
    assert answer.status_code == 422
    assert why in text(answer)
    assert not TextsTo.objects.exists()


def test_without_a_provider_or_the_companys_wish_there_is_no_such_choice(
    ada: AccountManager, client_for: SignIn, settings: Any
) -> None:
    client, said = client_for(ada), {"number": "+4915123456789", "topics": ["progress"]}
    ada.company.text_messages = False
    ada.company.save()
    assert "text messages" not in text(client.get("/profile/"))
    assert client.post(TEXTS, said).status_code == 404
    ada.company.text_messages = True
    ada.company.save()
    settings.SMS_URL = ""
    assert client.post(TEXTS, said).status_code == 404
    assert not TextsTo.objects.exists()


def test_owners_allow_text_messages_and_all_owners_are_told(
    ada: AccountManager, client_for: SignIn, settings: Any
) -> None:
    owner = SeatFactory.create(owner=True, company=ada.company)
    client, place = client_for(owner), {"sender_name": "", "time_zone": "UTC", "language": "en"}
    assert "Text messages too" in text(client.get("/company/"))
    client.post("/company/place/", place)
    ada.company.refresh_from_db()
    assert not ada.company.text_messages
    client.post("/company/place/", {**place, "text_messages": "on"})
    ada.company.refresh_from_db()
    assert ada.company.text_messages
    told = [str(compose(letter).body) for letter in PersonLetter.objects.order_by("id")]
    assert "Nobody of the company gets text messages about orders any more." in told[0]
    assert "may have text messages about orders now." in told[1]
    settings.SMS_URL = ""
    assert "Text messages too" not in text(client.get("/company/"))
    client.post("/company/place/", place)  # what is not offered stays
    ada.company.refresh_from_db()
    assert ada.company.text_messages
