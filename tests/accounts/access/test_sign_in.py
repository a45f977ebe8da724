"""Wrong passwords are limited, right ones are not, and nobody can lock out somebody else."""

from typing import Any

import pytest
from django.test import Client

from accounts.access import known_browser
from accounts.access.sign_in import BY_STRANGERS, FROM_ADDRESS, IN_KNOWN_BROWSER
from accounts.models import User
from tests.accounts.factories import PASSWORD, SeatFactory, UserFactory

pytestmark = pytest.mark.django_db
DOOR = "/accounts/login/"


def tries(client: Client, user: User | str, password: str = "wrong", address: str = "") -> bool:
    """Try to sign in. Returns whether it succeeded."""
    login = user if isinstance(user, str) else user.email
    extra: dict[str, Any] = {"REMOTE_ADDR": address} if address else {}
    answer = client.post(DOOR, {"login": login, "password": password}, **extra)
    assert answer.status_code in {200, 302}
    return answer.status_code == 302


def known_to(user: User) -> Client:
    """A browser in which the user has signed in and out again."""
    client = Client()
    assert tries(client, user, PASSWORD)
    client.post("/accounts/logout/")
    return client


def strangers_try(user: User, times: int = BY_STRANGERS.most) -> None:
    for number in range(times):
        assert not tries(Client(), user, address=f"198.51.100.{number}")


def test_a_whole_office_behind_one_address_signs_in_at_nine() -> None:
    for user in UserFactory.create_batch(40):
        assert tries(Client(), user, PASSWORD)


