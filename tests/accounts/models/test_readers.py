"""Everybody reads pages and letters in their own language and time zone."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import AccountManager, Company, KnownBalance, User
from accounts.models.readers import reader_of
from accounts.views import ReaderMiddleware
from redemption.messages.notifications import compose
from redemption.models import Letter, LetterKind
from tests.accounts.factories import CompanyFactory, SeatFactory, UserFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
SIGN_IN = "/accounts/login/"


def language_of(page: Any) -> str:
    """The language of an answer, which its header and its page agree on."""
    found = re.search(r'<html lang="(\w+)"', page.content.decode())
    assert found
    assert page.headers["Content-Language"] == found[1]
    return found[1]


# --- Pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "shown"), [("de-AT,en;q=0.5", "de"), ("fr,de;q=0.2", "de"), ("fr", "en"), ("", "en")]
)
def test_who_has_chosen_nothing_reads_as_the_browser_asks(asked: str, shown: str) -> None:
    page = Client().get(SIGN_IN, headers={"accept-language": asked})
    assert language_of(page) == shown
    assert {"Accept-Language", "Cookie"} <= set(page.headers["Vary"].split(", "))


def test_a_language_is_chosen_in_the_footer_without_signing_in() -> None:
    client = Client()
    first = client.get(SIGN_IN).content.decode()
    assert re.search(r'value="en"\s+lang="en"\s+aria-current="true">English<', first)
    assert re.search(r'value="de"\s+lang="de"\s*>Deutsch<', first)
    back = client.post(
        "/language/",
        {"language": "de"},
        headers={"referer": f"http://testserver{SIGN_IN}?next=/cart/"},
    )
    assert (back.status_code, back.headers["Location"]) == (303, f"{SIGN_IN}?next=/cart/")
    assert language_of(client.get(SIGN_IN, headers={"accept-language": "en"})) == "de"
    missing = client.get("/nothing/")
    assert (missing.status_code, language_of(missing)) == (404, "de")


def test_a_language_that_is_none_changes_nothing() -> None:
    client = Client()
    for unknown in ({"language": "fr"}, {"language": "../de"}, {}):
        assert client.post("/language/", unknown).headers["Location"] == "/"
    assert language_of(client.get(SIGN_IN)) == "en"
    assert client.get("/language/").headers["Location"] == "/"


def test_a_persons_own_language_goes_along_to_every_browser(client_for: SignIn) -> None:
    seat = SeatFactory.create(user__language="de", company__balance=12_500)
    page = client_for(seat).get("/", headers={"accept-language": "en"})
    assert language_of(page) == "de"
    assert "12.500" in page.content.decode()
    client_for(seat).post("/language/", {"language": "en"})
    assert User.objects.get(pk=seat.user_id).language == "en"
    assert language_of(client_for(seat).get("/", headers={"accept-language": "de"})) == "en"


def test_what_is_streamed_is_in_the_readers_language_to_its_end() -> None:
    def pieces() -> Iterator[str]:
        yield gettext("Yes")
        yield gettext("No")

    request = RequestFactory().get("/", headers={"accept-language": "de"})
    request.user = AnonymousUser()
    answer: Any = ReaderMiddleware(lambda _request: StreamingHttpResponse(pieces()))(request)
    assert b"".join(answer.streaming_content).decode() == "JaNein"
    assert gettext("Yes") == "Yes"


def test_a_brands_colours_are_the_same_for_all_and_may_be_shared(client_for: SignIn) -> None:
    sheet = client_for(SeatFactory.create()).get("/brand.css")
    assert "Cookie" not in sheet.headers.get("Vary", "")
    assert "Content-Language" not in sheet.headers


@pytest.mark.both_ways
@pytest.mark.parametrize(
    ("own", "companys", "shown"),
    [
        ("Asia/Tokyo", "America/New_York", "01:30 JST"),
        ("", "America/New_York", "11:30 EST"),
        ("Mars/Olympus", "", "16:30 UTC"),
    ],
)
def test_times_are_those_of_the_person_else_of_the_company_else_of_the_programme(
    client_for: SignIn, own: str, companys: str, shown: str
) -> None:
    seat = SeatFactory.create(user__time_zone=own, company__time_zone=companys)
    at = datetime(2024, 11, 26, 16, 30, tzinfo=UTC)
    KnownBalance.objects.create(company=seat.company, points=1, as_of=at, fetched_at=at)
    assert shown in client_for(seat).get("/").content.decode()
    assert timezone.get_current_timezone_name() == "UTC"


def test_staff_read_the_programmes_time_unless_they_chose_another(settings: Any) -> None:
    company = CompanyFactory.create(time_zone="Asia/Tokyo", language="de")
    staff = UserFactory.create(staff=True)
    settings.TIME_ZONE = "Europe/Berlin"
    assert reader_of(staff, company).zone == "Europe/Berlin"
    staff.time_zone = "America/New_York"
    assert reader_of(staff, company).zone == "America/New_York"


def test_a_new_company_gets_the_programmes_time_zone_and_language(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    company = Company.objects.create(name="Northwind", loyalty_account_id="ACC-1")
    assert (company.time_zone, company.language) == ("Europe/Berlin", "en")


# --- Letters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "companys", "number"),
    [("de", "en", "4.500"), ("", "de", "4.500"), ("en", "de", "4,500")],
)
def test_a_letter_is_in_the_language_of_its_reader_else_of_the_company(
    own: str, companys: str, number: str
) -> None:
    seat = SeatFactory.create(user__language=own, company__language=companys)
    message = compose(confirmation(seat))
    html = str(message.alternatives[0][0])
    assert number in message.body
    assert number in html
    assert f'<html lang="{own or companys}"' in html


def confirmation(seat: AccountManager) -> Letter:
    order = paid(seat, (ProductFactory.create(points_cost=4_500), 1))
    return order.letters.get(kind=LetterKind.CONFIRMED)


# --- The profile --------------------------------------------------------------------------------


def test_a_person_chooses_name_language_and_time_zone(client_for: SignIn) -> None:
    seat = SeatFactory.create(user__name="Mara", company__time_zone="Europe/Vienna")
    client = client_for(seat)
    assert 'href="/profile/"' in client.get("/").content.decode()
    page = client.get("/profile/").content.decode()
    assert "As the company: Europe/Vienna" in page
    assert re.search(r'<optgroup label="Europe">.*value="Europe/Berlin">Berlin<', page, re.DOTALL)
    form = {"name": "Mara Lind", "language": "de", "time_zone": "Europe/Berlin"}
    assert client.post("/profile/", form).status_code == 303
    seat.user.refresh_from_db()
    assert {name: getattr(seat.user, name) for name in form} == form
    saved = client.get("/profile/")
    assert language_of(saved) == "de"
    assert 'value="Mara Lind"' in saved.content.decode()
    person: Any = seat.user
    assert person.changes.filter(pgh_label="update", language="de").exists()


@pytest.mark.parametrize(
    "wrong", [{"language": "fr"}, {"time_zone": "Mars/Olympus"}, {"name": "\u200b\u200b"}]
)
def test_a_profile_that_cannot_be_is_refused_and_saves_nothing(
    client_for: SignIn, wrong: dict[str, str]
) -> None:
    seat = SeatFactory.create(user__name="Mara")
    form = {"name": "Lind", "language": "de", "time_zone": "UTC", **wrong}
    page = client_for(seat).post("/profile/", form)
    assert page.status_code == 422
    assert "field__error" in page.content.decode()
    seat.user.refresh_from_db()
    assert (seat.user.name, seat.user.language, seat.user.time_zone) == ("Mara", "", "")


def test_staff_without_a_seat_have_a_profile_too() -> None:
    client = Client()
    client.force_login(UserFactory.create(staff=True), backend="accounts.backends.SeatsBackend")
    page = client.get("/profile/").content.decode()
    assert "As the programme: UTC" in page
    assert "Back office" in page
    assert Client().get("/profile/").headers["Location"] == f"{SIGN_IN}?next=/profile/"


def test_a_person_chooses_which_letters_they_get(client_for: SignIn) -> None:
    buyer = SeatFactory.create()
    client = client_for(buyer)
    page = client.get("/profile/").content.decode()
    assert page.count('name="letters"') == 2  # copies are for those who approve
    assert "These are always sent" in page
    assert client.post("/profile/letters/", {"letters": ["points_back"]}).status_code == 303
    assert [row.topic for row in buyer.user.letters_off.all()] == ["progress"]
    saved = client.get("/profile/").content.decode()
    assert re.search(r'value="points_back"[^>]*checked', saved)
    assert not re.search(r'value="progress"[^>]*checked', saved)
    client.post("/profile/letters/", {"letters": ["progress", "points_back"]})
    assert not buyer.user.letters_off.exists()
    wrong = client.post("/profile/letters/", {"letters": ["copies", "everything"]})
    assert wrong.status_code == 422
    assert not buyer.user.letters_off.exists()


def test_a_choice_that_was_not_offered_stays(client_for: SignIn) -> None:
    """An owner who became a buyer keeps what they said about copies."""
    seat = SeatFactory.create(owner=True)
    said = {"letters": ["progress", "points_back", "approvals"]}
    client_for(seat).post("/profile/letters/", said)
    assert [row.topic for row in seat.user.letters_off.all()] == ["copies"]
    seat.role = "buyer"
    seat.save()
    client_for(seat).post("/profile/letters/", {"letters": ["progress"]})
    assert sorted(row.topic for row in seat.user.letters_off.all()) == ["copies", "points_back"]


def test_the_profile_leads_to_password_second_step_and_sessions(client_for: SignIn) -> None:
    page = client_for(SeatFactory.create(owner=True)).get("/profile/").content.decode()
    for where in ("/accounts/password/change/", "/accounts/2fa/", "/accounts/sessions/"):
        assert f'<a href="{where}">' in page
    assert "Owners always get letters about people, rules and API keys" in page
