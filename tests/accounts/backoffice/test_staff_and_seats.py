"""Staff and people: seats on the pages of the admin, support's two verbs, invitations, resets."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.invitations.services import invite
from accounts.models import AccountManager, Invitation, PersonLetter, Role, User
from accounts.seats.letters import compose, send_letter
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from tests.accounts.factories import CompanyFactory, SeatFactory, UserFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> AccountManager:
    return SeatFactory.create(owner=True, company__name="Northwind", user__name="Ada")


def page(kind: str, row: Any, name: str = "change") -> str:
    return reverse(f"admin:accounts_{kind}_{name}", args=[row.pk])


def do(client: Client, seat: AccountManager, verb: str, **data: str) -> Any:
    address = reverse("admin:accounts_accountmanager_do", args=[seat.pk, verb])
    return client.post(address, data, follow=True)


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def changes() -> list[tuple[str, str, bool]]:
    rows = PersonLetter.objects.filter(kind="rights").order_by("created_at", "to")
    return [(each.to, each.facts["change"], each.facts["is_staff"]) for each in rows]


def test_support_switches_a_seat_off_and_on_with_a_reason_and_no_more(
    ada: AccountManager,
) -> None:
    kim = SeatFactory.create(company=ada.company)
    clerk = staff("support")
    client = browser(clerk)
    shown = text(client.get(page("accountmanager", kim)))
    assert "Switch off" in shown
    assert "Change the role" not in shown
    assert "This field is required." in text(do(client, kim, "off"))
    assert "The seat is switched off." in text(do(client, kim, "off", reason="Lost laptop"))
    assert "is switched off already" in text(do(client, kim, "off", reason="Lost laptop"))
    assert "The seat is switched on." in text(do(client, kim, "on", reason="Found it"))
    assert do(client, kim, "role", role="owner", reason="x").status_code == 403
    assert "last owner" in text(do(client, ada, "off", reason="Lost"))
    kim.refresh_from_db()
    assert (kim.role, kim.is_active) == (Role.BUYER, True)
    entries = TrailEntry.objects.filter(kind=TrailKind.SEAT).order_by("id")
    assert [(each.by, each.facts["change"], each.facts["reason"]) for each in entries] == [
        (clerk, "off", "Lost laptop"),
        (clerk, "on", "Found it"),
    ]
    assert changes() == [(ada.email, "off", False), (ada.email, "on", False)]
    for address in (page("company", ada.company), page("user", kim.user)):
        assert client.post(address, {}).status_code == 403
    assert client.get(page("company", ada.company, "invite")).status_code == 403


def test_an_administrator_gives_seats_on_the_companys_page_and_changes_roles(
    ada: AccountManager,
) -> None:
    me = staff("administrator")
    client = browser(me)
    answer = client.post(
        page("company", ada.company),
        {
            "name": ada.company.name, "tier_level": "BRONZE", "is_active": "on",
            "time_zone": "UTC", "language": "en",
            "seats-TOTAL_FORMS": "2", "seats-INITIAL_FORMS": "1",
            "seats-0-id": str(ada.pk), "seats-0-role": "viewer",
            "seats-1-user": str(me.pk), "seats-1-role": "owner",
            "addresses-TOTAL_FORMS": "0", "addresses-INITIAL_FORMS": "0",
        },
    )  # fmt: skip
    assert answer.status_code == 302
    mine = AccountManager.objects.get(user=me)
    ada.refresh_from_db()
    assert (mine.role, ada.role) == (Role.OWNER, Role.OWNER)
    assert changes() == [(ada.email, "given", True)]
    told = text(do(client, mine, "role", role="buyer", reason="Handed over"))
    assert "The role is changed." in told
    assert (ada.email, "role", True) in changes()
    assert "has this role already" in text(do(client, mine, "role", role="buyer", reason="Again"))


def test_owners_are_told_when_somebody_with_a_seat_becomes_staff(ada: AccountManager) -> None:
    kim = SeatFactory.create(company=ada.company)
    client = browser(staff("administrator"))
    said = {"email": kim.email, "name": kim.name, "is_active": "on"}
    client.post(page("user", kim.user), {**said, "is_staff": "on"})
    client.post(page("user", kim.user), {**said, "is_staff": "on", "name": "Kim"})
    assert changes() == [(ada.email, "staff", True)]


def test_owners_and_the_old_address_are_told_when_staff_change_how_a_person_signs_in(
    ada: AccountManager,
) -> None:
    """Whoever has the address or the password of a person has the person's seats."""
    kim = SeatFactory.create(company=ada.company, user__email="kim@n.example")
    said = {"name": kim.name, "is_active": "on", "email": "kim@programme.example"}
    browser(staff("administrator")).post(page("user", kim.user), said)
    assert changes() == [
        (address, "address", False) for address in sorted([ada.email, "kim@n.example"])
    ]
    letter = compose(PersonLetter.objects.get(to="kim@n.example"))
    assert "was changed from kim@n.example to kim@programme.example." in str(letter.body)
    assert "kim@" not in str(TrailEntry.objects.values("facts"))
    PersonLetter.objects.all().delete()
    words = "a long enough pass phrase"
    browser(UserFactory.create(superuser=True)).post(
        reverse("admin:auth_user_password_change", args=[kim.user_id]),
        {"password1": words, "password2": words},
    )
    assert changes() == [
        (address, "password", False) for address in sorted([ada.email, "kim@programme.example"])
    ]