def test_an_account_is_locked_to_strangers_after_five_wrong_passwords() -> None:
    user = UserFactory.create()
    strangers_try(user)
    answer = Client().post(DOOR, {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert "Too many failed login attempts" in answer.content.decode()


def test_strangers_lock_nobody_out_of_a_browser_they_used_before() -> None:
    user = UserFactory.create()
    home = known_to(user)
    strangers_try(user, 3 * BY_STRANGERS.most)
    assert tries(home, user, PASSWORD)


def test_a_colleague_who_guesses_locks_nobody_out_of_their_own_browsers() -> None:
    user = UserFactory.create()
    home = known_to(user)
    for number in range(FROM_ADDRESS.most + 2):
        tries(Client(), f"guess{number}@example.test")
    assert tries(home, user, PASSWORD)


def test_a_known_browser_guesses_no_longer_than_a_stranger() -> None:
    user = UserFactory.create()
    stolen = known_to(user)
    for _each in range(IN_KNOWN_BROWSER.most):
        assert not tries(stolen, user)
    assert not tries(stolen, user, PASSWORD)


def test_a_browser_that_one_person_knows_is_a_strangers_to_another() -> None:
    mine, theirs = UserFactory.create_batch(2)
    client = known_to(mine)
    strangers_try(theirs)
    assert not tries(client, theirs, PASSWORD)


def test_several_people_may_know_one_browser() -> None:
    first, second = UserFactory.create_batch(2)
    shared = known_to(first)
    assert tries(shared, second, PASSWORD)
    shared.post("/accounts/logout/")
    strangers_try(first)
    assert tries(shared, first, PASSWORD)


def test_the_mark_of_a_known_browser_is_read_by_no_script_and_says_nothing_of_anybody() -> None:
    user = UserFactory.create()
    mark = known_to(user).cookies[known_browser.COOKIE]
    assert mark["httponly"]
    assert mark["samesite"] == "Lax"
    assert user.email not in mark.value
    assert str(user.pk) not in mark.value


@pytest.mark.parametrize("forged", ["nonsense", "e30:1abcde:signature", ""])
def test_a_mark_that_we_did_not_sign_is_none(forged: str) -> None:
    user = UserFactory.create()
    strangers_try(user)
    client = Client()
    client.cookies[known_browser.COOKIE] = forged
    assert not tries(client, user, PASSWORD)


def test_many_accounts_are_not_tried_from_one_address() -> None:
    user = UserFactory.create()
    for number in range(FROM_ADDRESS.most):
        assert not tries(Client(), f"guess{number}@example.test")
    assert not tries(Client(), user, PASSWORD)
    assert tries(Client(), user, PASSWORD, address="203.0.113.9")


def test_ones_own_password_in_between_buys_no_more_guesses_at_others() -> None:
    mine, theirs = UserFactory.create_batch(2)
    for number in range(FROM_ADDRESS.most):
        assert not tries(Client(), f"guess{number}@example.test")
        if number < FROM_ADDRESS.most - 1:
            assert tries(Client(), mine, PASSWORD)
    assert not tries(Client(), theirs, PASSWORD)


@pytest.mark.parametrize("spelled", ["Kim@Example.Test", "KIM@EXAMPLE.TEST", " kim@example.test"])
def test_another_spelling_is_the_same_account(spelled: str) -> None:
    user = UserFactory.create(email="kim@example.test")
    strangers_try(user, BY_STRANGERS.most - 1)
    assert not tries(Client(), spelled, address="198.51.100.99")
    assert not tries(Client(), user, PASSWORD)


def test_whoever_signs_in_at_last_begins_anew() -> None:
    user = UserFactory.create()
    strangers_try(user, BY_STRANGERS.most - 1)
    assert tries(Client(), user, PASSWORD)
    strangers_try(user, BY_STRANGERS.most - 1)
    assert tries(Client(), user, PASSWORD)


def test_a_new_password_from_a_letter_opens_a_locked_account(mailoutbox: list[Any]) -> None:
    user = UserFactory.create()
    strangers_try(user)
    client = Client()
    client.post("/accounts/password/reset/", {"email": user.email})
    link = next(word for word in mailoutbox[0].body.split() if "/password/reset/key/" in word)
    page = client.get(link, follow=True)
    new = {"password1": "a quite other one 9", "password2": "a quite other one 9"}
    client.post(page.redirect_chain[-1][0], new)
    assert tries(Client(), user, "a quite other one 9")


@pytest.mark.parametrize("known", [True, False])
def test_letters_name_the_portals_address_not_the_one_that_was_asked(
    settings: Any, mailoutbox: list[Any], known: bool
) -> None:
    """Somebody requests another person's reset letter with a host name of their own."""
    settings.PORTAL_URL = "https://rewards.example"
    settings.ALLOWED_HOSTS = ["*"]
    email = UserFactory.create().email if known else "nobody@example.test"
    Client().post("/accounts/password/reset/", {"email": email}, headers={"host": "evil.example"})
    [letter] = mailoutbox
    assert "evil.example" not in f"{letter.subject} {letter.body}"
    assert ("https://rewards.example/accounts/password/reset/key/" in letter.body) is known


@pytest.mark.parametrize("header", ["198.51.100.1", "x", ""])
def test_a_header_shorter_than_there_are_proxies_is_no_error(settings: Any, header: str) -> None:
    settings.TRUSTED_PROXY_COUNT = 3
    user = UserFactory.create()
    answer = Client().post(
        DOOR, {"login": user.email, "password": PASSWORD}, headers={"x-forwarded-for": header}
    )
    assert answer.status_code == 302


def test_without_a_proxy_a_new_address_in_the_header_is_no_new_address() -> None:
    user = UserFactory.create()
    for number in range(FROM_ADDRESS.most + 1):
        login = {"login": f"guess{number}@example.test", "password": "wrong"}
        Client().post(DOOR, login, headers={"x-forwarded-for": f"198.51.100.{number}"})
    assert not tries(Client(), user, PASSWORD)


def test_the_old_password_is_not_guessed_in_the_admin_either() -> None:
    """The admin's own password page has no limit; it redirects to the portal's page, which
    has one.
    """
    user = UserFactory.create(superuser=True)
    client = Client()
    client.force_login(user)
    wrong = {
        "old_password": "wrong",
        "new_password1": "n3w and long",
        "new_password2": "n3w and long",
    }
    for answer in (
        client.get("/admin/password_change/"),
        client.post("/admin/password_change/", wrong),
    ):
        assert answer["Location"] == "/accounts/password/change/"
    wrong = {"oldpassword": "wrong", "password1": "n3w and long", "password2": "n3w and long"}
    codes = [client.post("/accounts/password/change/", wrong).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]


def test_an_account_manager_confirms_who_they_are_within_the_same_limit() -> None:
    user = SeatFactory.create().user
    client = known_to(user)
    assert tries(client, user, PASSWORD)
    page = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert page.status_code == 302
    for _each in range(IN_KNOWN_BROWSER.most):
        client.post("/accounts/reauthenticate/", {"password": "wrong"})
    page = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert page.status_code == 200
