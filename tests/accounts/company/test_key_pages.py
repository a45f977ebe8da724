"""The pages of API keys: owners make, rotate and revoke them, and each key is shown once."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import AccountManager, ApiKey, PersonLetter, Role
from tests.accounts.access.making import new_key, owner_of
from tests.accounts.factories import PASSWORD, CompanyFactory, SeatFactory
from tests.accounts.second_factor import long_ago
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.api.calls import Calls
from tests.redemption.orders.api.test_api_orders import body, post

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
KEYS, NEW = "/company/keys/", "/company/keys/new/"
SECRET = re.compile(r"lrp_live_[0-9A-Za-z]{36}")


@pytest.fixture
def owner() -> AccountManager:
    return owner_of(CompanyFactory.create(name="Northwind"))


def typed(**changes: Any) -> dict[str, Any]:
    usual = {
        "form": str(uuid4()), "name": "SAP", "role": "buyer", "life": "365",
        "scopes": ["catalog:read", "orders:write"], "networks": "", "notify_email": "",
    }  # fmt: skip
    return {**usual, **changes}


def text(answer: Any) -> str:
    return answer.content.decode()


def test_an_owner_makes_a_key_which_works_and_is_shown_once(
    owner: AccountManager, client_for: SignIn
) -> None:
    client = client_for(owner)
    assert "The company has no key" in text(client.get(KEYS))
    assert text(client.get("/")).count(KEYS) == 1
    said = typed(networks="127.0.0.0/8\n 192.0.2.1", notify_email="it@northwind.example")
    made = client.post(NEW, said)
    assert made.status_code == 201
    assert "no-store" in made["Cache-Control"]
    [secret] = set(SECRET.findall(text(made)))
    assert Calls(secret).get("/me").json()["name"] == "SAP"
    key = ApiKey.objects.get()
    assert (key.created_by, key.scopes) == (owner.user, ["catalog:read", "orders:write"])
    assert key.allowed_networks == ["127.0.0.0/8", "192.0.2.1/32"]
    told = set(PersonLetter.objects.values_list("to", flat=True))
    assert told == {owner.user.email, "it@northwind.example"}
    again = client.post(NEW, said)
    assert (again.status_code, ApiKey.objects.count()) == (422, 1)
    assert "made a key already" in text(again)
    pages = text(client.get(KEYS)) + text(client.get(f"{KEYS}{key.pk}/"))
    assert key.shown in pages
    assert "from 127.0.0.1" in pages
    assert secret not in pages + text(again)


def test_what_is_wrong_in_the_form_is_said_and_kept(
    owner: AccountManager, client_for: SignIn
) -> None:
    client = client_for(owner)
    for change, told in (
        ({"networks": "everywhere"}, "192.0.2.0/24"),
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["all"]}, "not one of the available choices"),
        ({"role": "king"}, "not one of the available choices"),
        ({"life": "9999"}, "not one of the available choices"),
        ({"name": " "}, "This field is required."),
        ({"form": "x"}, "valid UUID"),
    ):
        answer = client.post(NEW, typed(**change))
        assert (answer.status_code, told in text(answer)) == (422, True), change
    assert not ApiKey.objects.exists()


def test_a_key_is_rotated_once_and_revoked_for_a_reason(
    owner: AccountManager, client_for: SignIn
) -> None:
    client = client_for(owner)
    old = new_key(owner.company, by=owner)
    page = f"{KEYS}{old.key.pk}/"
    rotated = client.post(f"{page}rotate/", {"hours": "1"})
    [secret] = set(SECRET.findall(text(rotated)))
    assert rotated.status_code == 201
    assert "no-store" in rotated["Cache-Control"]
    assert {Calls(each).get("/me").status_code for each in (old.secret, secret)} == {200}
    assert client.post(f"{page}rotate/", {"hours": "1"}).status_code == 422
    assert "Replaced, ends soon" in text(client.get(page))
    assert client.post(f"{page}rotate/", {"hours": "9000"}).status_code == 422
    refused = client.post(f"{page}revoke/", {"reason": ""})
    assert refused.status_code == 422
    done = client.post(f"{page}revoke/", {"reason": "Found in a repository"}, follow=True)
    assert "Its next call is refused." in text(done)
    assert "Found in a repository" in text(done)
    assert "/revoke/" not in text(done)
    assert Calls(old.secret).get("/me").status_code == 401
    assert Calls(secret).get("/me").status_code == 200
    assert "Ended" in text(client.get(KEYS))


def test_only_owners_of_the_company_see_its_keys(owner: AccountManager, client_for: SignIn) -> None:
    key = new_key(owner.company, by=owner).key
    pages = [KEYS, NEW, f"{KEYS}{key.pk}/"]
    for role in (Role.APPROVER, Role.BUYER, Role.VIEWER):
        client = client_for(SeatFactory.create(company=owner.company, role=role))
        assert {client.get(page).status_code for page in pages} == {403}
        assert client.post(NEW, typed()).status_code == 403
        assert client.post(f"{KEYS}{key.pk}/revoke/", {"reason": "x"}).status_code == 403
        assert KEYS not in text(client.get("/"))
    stranger = client_for(owner_of(CompanyFactory.create()))
    assert stranger.get(f"{KEYS}{key.pk}/").status_code == 404
    for act in ("rotate", "revoke"):
        assert stranger.post(f"{KEYS}{key.pk}/{act}/", {"reason": "x"}).status_code == 404
    assert Client().get(KEYS).status_code == 302
    assert ApiKey.objects.get().is_live


def test_whoever_made_a_key_reads_why_others_approve_its_orders(client_for: SignIn) -> None:
    company = CompanyFactory.create(approval_threshold=100)
    owner, other = owner_of(company), SeatFactory.create(company=company, owner=True)
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    calls = Calls(new_key(company, by=owner))
    order = post(calls, body((mug.sku, 1), points=300)).json()
    pages = ["/approvals/", f"/orders/{order['order_number']}/"]
    why = "An API key that you made or rotated placed it: another owner or approver decides."
    assert all(why in text(client_for(owner).get(page)) for page in pages)
    assert not any(why in text(client_for(other).get(page)) for page in pages)


@pytest.mark.parametrize("verb", ["new", "rotate", "revoke"])
def test_who_signed_in_long_ago_confirms_who_they_are_before_a_key_changes(
    owner: AccountManager, client_for: SignIn, verb: str
) -> None:
    owner.user.set_password(PASSWORD)
    owner.user.save()
    key = new_key(owner.company).key
    before = sorted(ApiKey.objects.values_list("pk", "revoked_at", "expires_at"))
    client = client_for(owner)
    long_ago(client)

    path = NEW if verb == "new" else f"{KEYS}{key.pk}/{verb}/"
    form = typed(hours="0", reason="lost")
    asked = client.post(path, form)
    assert asked.status_code == 302
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert client.get(KEYS).status_code == 200
    wrong = client.post(asked["Location"], {"password": "another one altogether"})
    assert wrong.status_code == 200
    assert sorted(ApiKey.objects.values_list("pk", "revoked_at", "expires_at")) == before

    done = client.post(asked["Location"], {"password": PASSWORD})
    assert done.status_code in {201, 302, 303}, text(done)
    assert sorted(ApiKey.objects.values_list("pk", "revoked_at", "expires_at")) != before
