"""What enters the trail about people: sign-ins, failures, passwords, and who gets which access."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from loyalty_portal.audit.models import TrailEntry, TrailKind
from tests.accounts.factories import PASSWORD, UserFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
FROM: dict[str, Any] = {"headers": {"x-forwarded-for": "203.0.113.9"}}


def kinds() -> list[str]:
    return list(TrailEntry.objects.order_by("id").values_list("kind", flat=True))


def test_sign_ins_failures_and_resets_are_recorded_with_the_person_and_the_address(
    settings: Any,
) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    person = UserFactory.create()
    client = Client()
    client.post("/accounts/login/", {"login": person.email, "password": "wrong"}, **FROM)
    client.post("/accounts/login/", {"login": "hunter2@my.password", "password": "x"}, **FROM)
    client.post("/accounts/password/reset/", {"email": person.email}, **FROM)
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD}, **FROM)
    assert kinds() == ["sign_in_failed", "sign_in_failed", "password_reset_asked", "sign_in"]
    first, stranger, _reset, last = TrailEntry.objects.order_by("id")
    assert (first.by, first.key, first.place) == (None, str(person.pk), "/accounts/login/")
    assert {first.address, last.address} == {"203.0.113.9"}
    assert (last.by, stranger.key) == (person, "")
    assert "hunter2" not in str(TrailEntry.objects.values())


def test_a_changed_password_is_recorded_twice_over_and_its_value_nowhere() -> None:
    person, boss = UserFactory.create(), UserFactory.create(superuser=True)
    words = "a long enough pass phrase"
    browser(boss).post(
        reverse("admin:auth_user_password_change", args=[person.pk]),
        {"password1": words, "password2": words},
    )
    entry = TrailEntry.objects.get(kind=TrailKind.PASSWORD_CHANGED)
    assert (entry.by, entry.key) == (boss, str(person.pk))
    history = apps.get_model("accounts.UserChange").objects.filter(pgh_obj=person)
    assert history.filter(pgh_label="password").count() == 1
    assert not hasattr(history.first(), "password")


def test_who_gave_whom_which_group_is_recorded_in_the_trail_and_by_the_database() -> None:
    boss, person = staff("administrator"), UserFactory.create()
    support = Group.objects.get(name="support")
    form = {
        "email": person.email, "name": person.name, "is_active": "on", "is_staff": "on",
        "groups": [str(support.pk)],
    }  # fmt: skip
    browser(boss).post(reverse("admin:accounts_user_change", args=[person.pk]), form)
    entry = TrailEntry.objects.get(kind=TrailKind.ACCESS_CHANGED)
    assert (entry.by, entry.key) == (boss, str(person.pk))
    assert entry.facts == {"is_staff": True, "added": ["support"], "removed": []}
    member = apps.get_model("accounts.GroupMemberChange").objects.get(user=person)
    assert (member.pgh_label, member.group_id) == ("insert", support.pk)
    assert member.pgh_context.metadata["user"] == str(boss.pk)
    # Past the admin: whoever writes SQL is recorded too.
    person.groups.clear()
    User.objects.filter(pk=person.pk).update(is_superuser=True)
    labels = apps.get_model("accounts.GroupMemberChange").objects.filter(user=person)
    assert labels.filter(pgh_label="delete").exists()
    assert (
        apps.get_model("accounts.UserChange")
        .objects.filter(pgh_obj=person, is_superuser=True)
        .exists()
    )


def test_a_changed_group_says_which_command_changed_it() -> None:
    staff("support")
    group = Group.objects.get(name="support")
    stray = group.permissions.model.objects.get(codename="delete_user")
    group.permissions.add(stray)
    call_command("staff_groups", verbosity=0)
    history = apps.get_model("accounts.GroupPermissionChange").objects
    mended = history.get(group=group, permission=stray, pgh_label="delete")
    assert mended.pgh_context.metadata == {"user": None, "command": "staff_groups"}