def test_an_administrator_invites_sends_again_and_takes_back(ada: AccountManager) -> None:
    client = browser(staff("administrator"))
    invite_page = page("company", ada.company, "invite")
    assert "Send the invitation" in text(client.get(invite_page))
    wrong = client.post(invite_page, {"email": ada.email, "role": "buyer"})
    assert wrong.status_code == 422
    assert "has a seat in this company already" in text(wrong)
    done = client.post(invite_page, {"email": "Kim@n.example", "role": "buyer"}, follow=True)
    assert "kim@n.example gets a letter with a link for seven days." in text(done)
    first = Invitation.objects.get()
    shown = text(client.get(page("invitation", first)))
    assert "Letter with the link" in shown
    assert "waiting" in shown

    def act(invitation: Invitation, verb: str) -> str:
        address = reverse("admin:accounts_invitation_do", args=[invitation.pk, verb])
        return text(client.post(address, follow=True))

    assert "a new link for seven days" in act(first, "again")
    second = Invitation.objects.open().get()
    assert "The link does not work any more." in act(second, "revoke")
    assert "has ended already" in act(second, "revoke")
    listed = text(client.get(reverse("admin:accounts_invitation_changelist")))
    assert "Taken back" in listed
    assert "badge--live" not in listed
    company = CompanyFactory.create(inactive=True)
    refused = client.post(page("company", company, "invite"), {"email": "a@b.cd", "role": "buyer"})
    assert "The company is switched off." in text(refused)


def test_letters_that_could_not_be_sent_stand_on_the_first_page_without_their_secret(
    ada: AccountManager, settings: Any
) -> None:
    invitation = invite(
        company=ada.company, email="kim@n.example", role=Role.BUYER, by=Actor.in_seat(ada)
    )
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    [letter] = invitation.letters.all()
    assert send_letter(letter.pk)
    letter.refresh_from_db()
    assert (letter.sent_at, letter.problem) == (None, "ConnectionRefusedError")
    assert letter.next_attempt_at
    client = browser(staff("support"))
    assert "state=problem" in text(client.get("/admin/"))
    listed = reverse("admin:accounts_personletter_changelist")
    assert "ConnectionRefusedError" in text(client.get(f"{listed}?state=problem"))
    shown = text(client.get(page("personletter", letter)))
    assert "kim@n.example" in shown
    assert str(letter.secret) not in shown
    there = reverse("admin:accounts_personletter_preview", args=[letter.pk])
    assert there in shown
    seen = client.get(there)
    assert ada.company.name in text(seen)
    assert str(letter.secret) not in text(seen)
    assert "/invitations/not-shown/" in text(seen)
    assert seen.headers["Content-Security-Policy"].startswith("sandbox allow-popups; default-src")
    assert browser(staff("warehouse")).get(there).status_code == 403
    PersonLetter.objects.update(next_attempt_at=letter.created_at)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send_letter(letter.pk)
    assert len(mail.outbox) == 1
    assert "kim@n.example" not in text(client.get(f"{listed}?state=problem"))


def test_who_only_looks_at_invitations_is_offered_nothing(ada: AccountManager) -> None:
    invitation = invite(
        company=ada.company, email="kim@n.example", role=Role.BUYER, by=Actor.in_seat(ada)
    )
    for group in ("support", "auditor"):
        client = browser(staff(group))
        assert "Take back" not in text(client.get(page("invitation", invitation)))
        address = reverse("admin:accounts_invitation_do", args=[invitation.pk, "revoke"])
        assert client.post(address).status_code == 403


def test_support_sends_a_person_the_letter_for_a_new_password(ada: AccountManager) -> None:
    clerk = staff("support")
    client = browser(clerk)
    address = page("user", ada.user, "reset")
    assert address in text(client.get(page("user", ada.user)))
    assert client.post(address).status_code == 422
    assert not mail.outbox
    done = client.post(address, {"reason": "Called, forgot it"}, follow=True)
    assert f"{ada.email} gets the letter." in text(done)
    [letter] = mail.outbox
    assert letter.to == [ada.email]
    [link] = re.findall(r"https?://[^/]+(/accounts/password/reset/key/\S+)", str(letter.body))
    assert "Choose a new password" in text(Client().get(link, follow=True))
    entry = TrailEntry.objects.get(kind=TrailKind.PASSWORD_RESET_ASKED)
    assert (entry.by, entry.key, entry.facts) == (
        clerk, str(ada.user_id), {"reason": "Called, forgot it"},
    )  # fmt: skip


def test_whom_a_reset_is_refused(ada: AccountManager, settings: Any) -> None:
    boss = UserFactory.create(superuser=True)
    support, administrator = browser(staff("support")), browser(staff("administrator"))

    def asked(client: Client, person: User) -> Any:
        return client.post(page("user", person, "reset"), {"reason": "Asked by phone"})

    assert asked(support, staff("finance")).status_code == 403
    assert asked(support, boss).status_code == 403
    assert asked(administrator, boss).status_code == 403
    assert asked(administrator, staff("finance")).status_code == 303
    assert asked(browser(staff("finance")), ada.user).status_code == 403
    off = UserFactory.create(inactive=True)
    assert "This person is switched off" in text(asked(support, off))
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    before = TrailEntry.objects.count()
    assert "mail server does not take the letter" in text(asked(support, ada.user))
    assert TrailEntry.objects.count() == before


def test_an_administrator_gives_no_rights_to_groups(ada: AccountManager) -> None:
    """Who may change what a group may do could raise themselves."""
    client = browser(staff("administrator"))
    group = Group.objects.get(name="administrator")
    for name in ("change", "delete"):
        address = reverse(f"admin:auth_group_{name}", args=[group.pk])
        assert client.post(address, {"name": "x", "permissions": []}).status_code == 403
    assert client.post(reverse("admin:auth_group_add"), {"name": "mine"}).status_code == 403
