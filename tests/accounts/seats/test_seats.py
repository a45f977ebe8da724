"""The seat of a page: switching, ended seats, and seats of other people."""

import re
import uuid
from collections.abc import Callable
from http import HTTPStatus

import pytest
from django.test import Client

from accounts.models import AccountManager, Role, User
from accounts.selectors import SEAT_KEY
from tests.accounts.factories import SeatFactory, UserFactory

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
SWITCH = "/seat/"


@pytest.fixture
def user() -> User:
    return UserFactory.create()


@pytest.fixture
def acme(user: User) -> AccountManager:
    """The seat that comes first by company name."""
    return SeatFactory.create(user=user, company__name="Acme", role=Role.BUYER)


@pytest.fixture
def zenith(user: User) -> AccountManager:
    return SeatFactory.create(user=user, company__name="Zenith", role=Role.APPROVER)


def seat_of(client: Client) -> str:
    """The company of the current seat in the next page's menu."""
    page = client.get("/catalog/")
    assert page.status_code == HTTPStatus.OK
    [marked] = re.findall(r'value="([^"]+)"\s+aria-current="true"', page.content.decode())
    return AccountManager.objects.get(pk=marked).company.name


def test_who_switches_sits_in_the_other_seat_from_the_next_page_on(
    client_for: SignIn, acme: AccountManager, zenith: AccountManager
) -> None:
    client = client_for(acme)
    assert seat_of(client) == "Acme"
    answer = client.post(SWITCH, {"seat": str(zenith.pk), "next": "/orders/?status=open"})
    assert (answer.status_code, answer["Location"]) == (302, "/orders/?status=open")
    assert seat_of(client) == "Zenith"
    assert client.session[SEAT_KEY] == str(zenith.pk)
    client.post(SWITCH, {"seat": str(acme.pk)})
    assert seat_of(client) == "Acme"


def test_the_seat_of_somebody_else_changes_nothing(
    client_for: SignIn, acme: AccountManager, zenith: AccountManager
) -> None:
    """It does not even switch to the user's first seat."""
    theirs = SeatFactory.create(company__name="Elsewhere")
    client = client_for(zenith)
    for wanted in (str(theirs.pk), str(uuid.uuid4()), "no-uuid", ""):
        answer = client.post(SWITCH, {"seat": wanted, "next": "/cart/"})
        assert (answer.status_code, answer["Location"]) == (302, "/cart/")
        assert seat_of(client) == "Zenith"
    client.post(SWITCH)
    assert seat_of(client) == "Zenith"


def test_a_seat_that_ended_cannot_be_chosen_and_is_left(
    client_for: SignIn, acme: AccountManager, zenith: AccountManager
) -> None:
    SeatFactory.create(user=acme.user, company__name="Beta")  # one seat alone has no menu
    client = client_for(zenith)
    ended = AccountManager.objects.filter(pk=zenith.pk)
    ended.update(is_active=False)
    assert seat_of(client) == "Acme"  # and the user is signed in still
    client.post(SWITCH, {"seat": str(zenith.pk)})
    assert seat_of(client) == "Acme"

    ended.update(is_active=True)
    zenith.company.is_active = False
    zenith.company.save()
    client.post(SWITCH, {"seat": str(zenith.pk)})
    assert seat_of(client) == "Acme"


def test_without_any_seat_a_person_is_told_so(client_for: SignIn, acme: AccountManager) -> None:
    client = client_for(acme)
    AccountManager.objects.update(is_active=False)
    page = client.get("/catalog/")
    assert page.status_code == HTTPStatus.FORBIDDEN
    assert "accounts/no_seat.html" in {template.name for template in page.templates}
    answer = client.post(SWITCH, {"seat": str(acme.pk)})
    assert (answer.status_code, answer["Location"]) == (302, "/")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "https:evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "http://testserver.evil.example/",
        "http://testserver@evil.example/",
        " //evil.example",
        "",
    ],
)
def test_the_switch_leads_nowhere_but_into_the_portal(
    client_for: SignIn, acme: AccountManager, zenith: AccountManager, target: str
) -> None:
    client = client_for(acme)
    answer = client.post(SWITCH, {"seat": str(zenith.pk), "next": target})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert seat_of(client) == "Zenith"


