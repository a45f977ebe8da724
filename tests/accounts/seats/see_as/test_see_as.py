"""Staff see the portal as a seat sees it: for a while, marked, recorded, and changing nothing."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import InternalError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import tasks
from accounts.models import AccountManager, KnownBalance, User, Viewing
from accounts.seats.see_as.services import read_only
from catalog.models import ProductView
from loyalty_portal.audit.models import TrailEntry, TrailKind
from tests.accounts.factories import CompanyFactory, SeatFactory, UserFactory
from tests.catalog.factories import ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
BANNER = re.compile(r'<aside class="seen-as".*?</aside>', re.DOTALL)
HTMX = {"HX-Request": "true"}


def a_seat(**fields: Any) -> AccountManager:
    seat: AccountManager = SeatFactory.create(
        company=CompanyFactory.create(balance=5_000), **fields
    )
    return seat


def begin(client: Client, seat: AccountManager, reason: str = "ticket 4711") -> Any:
    there = reverse("admin:accounts_see_as", args=[seat.pk])
    return client.post(there, {"reason": reason})


def looking(seat: AccountManager, person: User | None = None) -> Client:
    """A browser of support (or `person`) that sees the portal as this seat."""
    client = browser(person or staff("support"))
    assert begin(client, seat)["Location"] == "/"
    return client


def text(answer: Any) -> str:
    return answer.content.decode()


def shown(page: str) -> str:
    """A page without what is another each time: the banner, its attribute, form tokens, and how
    long ago something was.
    """
    page = re.sub(r' hx-headers="[^"]*"', "", BANNER.sub("", page))
    page = re.sub(r'name="(csrfmiddlewaretoken|token|form)" value="[^"]*"', "", page)
    page = re.sub(r"<time.*?</time>", "", page, flags=re.DOTALL)
    page = re.sub(r"\d\d:\d\d:\d\d UTC", "", page)  # when a receipt was written
    return re.sub(r"\s+", " ", page)


def recorded(**facts: str) -> list[TrailEntry]:
    found = TrailEntry.objects.filter(kind=TrailKind.SEE_AS).order_by("id")
    return [each for each in found if facts.items() <= each.facts.items()]


@pytest.mark.both_ways
def test_every_page_is_the_one_of_the_seat_under_a_banner_that_says_who_looks_until_when(
    client_for: SignIn,
) -> None:
    product, seat = ProductFactory.create(in_stock=3), a_seat()
    SeatFactory.create(user=seat.user)  # the person's other company is in the menu
    helper = staff("support")
    client, own = looking(seat, helper), client_for(seat)
    until = Viewing.objects.get().until
    for path in ("/", "/catalog/", product.get_absolute_url(), "/cart/", "/orders/"):
        before, mine, after = own.get(path), client.get(path), own.get(path)
        assert (before.status_code, mine.status_code) == (200, 200)
        [banner] = BANNER.findall(text(mine))
        for told in (seat.user, seat.company, helper, f"{until:%H:%M} UTC", "/see-as/end/"):
            assert str(told) in banner
        assert shown(text(mine)) == shown(text(before)) == shown(text(after)), path
        # What is cached for all neither brings the banner to others nor leaves it out.
        assert "seen-as" not in text(before) + text(after)
        assert "Seen-As" in text(mine)
    for narrow in ("/catalog/nothing-here/", "/approvals/"):
        assert BANNER.search(text(client.get(narrow)))


def test_beginning_each_address_and_the_end_are_in_the_trail_with_the_reason() -> None:
    seat, helper = a_seat(), staff("support")
    client = looking(seat, helper)
    for path in ("/orders/?q=secret", "/orders/?q=other", "/catalog/"):
        client.get(path)
    client.get("/orders/", headers={**HTMX, "Seen-As": str(Viewing.objects.get().pk)})
    assert client.post("/see-as/end/")["Location"] == reverse(
        "admin:accounts_accountmanager_change", args=[seat.pk]
    )
    assert client.post("/see-as/end/").status_code == 303  # pressed twice
    assert client.get("/").status_code == 403  # support has no seat of its own
    entries = TrailEntry.objects.filter(kind=TrailKind.SEE_AS).order_by("id")
    assert [(each.facts["step"], each.place) for each in entries[1:3]] == [
        ("page", "/orders/"), ("page", "/catalog/"),
    ]  # fmt: skip
    first, *_pages, last = entries
    assert (first.facts["step"], first.facts["reason"]) == ("begin", "ticket 4711")
    assert (last.facts["step"], last.facts["how"]) == ("end", "click")
    assert {(each.by, each.key) for each in entries} == {(helper, str(seat.pk))}
    assert "secret" not in str(list(entries.values()))
    assert len(entries) == 4


def test_nothing_can_be_changed_and_the_refusal_says_so() -> None:
    product, seat = ProductFactory.create(in_stock=3), a_seat(owner=True)
    client = looking(seat)
    add = {"product": str(product.pk), "quantity": "1"}
    refused = client.post("/cart/add/", add)
    assert refused.status_code == 403
    assert f"You see the portal as {seat.user}" in text(refused)
    assert "Nothing was changed" in text(refused)
    assert BANNER.search(text(refused))
    marked = {**HTMX, "Seen-As": str(Viewing.objects.get().pk)}
    assert client.post("/cart/add/", add, headers=marked).status_code == 403
    assert "Nothing was changed" in text(client.get("/cart/"))  # the page that htmx loads again
    for method in (client.put, client.patch, client.delete):
        assert method("/cart/").status_code == 403
    for path in ("/checkout/", "/seat/", "/accounts/password/change/", "/orders/X/codes/"):
        assert client.post(path).status_code in {403, 404}, path
    assert client.post("/accounts/password/change/", {}).status_code == 403
    assert not hasattr(seat, "cart")
    assert client.get("/cart/").status_code == 200  # and it goes on


def test_pages_record_nothing_about_the_person_and_ask_no_partner() -> None:
    product, seat = ProductFactory.create(in_stock=3), a_seat()
    before = KnownBalance.objects.values().get()
    client = looking(seat)
    assert client.get(product.get_absolute_url()).status_code == 200
    marked = {**HTMX, "Seen-As": str(Viewing.objects.get().pk)}
    balance = client.get("/balance/", headers=marked)
    assert "5,000" in text(balance)
    assert KnownBalance.objects.values().get() == before
    assert not ProductView.objects.exists()
    seat.user.refresh_from_db()
    assert seat.user.last_login is None


def test_the_database_refuses_writes_of_a_page_that_nobody_thought_of() -> None:
    seat = a_seat()
    with pytest.raises(InternalError, match="read-only"), transaction.atomic(), read_only():
        AccountManager.objects.filter(pk=seat.pk).update(is_active=False)
    AccountManager.objects.filter(pk=seat.pk).update(is_active=True)  # after it, writing goes on


def test_it_ends_by_itself_however_much_it_is_used_and_is_recorded_once() -> None:
    seat = a_seat()
    client = looking(seat)
    assert timedelta(minutes=14) < Viewing.objects.get().until - timezone.now()
    assert Viewing.objects.get().until - timezone.now() <= timedelta(minutes=15)
    until = Viewing.objects.get().until
    client.get("/")
    assert Viewing.objects.get().until == until
    Viewing.objects.update(until=timezone.now())
    late = client.post("/cart/add/", {})
    assert late.status_code == 403
    assert "the time for that is over. Nothing was changed" in text(late)
    assert "You do not see the portal as somebody else any more." in text(late)
    assert client.get("/").status_code == 403  # support has no seat of its own
    assert tasks.end_viewings() is None
    assert [each.facts["how"] for each in recorded(step="end")] == ["time"]


def test_the_clock_records_the_end_that_nobody_saw() -> None:
    seats = [a_seat(), a_seat()]
    for seat in seats:
        looking(seat)
    Viewing.objects.filter(seat=seats[0]).update(until=timezone.now())
    tasks.end_viewings()
    tasks.end_viewings()
    assert [each.key for each in recorded(step="end", how="time")] == [str(seats[0].pk)]


@pytest.mark.parametrize("way_out", ["/accounts/logout/", "/admin/logout/"])
def test_it_ends_with_the_session_of_the_staff_person(way_out: str) -> None:
    seat, helper = a_seat(), staff("support")
    client = looking(seat, helper)
    client.post(way_out)
    assert [each.facts["how"] for each in recorded(step="end")] == ["sign_out"]
    client.force_login(helper, backend="accounts.backends.SeatsBackend")
    assert client.get("/").status_code == 403
    # Another session of the same person sees nothing of it, and nor does another person.
    looking(seat, helper)
    assert browser(helper).get("/").status_code == 403
    other = browser(staff("support"))
    session = other.session
    session["see_as"] = str(Viewing.objects.filter(ended_at=None).get().pk)
    session.save()
    assert other.get("/").status_code == 403
    assert Viewing.objects.filter(ended_at=None).exists()


def test_it_ends_when_the_seat_or_the_permission_goes() -> None:
    for take_away in (
        lambda seat, _helper: AccountManager.objects.filter(pk=seat.pk).update(is_active=False),
        lambda seat, _helper: User.objects.filter(pk=seat.user_id).update(is_staff=True),
        lambda _seat, helper: helper.groups.clear(),
    ):
        seat, helper = a_seat(), staff("support")
        client = looking(seat, helper)
        take_away(seat, helper)
        assert client.get("/").status_code == 403
        assert recorded(step="end")[-1].facts["how"] == "access"


def test_nobody_sees_the_portal_as_staff_or_as_a_seat_that_is_off() -> None:
    client = browser(staff("administrator"))
    for refused in (
        a_seat(user=UserFactory.create(staff=True)),
        a_seat(user=UserFactory.create(superuser=True)),
        a_seat(inactive=True),
        SeatFactory.create(company=CompanyFactory.create(inactive=True)),
    ):
        answer = begin(client, refused)
        assert answer.status_code == 422
        assert "staff of the programme" in text(answer) or "switched off" in text(answer)
    assert begin(client, a_seat(), reason=" ").status_code == 422
    assert not Viewing.objects.exists()
    assert not recorded()


def test_only_support_and_administrators_begin_it_and_the_refusal_says_who_may() -> None:
    seat = a_seat()
    for group in ("finance", "auditor", "warehouse"):
        answer = begin(browser(staff(group)), seat)
        assert answer.status_code == 403
        assert "The groups administrator and support have it." in text(answer)
    for group in ("support", "administrator"):
        client = browser(staff(group))
        page = reverse("admin:accounts_accountmanager_change", args=[seat.pk])
        assert reverse("admin:accounts_see_as", args=[seat.pk]) in text(client.get(page))
        company = reverse("admin:accounts_company_change", args=[seat.company_id])
        choose = reverse("admin:accounts_see_as_choose", args=[seat.company_id])
        assert choose in text(client.get(company))
        assert reverse("admin:accounts_see_as", args=[seat.pk]) in text(client.get(choose))
        assert begin(client, seat).status_code == 303


def test_another_one_ends_the_first() -> None:
    first, second = a_seat(), a_seat()
    client = looking(first)
    assert begin(client, second).status_code == 303
    assert str(second.company) in BANNER.findall(text(client.get("/")))[0]
    assert [(each.key, each.facts["how"]) for each in recorded(step="end")] == [
        (str(first.pk), "another")
    ]


def test_a_page_of_another_seat_in_another_tab_gets_no_part_and_its_form_does_nothing() -> None:
    """Staff with a seat of their own: their tab has no banner, the other one has."""
    seat, helper = a_seat(), staff("support")
    SeatFactory.create(user=helper)
    client = Client(enforce_csrf_checks=True)
    client.force_login(helper, backend="accounts.backends.SeatsBackend")
    client.get("/cart/")
    token = client.cookies["csrftoken"].value
    begun = client.post(
        reverse("admin:accounts_see_as", args=[seat.pk]),
        {"reason": "ticket", "csrfmiddlewaretoken": token},
    )
    assert begun.status_code == 303
    unmarked = client.get("/orders/", headers={**HTMX, "HX-Target": "orders"})
    assert (unmarked.status_code, unmarked["HX-Refresh"]) == (204, "true")
    marked = {**HTMX, "HX-Target": "orders", "Seen-As": str(Viewing.objects.get().pk)}
    assert client.get("/orders/", headers=marked).status_code == 200
    token = client.cookies["csrftoken"].value
    client.post("/see-as/end/", {"csrfmiddlewaretoken": token})
    assert client.get("/orders/", headers=marked).status_code == 204
    late = client.post("/cart/add/", {"csrfmiddlewaretoken": token})
    assert late.status_code == 403
    assert not BANNER.search(text(client.get("/")))
