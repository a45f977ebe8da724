"""Texts use one spelling, also those of libraries (locale/en)."""

import gettext
import re
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.test import Client
from django.utils.translation import gettext as translated

from tests.accounts.factories import UserFactory

CATALOGUE = Path(__file__).resolve().parents[2] / "locale/en/LC_MESSAGES"
OURS = dict(
    re.findall(
        r'^msgid "(.+)"\nmsgstr "(.+)"$', (CATALOGUE / "django.po").read_text(), re.MULTILINE
    )
)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password/reset/"])
def test_an_address_is_asked_for_as_everywhere(path: str) -> None:
    page = Client().get(path).content.decode()
    assert re.search(r"<label[^>]*>\s*E-mail\s*</label>", page)
    assert "Email" not in page


@pytest.mark.django_db
def test_a_wrong_password_is_told_in_our_words() -> None:
    user = UserFactory.create()
    page = Client().post("/accounts/login/", {"login": user.email, "password": "wrong"})
    assert "The e-mail address or the password is not right." in page.content.decode()


@pytest.mark.django_db
def test_who_has_no_account_yet_is_sent_to_those_who_open_one_and_not_promised_a_letter(
    mailoutbox: list[Any],
) -> None:
    """Nobody is invited: staff open the accounts, in the admin."""
    Client().post("/accounts/password/reset/", {"email": "nobody@example.test"})
    [letter] = mailoutbox
    told = [
        Client().get("/accounts/login/").content.decode(),
        Client().get("/accounts/signup/").content.decode(),
        letter.body.replace("'", "’"),
    ]
    for words in told:
        assert "the programme’s staff" in words.lower()
        assert "invit" not in words.lower()


def test_what_is_no_address_is_told_in_our_words() -> None:
    with pytest.raises(forms.ValidationError, match="Enter a valid e-mail address, such as name@"):
        forms.EmailField().clean("nobody")


@pytest.mark.parametrize("theirs", OURS)
def test_the_compiled_words_are_those_of_the_source(theirs: str) -> None:
    with (CATALOGUE / "django.mo").open("rb") as file:
        assert gettext.GNUTranslations(file).gettext(theirs) == OURS[theirs]
    assert translated(theirs) == OURS[theirs]
