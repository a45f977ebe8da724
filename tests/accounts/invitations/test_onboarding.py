"""A company is taken in by one form: its account is checked live, its first owner is invited."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.invitations import onboarding
from accounts.models import Company, Invitation, PersonLetter, TierLevel
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from tests.accounts.factories import CompanyFactory
from tests.redemption.saga.test_races import while_somebody
from tests.support.sandbox_process import SandboxProcess
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "/admin/accounts/company/add/"


@pytest.fixture
def client() -> Client:
    return browser(staff("administrator"))


def form(**fields: Any) -> dict[str, Any]:
    return {
        "id": str(uuid7()),
        "name": "Contoso",
        "loyalty_account_id": "ACC-NEW",
        "tier_level": "GOLD",
        "approval_threshold": "5000",
        "time_zone": "Europe/Berlin",
        "language": "en",
        "owner_email": "Ada@Contoso.Example",
        **fields,
    }


def text(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_one_form_makes_the_company_and_invites_its_first_owner(
    client: Client, partners: SandboxProcess
) -> None:
    partners.account("ACC-NEW", 12_000)
    assert "Check the account and save" in text(client.get(ADD))
    sent = form()
    done = client.post(ADD, sent, follow=True)
    assert "The company can begin: its owner is invited." in text(done)
    company = Company.objects.get()
    assert (company.name, company.tier_level, company.approval_threshold) == (
        "Contoso", TierLevel.GOLD, 5000,
    )  # fmt: skip
    assert (company.is_active, company.time_zone) == (True, "Europe/Berlin")
    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.role) == ("ada@contoso.example", "owner")
    assert PersonLetter.objects.get().to == "ada@contoso.example"
    assert TrailEntry.objects.filter(kind=TrailKind.COMPANY_OPENED).count() == 1
    # The same form again leads to the company that it made, and sends nothing.
    again = client.post(ADD, sent)
    assert again["Location"] == reverse("admin:accounts_company_change", args=[company.pk])
    assert (Company.objects.count(), PersonLetter.objects.count()) == (1, 1)


def test_an_account_that_the_loyalty_system_refuses_makes_nothing(
    client: Client, partners: SandboxProcess
) -> None:
    unknown = client.post(ADD, form())
    assert unknown.status_code == 422
    assert "The loyalty system does not know the account." in text(unknown)
    assert "Save unchecked" not in text(unknown)
    CompanyFactory.create(name="Acme", loyalty_account_id="ACC-1")
    taken = client.post(ADD, form(loyalty_account_id="ACC-1"))
    assert "This loyalty account belongs to Acme." in text(taken)
    wrong = form(
        name="", tier_level="TIN", approval_threshold="-1", time_zone="Mars", owner_email="ada",
        id=str(uuid.uuid4()),
    )  # fmt: skip
    page = client.post(ADD, wrong)
    assert page.status_code == 422
    assert text(page).count('class="act__error"') >= 6
    assert (Company.objects.count(), Invitation.objects.count()) == (1, 0)


def test_while_the_loyalty_system_is_silent_a_company_can_be_written_down_switched_off(
    client: Client, partners: SandboxProcess
) -> None:
    partners.account("ACC-NEW", 1)
    partners.fault("balance", "error_500_before", times=None)
    sent = form()
    silent = client.post(ADD, sent)
    assert silent.status_code == 503
    assert "does not answer, so the account could not be checked. Nothing was saved." in text(
        silent
    )
    assert not Company.objects.exists()
    saved = client.post(ADD, {**sent, "unchecked": "yes"}, follow=True)
    assert "written down and switched off" in text(saved)
    company, invitation = Company.objects.get(), Invitation.objects.get()
    assert (company.is_active, company.awaits_account_check) == (False, True)
    assert not PersonLetter.objects.exists()
    page = reverse("admin:accounts_company_change", args=[company.pk])
    assert 'name="is_active"' not in text(client.get(page))
    check = reverse("admin:accounts_company_check", args=[company.pk])
    account = {"account": "ACC-NEW"}
    assert "does not answer. Try again later." in text(client.post(check, account))
    partners.clear_faults()
    cache.clear()
    assert "read which account is checked" in text(client.post(check))
    assert 'value="ACC-NEW"' in text(client.get(check))
    opened = client.post(check, account, follow=True)
    assert "The account is known. The company is switched on." in text(opened)
    company.refresh_from_db()
    assert (company.is_active, company.awaits_account_check) == (True, False)
    invitation.refresh_from_db()
    assert invitation.end == "replaced"
    assert PersonLetter.objects.get().invitation == Invitation.objects.open().get()
    assert "has been checked already" in text(client.post(check, account))


def test_an_unchecked_company_with_a_wrong_account_gets_another_one(
    client: Client, partners: SandboxProcess
) -> None:
    company = CompanyFactory.create(
        loyalty_account_id="ACC-TYPO", is_active=False, awaits_account_check=True
    )
    check = reverse("admin:accounts_company_check", args=[company.pk])
    assert "does not know the account" in text(client.post(check, {"account": "ACC-TYPO"}))
    client.post(
        reverse("admin:accounts_company_change", args=[company.pk]),
        {
            "name": "N", "loyalty_account_id": "ACC-RIGHT", "tier_level": "BRONZE",
            "time_zone": "UTC", "language": "en", "is_active": "on",
            "seats-TOTAL_FORMS": "0", "seats-INITIAL_FORMS": "0",
            "addresses-TOTAL_FORMS": "0", "addresses-INITIAL_FORMS": "0",
        },
    )  # fmt: skip
    company.refresh_from_db()
    assert (company.loyalty_account_id, company.is_active) == ("ACC-RIGHT", False)
    partners.account("ACC-TYPO", 1)
    changed = client.post(check, {"account": "ACC-TYPO"})
    assert "The account was changed just now. Check it again." in text(changed)


def test_the_form_sent_twice_at_once_makes_one_company(
    client: Client, partners: SandboxProcess
) -> None:
    partners.account("ACC-NEW", 1)
    sent = form()
    key = uuid.UUID(sent["id"])
    first = onboarding.NewCompany(
        **{
            **{name: value for name, value in sent.items() if name != "id"},
            "id": key,
            "approval_threshold": 5000,
        }
    )
    boss = Actor.person(staff("administrator"))
    with while_somebody(lambda: onboarding._write(first, checked=True, by=boss)):
        second = client.post(ADD, sent)
    assert second["Location"] == reverse("admin:accounts_company_change", args=[key])
    assert (Company.objects.count(), Invitation.objects.count()) == (1, 1)


def test_nothing_is_half_made_when_the_owner_cannot_be_invited(
    client: Client, partners: SandboxProcess
) -> None:
    partners.account("ACC-NEW", 1)
    page = client.post(ADD, form(owner_email="a" * 250 + "@n.example"))
    assert page.status_code == 422
    clerk = staff("administrator")
    clerk.groups.clear()
    may = Permission.objects.filter(codename__in=["add_company", "view_company"])
    clerk.user_permissions.set(may)
    refused = browser(clerk).post(ADD, form())
    assert "You have no permission to give this role." in text(refused)
    assert (Company.objects.count(), Invitation.objects.count()) == (0, 0)


@pytest.mark.parametrize("group", ["support", "finance", "auditor", "catalogue"])
def test_who_may_not_take_companies_in_is_told_who_may(group: str) -> None:
    for answer in (browser(staff(group)).get(ADD), browser(staff(group)).post(ADD, form())):
        assert answer.status_code == 403
        assert "administrator" in text(answer)
