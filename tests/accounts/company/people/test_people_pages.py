"""The pages of a company's people: who is there, invitations, what one did, and what they may do."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import (
    AccountManager,
    Company,
    Invitation,
    InvitationEnd,
    PersonLetter,
    PersonLetterKind,
    Role,
)
from accounts.seats.letters import compose
from loyalty_portal.data.actor import Actor
from redemption.checkout.approvals.deciding import approve
from redemption.saga.queues import work
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid, placed

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
PEOPLE, INVITE = "/people/", "/people/invite/"
STRANGE = '<script>alert("x")</script> 🎁 محمد'


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create(name="Northwind")


@pytest.fixture
def ada(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, owner=True, user__name="Ada Byron")


@pytest.fixture
def bob(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, user__name="Bob Buyer")


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def page_of(seat: AccountManager, act: str = "") -> str:
    return f"{PEOPLE}{seat.pk}/{act}"


def told_of_rights() -> list[str]:
    letters = PersonLetter.objects.filter(kind=PersonLetterKind.RIGHTS).order_by("id")
    return [letter.facts["change"] for letter in letters]


def test_everybody_sees_who_is_there_and_only_owners_see_buttons(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    stranger = SeatFactory.create(user__name="Somebody Else")
    for role in (Role.APPROVER, Role.BUYER, Role.VIEWER):
        seat = SeatFactory.create(company=ada.company, role=role)
        page = client_for(seat).get(PEOPLE)
        said = text(page)
        assert page.status_code == 200
        assert "Ada Byron" in said
        assert bob.user.email in said
        assert stranger.user.name not in said
        main = said.partition("<main")[2].partition("</main>")[0]
        assert "<form" not in main
        assert main.count("/people/") == main.count(page_of(seat))  # the link to oneself alone
        refused = client_for(seat).post(INVITE, {"email": "kim@n.example", "role": "buyer"})
        assert refused.status_code == 403
    assert not Invitation.objects.exists()
    assert "Send the invitation" in text(client_for(ada).get(PEOPLE))


def test_an_owner_invites_sends_again_and_takes_back(
    ada: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    done = client.post(INVITE, {"email": " Kim@N.example ", "role": "approver"}, follow=True)
    assert done.redirect_chain == [(PEOPLE, 303)]
    assert "kim@n.example is invited. The letter is on its way." in text(done)
    first = Invitation.objects.get()
    assert (first.email, first.role, first.by_seat) == ("kim@n.example", Role.APPROVER, ada)
    again = client.post(f"{PEOPLE}invitations/{first.pk}/again/", follow=True)
    assert "A new letter to kim@n.example is on its way." in text(again)
    first.refresh_from_db()
    assert first.end == InvitationEnd.REPLACED
    second = Invitation.objects.get(end="")
    Invitation.objects.filter(pk=second.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert "It has expired" in text(client.get(PEOPLE))
    back = client.post(f"{PEOPLE}invitations/{second.pk}/take-back/", follow=True)
    assert "The invitation of kim@n.example is taken back." in text(back)
    twice = client.post(f"{PEOPLE}invitations/{second.pk}/take-back/", follow=True)
    assert "The invitation has ended already" in text(twice)
    assert not Invitation.objects.open().exists()


@pytest.mark.parametrize(
    ("email", "why"),
    [
        ("", "This field is required."),
        ("nobody", "Enter a valid e-mail address, such as name@example.com."),
        ("a" * 5_000 + "@n.example", "at most 255 characters"),
        ("<script>@n.example", "Enter a valid e-mail address, such as name@example.com."),
        ("taken", "has a seat in this company already"),
        ("invited", "has an open invitation"),
    ],
)
def test_an_address_that_cannot_be_invited_is_said_at_its_field(
    email: str, why: str, ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    client.post(INVITE, {"email": "kim@n.example", "role": "buyer"})
    known = {"taken": bob.user.email.upper(), "invited": "KIM@n.example"}
    page = client.post(INVITE, {"email": known.get(email, email), "role": "buyer"})
    assert page.status_code == 422
    assert why in text(page)
    assert "<script>@" not in text(page)
    assert Invitation.objects.count() == 1


def test_invitations_of_another_company_are_not_there(
    ada: AccountManager, client_for: SignIn
) -> None:
    theirs = SeatFactory.create(owner=True)
    client_for(theirs).post(INVITE, {"email": "kim@n.example", "role": "buyer"})
    invitation = Invitation.objects.get()
    for act in ("again", "take-back"):
        assert (
            client_for(ada).post(f"{PEOPLE}invitations/{invitation.pk}/{act}/").status_code == 404
        )
    assert Invitation.objects.open().count() == 1


def test_an_owner_changes_a_role_and_switches_a_seat_off_and_on(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    role = client.post(
        page_of(bob, "role/"), {"role": "approver", "reason": "Stands in"}, follow=True
    )
    assert role.redirect_chain == [(page_of(bob), 303)]
    assert "The role is changed. All owners are told by e-mail." in text(role)
    client.post(page_of(bob, "off/"), {"reason": ""})
    bob.refresh_from_db()
    assert (bob.role, bob.is_active) == (Role.APPROVER, False)
    assert client_for(bob).get("/catalog/").status_code == 403
    on = client.post(page_of(bob, "on/"), {"reason": ""}, follow=True)
    assert "Switched on again." in text(on)
    assert told_of_rights() == ["role", "off", "on"]
    assert client_for(bob).get("/catalog/").status_code == 200


def test_the_last_owner_cannot_go_and_the_page_says_why(
    ada: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    for act, said in (("role/", {"role": "buyer"}), ("off/", {})):
        page = client.post(page_of(ada, act), said)
        assert page.status_code == 422
        assert "This is the last owner of the company." in text(page)
    ada.refresh_from_db()
    assert (ada.role, ada.is_active) == (Role.OWNER, True)
    assert told_of_rights() == []


def test_who_was_switched_off_by_staff_is_not_switched_on_here(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    client.post(page_of(bob, "off/"))
    bob.user.is_active = False
    bob.user.save()
    page = client.post(page_of(bob, "on/"))
    assert "Staff of the programme switched this person off." in text(page)


def test_nobody_but_owners_changes_a_member(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    for role in (Role.APPROVER, Role.BUYER, Role.VIEWER):
        client = client_for(SeatFactory.create(company=ada.company, role=role))
        for act in ("role/", "off/", "on/"):
            assert client.post(page_of(bob, act), {"role": "owner"}).status_code == 403
        assert client.get(page_of(bob)).status_code == 403
    theirs = SeatFactory.create(owner=True)
    for act in ("role/", "off/", "on/"):
        assert client_for(theirs).post(page_of(bob, act), {"role": "owner"}).status_code == 404
    for where in (page_of(bob), f"{PEOPLE}{uuid4()}/"):
        assert client_for(theirs).get(where).status_code == 404
    bob.refresh_from_db()
    assert (bob.role, bob.is_active) == (Role.BUYER, True)


def test_a_member_page_tells_what_they_placed_and_decided(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    mug = ProductFactory.create(points_cost=1_000, in_stock=100)
    order = paid(bob, (mug, 1))
    ada.company.approval_threshold = 500
    ada.company.save()
    waiting = placed(bob, (mug, 2))
    approve(order=waiting, by=Actor.in_seat(ada))
    bobs, adas = text(client_for(ada).get(page_of(bob))), text(client_for(ada).get(page_of(ada)))
    assert order.order_number in bobs
    assert "See all 2 orders" in bobs
    assert f'href="/orders/?by={bob.pk}"' in bobs
    assert "Approved" not in bobs.partition("Orders decided on")[2]
    assert waiting.order_number in adas.partition("Orders decided on")[2]
    own = client_for(bob).get(page_of(bob))  # everybody sees what they did themselves
    assert own.status_code == 200
    assert "Switch off" not in text(own)


def test_a_strange_name_is_shown_as_it_is_and_does_nothing(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    bob.user.name = STRANGE
    bob.user.save()
    for where in (PEOPLE, page_of(bob)):
        page = client_for(ada).get(where).content.decode()
        assert "<script>alert" not in page
        assert "🎁 محمد</bdi>" in page


def test_an_invitation_says_clearly_what_it_is_not_good_for(
    ada: AccountManager, bob: AccountManager, client_for: SignIn, mailoutbox: list[Any]
) -> None:
    """Used twice, by somebody else who is signed in, after its time, of a company that is off."""
    client_for(ada).post(INVITE, {"email": "kim@n.example", "role": "buyer"})
    [letter] = Invitation.objects.get().letters.all()
    assert work("letters to people", letter.pk)
    [found] = re.findall(r"https?://[^/]+(/invitations/\S+)", mailoutbox[-1].body)
    other = client_for(bob).get(found, follow=True)
    assert f"You are signed in as {bob.user.email}" in text(other)
    new = {
        "name": STRANGE,
        "password1": "a long pass phrase 7",
        "password2": "a long pass phrase 7",
    }
    client = Client()
    where = client.get(found, follow=True).redirect_chain[-1][0]
    long = client.post(where, {**new, "name": "x" * 5_000})
    assert "at most 255 characters" in text(long)
    Company.objects.update(is_active=False)
    assert "The company is switched off at the moment." in text(client.get(where))
    Company.objects.update(is_active=True)
    assert client.post(where, new).status_code == 303
    used = Client().get(found, follow=True)
    assert used.status_code == 410
    assert "This invitation has been accepted already." in text(used)


def test_more_people_and_invitations_cost_no_more_queries(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    client.post(INVITE, {"email": "kim@n.example", "role": "buyer"})
    client.get(PEOPLE)
    with CaptureQueriesContext(connection) as few:
        client.get(PEOPLE)
    SeatFactory.create_batch(9, company=ada.company)
    for number in range(9):
        client.post(INVITE, {"email": f"kim{number}@n.example", "role": "buyer"})
    client.get(PEOPLE)
    with CaptureQueriesContext(connection) as many:
        page = client.get(PEOPLE)
    assert page.content.decode().count("Take the invitation of") == 10
    assert len(many) == len(few) < 12


def test_more_orders_of_a_member_cost_no_more_queries(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    mug = ProductFactory.create(points_cost=10, in_stock=100)
    paid(bob, (mug, 1))
    client = client_for(ada)
    client.get(page_of(bob))
    with CaptureQueriesContext(connection) as few:
        client.get(page_of(bob))
    for _each in range(12):
        paid(bob, (mug, 1))
    with CaptureQueriesContext(connection) as many:
        page = client.get(page_of(bob))
    assert "See all 13 orders" in text(page)
    assert len(many) == len(few) < 16


def test_an_owner_limits_what_a_member_orders_in_a_month(
    ada: AccountManager, bob: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    paid(bob, (ProductFactory.create(points_cost=300, in_stock=9), 2))
    assert "600 points, without a limit" in text(client.get(page_of(bob)))
    done = client.post(page_of(bob, "limit/"), {"points": "1.000"}, follow=True)
    assert "The limit is saved. All owners are told by e-mail." in text(done)
    assert "600 of 1,000 points" in text(done)
    assert "600 of 1,000 points" in text(client.get(PEOPLE))
    [letter] = PersonLetter.objects.filter(kind=PersonLetterKind.RULES)
    told = "The limit of Bob Buyer for a month is now: 1,000 points. Before: none."
    assert told in compose(letter).body
    wrong = client.post(page_of(bob, "limit/"), {"points": "a few"})
    assert wrong.status_code == 422
    assert 'value="a few"' in text(wrong)
    assert client_for(bob).post(page_of(bob, "limit/"), {"points": ""}).status_code == 403
    bob.refresh_from_db()
    assert bob.monthly_limit == 1_000
