"""The group administrator manages staff without being superuser, and nobody can raise themselves."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.accounts.factories import UserFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
ACCESS = {"is_active": "on", "is_staff": "on", "is_superuser": "on"}


def page_of(person: User) -> str:
    return reverse("admin:accounts_user_change", args=[person.pk])


def groups(*names: str) -> list[str]:
    return [str(key) for key in Group.objects.filter(name__in=names).values_list("pk", flat=True)]


def change(client: Client, person: User, **fields: Any) -> int:
    form = {"email": person.email, "name": person.name, "is_active": "on", **fields}
    status = client.post(page_of(person), form).status_code
    person.refresh_from_db()
    return int(status)


def access(person: User) -> tuple[bool, bool, set[str]]:
    return person.is_staff, person.is_superuser, set(person.groups.values_list("name", flat=True))


def test_an_administrator_makes_a_person_staff_of_the_staff_groups_and_no_superuser() -> None:
    client = browser(staff("administrator"))
    words = "a long enough pass phrase"
    new = {"email": "new@example.test", "name": "New", "password1": words, "password2": words}
    client.post(reverse("admin:accounts_user_add"), new)
    person = User.objects.get(email="new@example.test")
    assert access(person) == (False, False, set())
    change(client, person, **ACCESS, groups=groups("support", "warehouse"))
    assert access(person) == (True, False, {"support", "warehouse"})
    change(client, person, is_staff="on", groups=groups("finance"))
    assert access(person) == (True, False, {"finance"})
    client.post(page_of(person), {"email": person.email, "name": "New"})
    person.refresh_from_db()
    assert not person.is_active


def test_an_administrator_gives_and_takes_no_group_of_another_kind() -> None:
    client = browser(staff("administrator"))
    powerful = Group.objects.create(name="powerful")
    powerful.permissions.set(Permission.objects.all())
    person = staff("support")
    change(client, person, is_staff="on", groups=[str(powerful.pk)])
    assert access(person)[2] == {"support"}
    person.groups.add(powerful)
    change(client, person, is_staff="on", groups=groups("finance"))
    assert access(person)[2] == {"finance", "powerful"}
    assert client.post(f"/admin/auth/group/{powerful.pk}/change/", {"name": "x"}).status_code == 403


@pytest.mark.parametrize("group", ["administrator", "support", "finance", "auditor", "catalogue"])
def test_nobody_can_raise_themselves(group: str) -> None:
    me = staff(group)
    change(browser(me), me, **ACCESS, groups=groups("finance", "administrator", "support"))
    assert access(me) == (True, False, {group})
    assert change(browser(me), me, user_permissions=["1"]) in {302, 403}
    assert not me.user_permissions.exists()


def test_an_administrator_cannot_switch_off_or_lower_themselves_by_accident() -> None:
    me = staff("administrator")
    browser(me).post(page_of(me), {"email": me.email, "name": "Renamed"})
    me.refresh_from_db()
    assert (me.name, me.is_active, access(me)) == (
        "Renamed",
        True,
        (True, False, {"administrator"}),
    )


def test_an_administrator_changes_nothing_of_a_superuser() -> None:
    boss = UserFactory.create(superuser=True, name="Boss")
    client = browser(staff("administrator"))
    assert client.get(page_of(boss)).status_code == 200
    assert change(client, boss, name="Nobody") == 403
    assert (boss.name, access(boss)) == ("Boss", (True, True, set()))


def test_only_a_superuser_sets_passwords_and_the_address_of_staff() -> None:
    person, client = staff("finance"), browser(staff("administrator"))
    address = person.email
    password = reverse("admin:auth_user_password_change", args=[person.pk])
    refusal = client.get(password)
    assert refusal.status_code == 403
    assert "Only a superuser sets" in refusal.content.decode()
    assert password not in client.get(page_of(person)).content.decode()
    change(client, person, email="mine@example.test", is_staff="on", groups=groups("finance"))
    assert person.email == address
    assert browser(UserFactory.create(superuser=True)).get(password).status_code == 200


def test_others_with_permission_to_change_users_do_not_manage_staff() -> None:
    clerk = staff()
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    person, client = UserFactory.create(), browser(clerk)
    change(client, person, **ACCESS, groups=groups("support"))
    assert access(person) == (False, False, set())
    assert change(client, staff("support"), name="x") == 403
