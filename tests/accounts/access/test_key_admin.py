"""The admin's pages of API keys: staff look at them and revoke them, and see no key."""

import pytest

from accounts.models import ApiKey, PersonLetter
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/apikey/"


def test_support_finds_a_key_by_what_is_shown_of_it_and_revokes_it_with_a_reason() -> None:
    company = CompanyFactory.create(name="Northwind")
    made = new_key(company, name="ERP", allowed_networks=["192.0.2.0/24"])
    new_key(company, name="Other")
    client = browser(staff("support"))
    found = client.get(LIST, {"q": made.secret[:13], "state": "live"}).content.decode()
    assert made.key.shown in found
    assert "Other" not in found
    address = f"{LIST}{made.key.pk}/change/"
    page = client.get(address).content.decode()
    assert all(text in page for text in ("192.0.2.0/24", "orders:write", "Northwind", "Live"))
    assert made.secret not in page + found
    assert made.secret[13:-4] not in page + found
    PersonLetter.objects.all().delete()
    refused = client.post(f"{LIST}{made.key.pk}/do/revoke/", {"reason": " "})
    assert refused.status_code == 422
    done = client.post(f"{LIST}{made.key.pk}/do/revoke/", {"reason": "Found in a repository"})
    assert done.status_code == 303
    assert not ApiKey.objects.get(pk=made.key.pk).is_live
    assert PersonLetter.objects.count() == 1
    page = client.get(address).content.decode()
    assert "Found in a repository" in page
    assert "do/revoke/" not in page
    ended = client.get(LIST, {"state": "ended"}).content.decode()
    assert made.key.shown in ended


def test_the_history_of_a_key_tells_its_scopes_and_networks_in_words() -> None:
    networks = ["192.0.2.0/24", "198.51.100.0/24"]
    key = new_key(
        CompanyFactory.create(), scopes=["orders:read", "orders:write"], allowed_networks=networks
    ).key
    page = browser(staff("auditor")).get(f"{LIST}{key.pk}/history/", follow=True).content.decode()
    assert "Read orders, Place and cancel orders" in page
    assert "192.0.2.0/24, 198.51.100.0/24" in page


def test_nobody_of_the_staff_makes_or_changes_a_key() -> None:
    key = new_key(CompanyFactory.create()).key
    client = browser(staff("administrator", "support"))
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{key.pk}/change/", {"name": "mine"}).status_code == 405
    assert client.get(f"{LIST}{key.pk}/delete/").status_code == 403
    auditor = browser(staff("auditor"))
    assert auditor.get(f"{LIST}{key.pk}/change/").status_code == 200
    assert auditor.post(f"{LIST}{key.pk}/do/revoke/", {"reason": "x"}).status_code == 403
