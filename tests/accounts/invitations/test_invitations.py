"""Invitations: the link of one use, who may accept it, and a clear sentence for each refusal."""

import io
import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.invitations.services import (
    InvitationRefusedError,
    accept,
    invite,
    revoke,
    send_again,
)
from accounts.models import (
    AccountManager,
    Company,
    Invitation,
    PersonLetter,
    PersonLetterKind,
    Role,
    User,
)
from accounts.seats.letters import send_letter
from accounts.seats.services import change_role, switch_off
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.configuration.logs import RefusalsInOneLine
from loyalty_portal.data.actor import Actor
from redemption.saga.queues import work
from tests.accounts.factories import PASSWORD, CompanyFactory, SeatFactory, UserFactory
from tests.support.staff import BACKEND, staff

pytestmark = pytest.mark.django_db
NEW = {"name": "Kim New", "password1": "a long pass phrase 7", "password2": "a long pass phrase 7"}


@pytest.fixture
def ada() -> AccountManager:
    """The owner of a company."""
    return SeatFactory.create(owner=True, company__name="Northwind", user__name="Ada")


@pytest.fixture
def by(ada: AccountManager) -> Actor:
    return Actor.in_seat(ada)


def link_of(invitation: Invitation, mailoutbox: list[Any]) -> str:
    """The path of the link in the invitation's letter, which is sent now."""
    [letter] = invitation.letters.all()
    assert work("letters to people", letter.pk)
    [found] = re.findall(r"https?://[^/]+(/invitations/\S+)", mailoutbox[-1].body)
    return str(found)


def opened(client: Client, link: str) -> Any:
    return client.get(link, follow=True)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person, backend=BACKEND)
    return client


def page_of(invitation: Invitation) -> str:
    return f"/invitations/of/{invitation.pk}/"


