"""`manage.py first_administrator` creates the first person who can sign in."""

import re
from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from operations.management.commands import first_administrator
from tests.accounts.factories import PASSWORD, UserFactory

EMAIL = "ada@meridian.example"

pytestmark = pytest.mark.django_db


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The answers to prompts, because tests have no terminal."""
    answers: list[str] = []
    # replaced: there is no terminal to type a password at
    monkeypatch.setattr(first_administrator, "getpass", lambda _prompt: answers.pop(0))
    return answers


def make(*arguments: str) -> str:
    told = StringIO()
    call_command("first_administrator", *arguments, stdout=told)
    return told.getvalue()


def may_enter(password: str) -> bool:
    client = Client()
    client.post("/accounts/login/", {"login": EMAIL, "password": password})
    # They set up their second step first.
    return client.get("/admin/")["Location"] == "/accounts/2fa/"


def test_the_first_administrator_enters_the_admin_portal(typed: list[str]) -> None:
    typed += [PASSWORD, PASSWORD]
    told = make("Ada@Meridian.example", "--name", "Ada Byron")
    assert f"{EMAIL} may do everything" in told
    assert PASSWORD not in told
    assert may_enter(PASSWORD)
    assert User.objects.get().name == "Ada Byron"


def test_without_a_password_one_is_chosen_by_the_letter_of_the_reset() -> None:
    assert "Forgotten your password?" in make(EMAIL, "--by-letter")
    assert not may_enter("")
    client = Client()
    client.post("/accounts/password/reset/", {"email": EMAIL})
    [letter] = mail.outbox
    [link] = re.findall(r"http://[^/]+(/accounts/\S+)", str(letter.body))
    page = client.get(link, follow=True)
    client.post(page.request["PATH_INFO"], {"password1": PASSWORD, "password2": PASSWORD})
    assert may_enter(PASSWORD)


def test_there_is_one_first_administrator(typed: list[str]) -> None:
    make(EMAIL, "--by-letter")
    with pytest.raises(CommandError, match="There is an administrator already"):
        make("grace@meridian.example", "--by-letter")
    assert User.objects.count() == 1


def test_one_who_may_not_enter_any_more_counts_for_none() -> None:
    UserFactory.create(is_superuser=True, is_staff=True, is_active=False)
    make(EMAIL, "--by-letter")
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1


@pytest.mark.parametrize(
    ("email", "answers", "why"),
    [
        ("ada", [], "Enter a valid e-mail address"),
        (EMAIL, [PASSWORD, "another one"], "two different passwords"),
        (EMAIL, ["12345678", "12345678"], "too common"),
        (EMAIL, ["", ""], "too short"),
    ],
)
def test_what_will_not_do_is_said_and_nobody_is_made(
    typed: list[str], email: str, answers: list[str], why: str
) -> None:
    typed += answers
    with pytest.raises(CommandError, match=why):
        make(email)
    assert not User.objects.exists()


def test_an_address_that_somebody_has_is_named(typed: list[str]) -> None:
    UserFactory.create(email=EMAIL)
    with pytest.raises(CommandError, match="already exists"):
        make(EMAIL.upper())


def test_a_password_is_no_argument() -> None:
    with pytest.raises(CommandError, match="unrecognized arguments"):
        make(EMAIL, "--password", "secret")


def test_who_goes_away_from_the_question_has_made_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_prompt: str) -> str:
        raise EOFError

    # replaced: a terminal that is closed while it asks
    monkeypatch.setattr(first_administrator, "getpass", gone)
    with pytest.raises(CommandError, match="nobody was made"):
        make(EMAIL)
    assert not User.objects.exists()