def test_the_switch_leads_back_to_a_page_of_the_portals_own_address(
    client_for: SignIn, acme: AccountManager
) -> None:
    answer = client_for(acme).post(SWITCH, {"next": "http://testserver/cart/"})
    assert (answer.status_code, answer["Location"]) == (302, "http://testserver/cart/")


def test_only_a_form_of_somebody_signed_in_switches(
    client_for: SignIn, acme: AccountManager, zenith: AccountManager
) -> None:
    client = client_for(acme)
    answer = client.get(SWITCH, {"seat": str(zenith.pk)})
    assert (answer.status_code, answer["Location"]) == (303, "/")
    assert seat_of(client) == "Acme"
    stranger = Client().post(SWITCH, {"seat": str(zenith.pk)})
    assert stranger.status_code == HTTPStatus.FOUND
    assert stranger["Location"].startswith("/accounts/login/")


def test_what_a_seat_may_do_goes_with_the_seat(client_for: SignIn, user: User) -> None:
    viewer = SeatFactory.create(user=user, company__name="Acme", viewer=True)
    owner = SeatFactory.create(user=user, company__name="Zenith", owner=True)
    client = client_for(viewer)
    assert client.get("/checkout/").status_code == HTTPStatus.FORBIDDEN
    client.post(SWITCH, {"seat": str(owner.pk)})
    assert client.get("/checkout/").status_code != HTTPStatus.FORBIDDEN


def test_who_is_signed_out_comes_back_to_where_they_were() -> None:
    """After a POST that is the page of the form, never a page of another host."""
    client = Client()
    login = "/accounts/login/?next="
    assert client.get("/orders/?status=open")["Location"] == f"{login}/orders/%3Fstatus%3Dopen"
    ways = {
        "http://testserver/catalog/?q=mug": "/catalog/%3Fq%3Dmug",
        "https://evil.example/catalog/": "/",
        "": "/",
    }
    for page, back in ways.items():
        answer = client.post("/cart/add/", headers={"referer": page})
        assert answer["Location"] == f"{login}{back}", page
    fragment = client.get("/orders/", headers={"HX-Request": "true"})
    assert fragment.status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("/orders/R-7KQ4M-2XDTP/", "/orders/"),
        ("/orders/R-7KQ4M-2XDTP/receipt/", "/orders/"),
        ("/orders/?by=0192", "/orders/"),
        ("/points/?time=all", "/points/"),
        ("/people/01920000-0000-7000-8000-000000000000/", "/people/"),
        ("/company/", "/company/"),
        ("/company/addresses/01920000-0000-7000-8000-000000000000/", "/company/addresses/"),
        ("/catalog/a-mug/", "/catalog/"),
        ("/cart/01920000-0000-7000-8000-000000000000/people/", "/cart/"),
        ("/approvals/", "/approvals/"),
        ("/company/keys/", "/"),  # an approver has no keys
        ("/nothing/here/", "/"),
        ("/", "/"),
    ],
)
def test_the_switch_stays_on_the_kind_of_page(
    page: str, kind: str, client_for: SignIn, acme: AccountManager, zenith: AccountManager
) -> None:
    """The browser says on which page the menu was; what it shows may be of the first company."""
    answer = client_for(acme).post(
        SWITCH, {"seat": str(zenith.pk)}, headers={"referer": f"http://testserver{page}"}
    )
    assert (answer.status_code, answer["Location"]) == (302, kind)


def test_the_switch_from_another_host_leads_home(
    client_for: SignIn, acme: AccountManager, zenith: AccountManager
) -> None:
    answer = client_for(acme).post(
        SWITCH, {"seat": str(zenith.pk)}, headers={"referer": "https://evil.example/orders/"}
    )
    assert answer["Location"] == "/"