def text(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_a_new_person_accepts_chooses_a_password_and_is_in_the_company(
    ada: AccountManager, by: Actor, mailoutbox: list[Any]
) -> None:
    invitation = invite(company=ada.company, email=" Kim@N.Example ", role=Role.APPROVER, by=by)
    link = link_of(invitation, mailoutbox)
    assert mailoutbox[0].to == ["kim@n.example"]
    assert "Your role: Approver. Invited by: Ada." in mailoutbox[0].body
    client = Client()
    page = opened(client, link)
    assert page.redirect_chain == [(page_of(invitation), 302)]
    assert "For kim@n.example. Role: Approver." in text(page)
    weak = client.post(page_of(invitation), {**NEW, "password1": "12345", "password2": "12345"})
    assert weak.status_code == 422
    assert "too short" in text(weak)
    unlike = client.post(page_of(invitation), {**NEW, "password2": "another one 8"})
    assert "two different passwords" in text(unlike)
    assert not User.objects.filter(email="kim@n.example").exists()
    home = client.post(page_of(invitation), {**NEW, "email": "eve@evil.example"}, follow=True)
    assert home.redirect_chain == [("/", 303)]
    assert "You have a seat in Northwind now. Role: Approver." in text(home)
    kim = User.objects.get(email="kim@n.example")
    assert kim.check_password(NEW["password1"])
    assert (kim.name, kim.is_staff, kim.seats.get().role) == ("Kim New", False, Role.APPROVER)
    [letter] = PersonLetter.objects.filter(kind=PersonLetterKind.RIGHTS)
    assert (letter.to, letter.facts["change"]) == (ada.email, "given")
    assert letter.facts["by"] == str(ada.user_id)
    kinds = TrailEntry.objects.order_by("id").values_list("kind", "by__email")
    assert list(kinds) == [
        (TrailKind.INVITATION, ada.email),
        (TrailKind.INVITATION, "kim@n.example"),
        (TrailKind.SEAT, "kim@n.example"),
        (TrailKind.SIGN_IN, "kim@n.example"),
    ]


def test_the_link_works_once(ada: AccountManager, by: Actor, mailoutbox: list[Any]) -> None:
    """Also in two tabs, and for whoever finds the letter later."""
    invitation = invite(company=ada.company, email="kim@n.example", role=Role.BUYER, by=by)
    link = link_of(invitation, mailoutbox)
    one, two, later = Client(), Client(), Client()
    opened(one, link)
    opened(two, link)
    one.post(page_of(invitation), NEW)
    second = two.post(page_of(invitation), {**NEW, "name": "Eve"})
    assert second.status_code == 410
    assert "accepted already. Just sign in." in text(second)
    assert "accepted already" in text(opened(later, link))
    assert AccountManager.objects.count() == 2


def test_a_known_person_accepts_only_signed_in_as_exactly_that_person(
    ada: AccountManager, by: Actor, mailoutbox: list[Any]
) -> None:
    elsewhere = SeatFactory.create(user__email="kim@n.example")
    invitation = invite(company=ada.company, email="KIM@n.example", role=Role.BUYER, by=by)
    link = link_of(invitation, mailoutbox)
    stranger = Client()
    page = text(opened(stranger, link))
    assert "There is an account with this e-mail address. Sign in" in page
    assert f"/accounts/login/?next={page_of(invitation)}" in page
    stranger.post(page_of(invitation), NEW)
    other = signed_in(UserFactory.create(email="eve@n.example"))
    assert "You are signed in as eve@n.example. Sign out" in text(opened(other, link))
    other.post(page_of(invitation))
    assert elsewhere.user.seats.count() == 1
    with pytest.raises(InvitationRefusedError, match="another person"):
        accept(invitation=invitation, person=ada.user)
    # The way of the page: sign in, come back, accept.
    login = {"login": "kim@n.example", "password": PASSWORD}
    back = stranger.post(f"/accounts/login/?next={page_of(invitation)}", login, follow=True)
    assert back.redirect_chain[-1][0] == page_of(invitation)
    home = stranger.post(page_of(invitation), follow=True)
    assert "You have a seat in Northwind now." in text(home)
    assert elsewhere.user.seats.count() == 2


def test_somebody_signed_in_cannot_take_the_invitation_of_a_new_address(
    ada: AccountManager, by: Actor, mailoutbox: list[Any]
) -> None:
    invitation = invite(company=ada.company, email="kim@n.example", role=Role.OWNER, by=by)
    eve = UserFactory.create()
    client = signed_in(eve)
    assert "You are signed in as" in text(opened(client, link_of(invitation, mailoutbox)))
    client.post(page_of(invitation), NEW)
    assert not eve.seats.exists()
    assert not User.objects.filter(email="kim@n.example").exists()


def test_each_link_that_cannot_be_used_says_why(
    ada: AccountManager, by: Actor, mailoutbox: list[Any]
) -> None:
    bob = SeatFactory.create(owner=True, company=ada.company)

    def refused(how: Any, sentence: str, role: str = Role.BUYER) -> None:
        invitation = invite(
            company=Company.objects.get(), email="kim@n.example", role=role, by=Actor.in_seat(bob)
        )
        client, link = Client(), link_of(invitation, mailoutbox)
        opened(client, link)
        how(invitation)
        for answer in (opened(client, link), client.post(page_of(invitation), NEW)):
            assert answer.status_code == 410
            assert sentence in text(answer)
        assert not User.objects.filter(email="kim@n.example").exists()
        Company.objects.update(is_active=True)
        invitation.refresh_from_db()
        if invitation.is_open:
            revoke(invitation=invitation, by=by)

    refused(lambda one: revoke(invitation=one, by=by), "was taken back")
    refused(lambda one: send_again(invitation=one, by=by), "sent again. Use the link in the newest")
    Invitation.objects.open().update(expires_at=timezone.now() - timedelta(seconds=1))
    refused(lambda _one: Invitation.objects.open().update(expires_at=timezone.now()), "has expired")

    def off(_one: Invitation) -> None:
        Company.objects.update(is_active=False)

    refused(off, "The company is switched off")
    refused(
        lambda _one: change_role(seat=bob, role=Role.BUYER, by=by),
        "Whoever invited you may not do so any more",
        Role.VIEWER,
    )


def test_a_member_by_now_is_told_so_and_keeps_the_role(
    ada: AccountManager, by: Actor, mailoutbox: list[Any]
) -> None:
    kim = UserFactory.create(email="kim@n.example")
    invitation = invite(company=ada.company, email=kim.email, role=Role.OWNER, by=by)
    seat = SeatFactory.create(company=ada.company, user=kim, viewer=True)
    client, link = signed_in(kim), link_of(invitation, mailoutbox)
    assert "You have a seat in this company already. Role: Viewer." in text(opened(client, link))
    switch_off(seat=seat, by=by)
    assert "it was switched off. Ask an owner." in text(opened(client, link))
    client.post(page_of(invitation))
    seat.refresh_from_db()
    assert (seat.role, seat.is_active) == (Role.VIEWER, False)


def test_an_unknown_or_foreign_link_is_told_so(ada: AccountManager, by: Actor) -> None:
    unknown = opened(Client(), "/invitations/nothing-of-the-kind/")
    assert unknown.status_code == 404
    assert "This link is not known" in text(unknown)
    invitation = invite(company=ada.company, email="kim@n.example", role=Role.BUYER, by=by)
    for answer in (
        Client().get(page_of(invitation), follow=True),
        Client().post(page_of(invitation), NEW, follow=True),
    ):
        assert answer.status_code == 404
    assert not User.objects.filter(email="kim@n.example").exists()


def test_who_may_invite_to_which_role_and_whom(ada: AccountManager, by: Actor) -> None:
    company = ada.company
    member = SeatFactory.create(company=company, approver=True)
    away = SeatFactory.create(company=company, inactive=True)
    boss = Actor.person(staff("administrator"))

    def refusal(email: str = "kim@n.example", actor: Actor = by, role: str = "buyer") -> str:
        with pytest.raises(InvitationRefusedError) as refused:
            invite(company=company, email=email, role=role, by=actor)
        return str(refused.value)

    assert "no permission" in refusal(actor=Actor.in_seat(member))
    assert "no permission" in refusal(actor=Actor.in_seat(SeatFactory.create(owner=True)))
    assert "no permission" in refusal(actor=Actor.person(staff("support")))
    assert "no permission" in refusal(role="emperor")
    assert "valid e-mail address" in refusal("kim")
    assert "has a seat in this company already" in refusal(member.email.upper())
    assert "has a seat in this company already" in refusal(away.email)
    invite(company=company, email="kim@n.example", role=Role.BUYER, by=boss)
    assert "has an open invitation" in refusal("KIM@n.example")
    company.is_active = False
    company.save()
    assert "switched off" in refusal("lee@n.example")
    assert Invitation.objects.count() == 1


def test_sent_again_is_a_new_link_for_seven_days_by_whoever_sends_it(
    ada: AccountManager, by: Actor, mailoutbox: list[Any]
) -> None:
    first = invite(company=ada.company, email="kim@n.example", role=Role.BUYER, by=by)
    before = link_of(first, mailoutbox)
    Invitation.objects.update(expires_at=timezone.now())
    boss = staff("administrator")
    second = send_again(invitation=first, by=Actor.person(boss))
    assert link_of(second, mailoutbox) != before
    assert (second.by, second.role) == (boss, Role.BUYER)
    assert second.expires_at > timezone.now() + timedelta(days=6)
    assert [each.end for each in Invitation.objects.order_by("created_at")] == ["replaced", ""]
    with pytest.raises(InvitationRefusedError, match="ended already"):
        send_again(invitation=first, by=by)
    with pytest.raises(InvitationRefusedError, match="ended already"):
        revoke(invitation=first, by=by)
    # An expired one is replaced by just inviting again.
    Invitation.objects.update(expires_at=timezone.now())
    third = invite(company=ada.company, email="kim@n.example", role=Role.OWNER, by=by)
    assert list(Invitation.objects.open()) == [third]


def test_the_links_secret_is_stored_hashed_and_leaves_the_letter_once_it_is_sent(
    ada: AccountManager, by: Actor, mailoutbox: list[Any]
) -> None:
    invitation = invite(company=ada.company, email="kim@n.example", role=Role.BUYER, by=by)
    token = link_of(invitation, mailoutbox).split("/")[2]
    letter = PersonLetter.objects.get()
    assert (letter.secret, letter.sent_at is not None) == (None, True)
    assert not send_letter(letter.pk)
    assert len(mailoutbox) == 1
    assert token not in str(Invitation.objects.values())
    taken_back = invite(company=ada.company, email="lee@n.example", role=Role.BUYER, by=by)
    revoke(invitation=taken_back, by=by)
    assert send_letter(taken_back.letters.get().pk)
    assert len(mailoutbox) == 1


def test_the_secret_reaches_no_log_no_trail_and_no_other_site(
    ada: AccountManager, by: Actor, mailoutbox: list[Any]
) -> None:
    invitation = invite(company=ada.company, email="kim@n.example", role=Role.BUYER, by=by)
    link = link_of(invitation, mailoutbox)
    token = link.split("/")[2]
    handler: Any = next(
        one
        for one in logging.getLogger().handlers
        if any(isinstance(each, RefusalsInOneLine) for each in one.filters)
    )
    written = io.StringIO()
    before = handler.setStream(written)
    try:
        answer = Client().get(link)
        strict = Client(enforce_csrf_checks=True)
        assert strict.post(link).status_code == 403
        assert Client().get(link, headers={"host": "elsewhere.example"}).status_code == 400
        logging.getLogger("django.request").error("Failed: %s", link, extra={"request": answer})
    finally:
        handler.setStream(before)
    assert answer["Referrer-Policy"] == "no-referrer"
    assert token not in answer["Location"]
    assert "/invitations/-/" in written.getvalue()
    assert token not in written.getvalue()
    assert token not in str(TrailEntry.objects.values())


def test_several_companies_are_possible_for_one_person(mailoutbox: list[Any]) -> None:
    boss = Actor.person(staff("administrator"))
    client = Client()
    for number, name in enumerate(("Acme", "Zenith")):
        company = CompanyFactory.create(name=name)
        invitation = invite(company=company, email="kim@n.example", role=Role.BUYER, by=boss)
        opened(client, link_of(invitation, mailoutbox))
        client.post(page_of(invitation), NEW if not number else {})
    assert User.objects.get(email="kim@n.example").seats.count() == 2


def test_staff_who_invite_themselves_are_told_to_all_owners(
    ada: AccountManager, mailoutbox: list[Any]
) -> None:
    boss = staff("administrator")
    invitation = invite(
        company=ada.company, email=boss.email, role=Role.OWNER, by=Actor.person(boss)
    )
    client = signed_in(boss)
    opened(client, link_of(invitation, mailoutbox))
    client.post(page_of(invitation))
    [letter] = PersonLetter.objects.filter(kind=PersonLetterKind.RIGHTS)
    assert (letter.to, letter.facts["is_staff"]) == (ada.email, True)
