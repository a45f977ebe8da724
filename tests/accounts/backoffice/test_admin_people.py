"""Companies, seats and users in the admin."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import AccountManager, Company, User
from tests.accounts.factories import CompanyFactory, SeatFactory, UserFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


def change(kind: str, row: object) -> str:
    return reverse(f"admin:accounts_{kind}_change", args=[row.pk])  # type: ignore[attr-defined]


def test_a_superuser_adds_a_person_who_can_sign_in() -> None:
    client = browser(UserFactory.create(superuser=True))
    words = "a long enough pass phrase"
    client.post(
        reverse("admin:accounts_user_add"),
        {"email": "New@Example.Test", "name": "New", "password1": words, "password2": words},
    )
    made = User.objects.get(email="new@example.test")
    assert made.check_password(words)
    assert not made.is_staff


def test_the_same_address_in_capitals_is_refused_with_a_sentence() -> None:
    UserFactory.create(email="ada@example.test")
    words = "a long enough pass phrase"
    page = browser(UserFactory.create(superuser=True)).post(
        reverse("admin:accounts_user_add"),
        {"email": "ADA@example.test", "password1": words, "password2": words},
    )
    assert page.status_code == 200
    assert "already exists" in page.content.decode()


def test_nothing_of_a_password_is_shown() -> None:
    user = UserFactory.create()
    page = browser(UserFactory.create(superuser=True)).get(change("user", user)).content.decode()
    assert "pbkdf2" not in page
    assert user.password.split("$")[2][:4] not in page


def test_who_may_change_users_cannot_make_themselves_a_superuser() -> None:
    clerk = staff()
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    user, boss = UserFactory.create(), UserFactory.create(superuser=True)
    client = browser(clerk)
    client.post(
        change("user", user),
        {
            "email": user.email,
            "name": "Renamed",
            "is_active": "on",
            "is_staff": "on",
            "is_superuser": "on",
        },
    )
    user.refresh_from_db()
    assert (user.name, user.is_staff, user.is_superuser) == ("Renamed", False, False)
    assert client.post(change("user", boss), {"email": "x@example.test"}).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[boss.pk])
    assert client.get(password).status_code == 403


def test_a_company_keeps_its_loyalty_account_whatever_is_posted() -> None:
    company = CompanyFactory.create()
    account = company.loyalty_account_id
    browser(UserFactory.create(superuser=True)).post(
        change("company", company),
        {
            "name": "Renamed", "loyalty_account_id": "SOMEBODY-ELSE", "tier_level": "GOLD",
            "is_active": "on", "approval_threshold": "5000", "time_zone": "UTC", "language": "en",
            "seats-TOTAL_FORMS": "0", "seats-INITIAL_FORMS": "0",
            "addresses-TOTAL_FORMS": "0", "addresses-INITIAL_FORMS": "0",
        },
    )  # fmt: skip
    company = Company.objects.get(pk=company.pk)
    assert (company.name, company.loyalty_account_id) == ("Renamed", account)
    assert company.approval_threshold == 5000


def test_a_companys_time_zone_is_chosen_from_those_that_exist() -> None:
    company = CompanyFactory.create()
    client = browser(UserFactory.create(superuser=True))
    assert "Europe/Berlin" in client.get(change("company", company)).content.decode()
    form = {
        "name": "N",
        "language": "de",
        "tier_level": "GOLD",
        "is_active": "on",
        "seats-TOTAL_FORMS": "0",
        "seats-INITIAL_FORMS": "0",
        "addresses-TOTAL_FORMS": "0",
        "addresses-INITIAL_FORMS": "0",
    }
    client.post(change("company", company), {**form, "time_zone": "Europe/Berlin"})
    company.refresh_from_db()
    assert (company.time_zone, company.language) == ("Europe/Berlin", "de")
    page = client.post(change("company", company), {**form, "time_zone": "Mars/Olympus"})
    assert "Select a valid choice" in page.content.decode()


def test_staff_choose_a_persons_language_and_time_zone() -> None:
    person = UserFactory.create()
    client = browser(UserFactory.create(superuser=True))
    form = {"email": person.email, "name": "Mara", "is_active": "on", "language": "de"}
    client.post(change("user", person), {**form, "time_zone": "Mars/Olympus"})
    person.refresh_from_db()
    assert person.language == ""
    client.post(change("user", person), {**form, "time_zone": "Europe/Vienna"})
    person.refresh_from_db()
    assert (person.language, person.time_zone) == ("de", "Europe/Vienna")
    client.post(change("user", person), {**form, "language": "", "time_zone": ""})
    person.refresh_from_db()
    assert (person.language, person.time_zone) == ("", "")


def test_a_seat_and_an_address_are_added_on_the_companys_page() -> None:
    company, user = CompanyFactory.create(), UserFactory.create()
    browser(UserFactory.create(superuser=True)).post(
        change("company", company),
        {
            "name": company.name, "tier_level": "BRONZE", "is_active": "on",
            "time_zone": "UTC", "language": "en",
            "seats-TOTAL_FORMS": "1", "seats-INITIAL_FORMS": "0", "seats-0-user": str(user.pk),
            "seats-0-role": "approver", "seats-0-is_active": "on",
            "addresses-TOTAL_FORMS": "1", "addresses-INITIAL_FORMS": "0",
            "addresses-0-recipient_name": "Reception", "addresses-0-city": "Berlin",
        },
    )  # fmt: skip
    assert AccountManager.objects.get(company=company, user=user).role == "approver"
    assert company.addresses.get().city == "Berlin"


def test_companies_seats_and_users_cannot_be_deleted_even_by_a_superuser() -> None:
    seat = SeatFactory.create()
    client = browser(UserFactory.create(superuser=True))
    for kind, row in (("company", seat.company), ("accountmanager", seat), ("user", seat.user)):
        address = reverse(f"admin:accounts_{kind}_delete", args=[row.pk])
        assert client.post(address, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("kind", ["company", "accountmanager", "user"])
def test_lists_of_fifty_take_few_queries(kind: str, django_assert_max_num_queries: object) -> None:
    SeatFactory.create_batch(50)
    client = browser(staff("support"))
    client.get(reverse(f"admin:accounts_{kind}_changelist"))
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert client.get(reverse(f"admin:accounts_{kind}_changelist")).status_code == 200
