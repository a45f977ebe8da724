"""The page of the company: what everybody reads, and what owners change and all owners are told."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import AccountManager, LetterCopy, PersonLetter, PersonLetterKind, Role
from accounts.seats.company_rules import RulesRefusedError, change_rules
from accounts.seats.letters import compose
from accounts.seats.services import change_role
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from tests.accounts.factories import SeatFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
PAGE = "/company/"
PLACE = {"sender_name": "", "time_zone": "UTC", "language": "en"}


@pytest.fixture
def ada() -> AccountManager:
    return SeatFactory.create(owner=True, company__name="Northwind", user__name="Ada Byron")


@pytest.fixture
def eve(ada: AccountManager) -> AccountManager:
    return SeatFactory.create(owner=True, company=ada.company, user__name="Eve")


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def letters() -> list[str]:
    """The texts of the letters about rules, by address."""
    found = PersonLetter.objects.filter(kind=PersonLetterKind.RULES).order_by("id", "to")
    return [str(compose(letter).body) for letter in found]


def test_everybody_reads_the_rules_and_owners_change_them(
    ada: AccountManager, client_for: SignIn
) -> None:
    for role in (Role.APPROVER, Role.BUYER, Role.VIEWER):
        client = client_for(SeatFactory.create(company=ada.company, role=role))
        said = text(client.get(PAGE))
        assert ada.company.loyalty_account_id in said
        assert "No order needs approval." in said
        assert "<form" not in said.partition("<main")[2].partition("</main>")[0]
        for act in ("points/", "place/", "letters/"):
            assert client.post(PAGE + act, {"approval_threshold": "1"}).status_code == 403
    said = text(client_for(ada).get(PAGE))
    for part in ("/company/keys/", "/company/webhooks/", "Approval threshold, in points"):
        assert part in said
    ada.company.refresh_from_db()
    assert ada.company.approval_threshold is None


def test_a_new_threshold_is_told_to_all_owners_and_kept_in_the_trail(
    ada: AccountManager, eve: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    done = client.post(f"{PAGE}points/", {"approval_threshold": "12.500"}, follow=True)
    assert done.redirect_chain == [(PAGE, 303)]
    assert "Saved. All owners are told by e-mail." in text(done)
    assert "Orders above 12,500 points need approval." in text(done)
    told = letters()
    assert len(told) == 2
    for letter in told:
        assert "Orders above 12,500 points need approval now. Before, none did." in letter
        assert "Done by: Ada Byron." in letter
    entry = TrailEntry.objects.get(kind=TrailKind.COMPANY_RULES)
    assert entry.by == ada.user
    assert entry.facts["changes"] == [
        {"what": "approval_threshold", "before": None, "after": 12_500}
    ]
    same = client.post(f"{PAGE}points/", {"approval_threshold": "12500"}, follow=True)
    assert "Nothing changed." in text(same)
    client.post(f"{PAGE}points/", {"approval_threshold": ""})
    assert len(letters()) == 4
    assert "No order needs approval any more." in letters()[-1]


@pytest.mark.parametrize("typed", ["-5", "5.0", "1,00", "a lot", "9" * 20, "٥٠٠", "=1+1", "1e3"])
def test_what_is_no_number_of_points_is_refused_and_stays_in_its_field(
    typed: str, ada: AccountManager, client_for: SignIn
) -> None:
    page = client_for(ada).post(f"{PAGE}points/", {"approval_threshold": typed})
    assert page.status_code == 422
    assert "Enter a whole number of points" in text(page)
    assert f'value="{typed}"' in text(page)
    assert letters() == []


def test_how_the_company_signs_and_where_it_is(ada: AccountManager, client_for: SignIn) -> None:
    client = client_for(ada)
    said = {"sender_name": "Northwind Rewards", "time_zone": "Europe/Berlin", "language": "de"}
    client.post(f"{PAGE}place/", said)
    ada.company.refresh_from_db()
    assert ada.signature == "Ada Byron, Northwind Rewards"
    assert (ada.company.time_zone, ada.company.language) == ("Europe/Berlin", "de")
    assert "Nachrichten an Empfänger" in letters()[0]
    client.post(f"{PAGE}place/", {**said, "sender_name": ""})
    ada.company.refresh_from_db()
    assert ada.signature == "Ada Byron, Northwind"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"sender_name": "evil.example.com/win"}, "may not have links"),
        ({"sender_name": "x" * 5_000}, "at most 100 characters"),
        ({"time_zone": "Atlantis/Capital"}, "Select a valid choice"),
        ({"language": "xx"}, "Select a valid choice"),
    ],
)
def test_a_place_that_cannot_be_is_said_at_its_field(
    typed: dict[str, str], why: str, ada: AccountManager, client_for: SignIn
) -> None:
    page = client_for(ada).post(f"{PAGE}place/", {**PLACE, **typed})
    assert page.status_code == 422
    assert why in text(page)


def test_a_strange_name_of_a_company_does_nothing_on_its_page(
    ada: AccountManager, client_for: SignIn
) -> None:
    ada.company.name = "<script>alert(1)</script>"
    ada.company.save()
    assert "<script>alert" not in text(client_for(ada).get(PAGE))


def test_who_gets_copies_is_chosen_and_told_without_addresses_in_the_trail(
    ada: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    said = {"progress_to": ["owners"], "points_back_mailbox": "Books@northwind.example"}
    client.post(f"{PAGE}letters/", said)
    rows = LetterCopy.objects.order_by("topic").values_list("topic", "to", "email")
    assert list(rows) == [
        ("points_back", "mailbox", "books@northwind.example"),
        ("progress", "owners", ""),
    ]
    assert "copies to books@northwind.example" in letters()[0]
    assert "books@" not in str(TrailEntry.objects.get(kind=TrailKind.COMPANY_RULES).facts)
    page = text(client.get(PAGE))
    assert "books@northwind.example" in page
    client.post(f"{PAGE}letters/", {})
    assert not LetterCopy.objects.exists()
    wrong = client.post(f"{PAGE}letters/", {"progress_mailbox": "nobody"})
    assert "Enter a valid e-mail address, such as name@example.com." in text(wrong)


def test_who_stopped_being_an_owner_a_moment_ago_changes_nothing(
    ada: AccountManager, eve: AccountManager
) -> None:
    by = Actor.in_seat(eve)
    change_role(seat=AccountManager.objects.get(pk=eve.pk), role=Role.BUYER, by=Actor.in_seat(ada))
    with pytest.raises(RulesRefusedError):
        change_rules(company=ada.company, changes={"approval_threshold": 1}, by=by)


def test_owners_are_told_when_staff_change_a_rule(ada: AccountManager) -> None:
    client = browser(staff("administrator"))
    here = f"/admin/accounts/company/{ada.company.pk}/change/"
    form = {
        "name": "Northwind", "is_active": "on", "tier_level": "BRONZE", "language": "en",
        "time_zone": "UTC", "seats-TOTAL_FORMS": "0", "seats-INITIAL_FORMS": "0",
        "addresses-TOTAL_FORMS": "0", "addresses-INITIAL_FORMS": "0",
    }  # fmt: skip
    assert client.post(here, {**form, "approval_threshold": "700"}).status_code == 302
    assert "Orders above 700 points need approval now." in letters()[0]
    assert "the programme (support)" in letters()[0]
    client.post(here, {**form, "approval_threshold": "700", "name": "Northwind Ltd"})
    assert len(letters()) == 1, letters()


def test_a_budget_is_set_told_and_shown_with_what_is_left(
    ada: AccountManager, client_for: SignIn
) -> None:
    client = client_for(ada)
    assert "No limit for a quarter." in text(client.get(PAGE))
    client.post(f"{PAGE}points/", {"approval_threshold": "", "quarterly_budget": "50,000"})
    assert (
        "The budget of the company for a quarter is now: 50,000 points. Before: none."
        in (letters()[0])
    )
    buyer = client_for(SeatFactory.create(company=ada.company))
    assert "Left of your company’s budget this quarter: 50,000 of 50,000 points." in text(
        buyer.get(PAGE)
    )
