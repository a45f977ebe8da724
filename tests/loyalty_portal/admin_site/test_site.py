"""The admin site: who may enter, through which sign-in, and what its pages may load."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.accounts.factories import PASSWORD, CompanyFactory, SeatFactory, UserFactory
from tests.accounts.second_factor import sign_in, with_app
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
INDEX = "/admin/"


def test_a_stranger_signs_in_on_the_portals_own_page() -> None:
    page = Client().get(INDEX, follow=True)
    assert page.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"


def test_the_admins_own_login_form_signs_nobody_in() -> None:
    user = UserFactory.create(superuser=True)
    client = Client()
    answer = client.post("/admin/login/", {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session


def test_somebody_signed_in_cannot_try_passwords_at_the_admins_login() -> None:
    me, other = staff("auditor"), UserFactory.create(superuser=True)
    client = browser(me)
    answer = client.post("/admin/login/", {"username": other.email, "password": PASSWORD})
    assert answer["Location"] == INDEX
    assert client.session["_auth_user_id"] == str(me.pk)


def test_an_account_manager_is_told_that_the_admin_is_not_theirs() -> None:
    assert browser(UserFactory.create()).get(INDEX, follow=True).status_code == 403


def test_wrong_passwords_are_limited_on_the_way_into_the_admin() -> None:
    user = UserFactory.create(superuser=True)
    client = Client()
    door = client.get(INDEX, follow=True).redirect_chain[-1][0]
    for _attempt in range(12):
        client.post(door, {"login": user.email, "password": "wrong"})
    client.post(door, {"login": user.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_staff_sign_in_and_come_back_to_the_admin() -> None:
    user = with_app(UserFactory.create(superuser=True))
    client = Client()
    door = client.get(INDEX, follow=True).redirect_chain[-1][0]
    assert sign_in(client, user, PASSWORD, door)["Location"] == INDEX
    assert client.get(INDEX).status_code == 200


def test_the_trail_says_from_where_staff_changed_something(settings: Any) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    user = UserFactory.create(superuser=True)
    company: Any = CompanyFactory.create()
    form = {
        "name": "Another", "loyalty_account_id": company.loyalty_account_id, "is_active": "on",
        "tier_level": company.tier_level, "time_zone": company.time_zone, "language": "en",
        "seats-TOTAL_FORMS": "0", "seats-INITIAL_FORMS": "0",
        "addresses-TOTAL_FORMS": "0", "addresses-INITIAL_FORMS": "0",
    }  # fmt: skip
    browser(user).post(
        reverse("admin:accounts_company_change", args=[company.pk]),
        form,
        headers={"x-forwarded-for": "198.51.100.1, 203.0.113.9"},
    )
    noted = company.changes.get(pgh_label="update").pgh_context.metadata
    assert noted["address"] == "203.0.113.9"
    assert noted["user"] == str(user.pk)


def test_signing_out_leads_to_the_portals_sign_in() -> None:
    client = browser(staff("auditor"))
    assert client.post("/admin/logout/")["Location"] == "/accounts/login/"
    assert "_auth_user_id" not in client.session


def test_a_script_whose_person_is_signed_out_is_told_where_to_sign_in() -> None:
    page = f"http://testserver{reverse('admin:fulfillment_desk')}?show=late"
    script = {"HX-Request": "true", "HX-Current-URL": page}
    for answer in (
        Client().post(reverse("admin:fulfillment_desk_scan"), headers=script),
        Client().get(INDEX, headers=script),
    ):
        assert answer.status_code == 401
        assert answer["HX-Redirect"] == "/accounts/login/?next=/admin/desk/%3Fshow%3Dlate"
    elsewhere = {**script, "HX-Current-URL": "//evil.example//other.example/x"}
    answer = Client().get(INDEX, headers=elsewhere)
    assert answer["HX-Redirect"] == "/accounts/login/?next=/admin/"


def test_the_admin_alone_may_use_what_its_theme_needs() -> None:
    admin = browser(staff("auditor")).get(INDEX)["Content-Security-Policy"]
    portal = Client().get("/accounts/login/")["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in admin.split(";"))
    assert rules["script-src"] == "'self' 'unsafe-eval'"
    assert rules["style-src"] == "'self' 'unsafe-inline'"
    assert rules["default-src"] == "'none'"
    assert rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in portal


def test_the_menu_shows_only_what_may_be_opened() -> None:
    page = browser(staff("finance")).get(INDEX).content.decode()
    assert reverse("admin:redemption_loyaltytransaction_changelist") in page
    assert reverse("admin:catalog_product_changelist") not in page
    assert reverse("admin:redemption_callback_changelist") not in page


def test_staff_in_no_group_are_told_whom_to_ask() -> None:
    page = browser(staff()).get(INDEX)
    assert "staff group" in page.content.decode()


def test_a_brand_of_a_bright_colour_keeps_white_text_readable(settings: object) -> None:
    settings.BRAND = {"name": "Sun", "accent": "#ffd400", "logo": ""}  # type: ignore[attr-defined]
    page = browser(staff("auditor")).get(INDEX).content.decode()
    assert "--color-primary-600: color-mix(in oklab, color-mix(in oklab" in page


def test_staff_whose_group_lacks_something_are_told_so_and_led_back() -> None:
    answer = browser(staff("warehouse")).get("/admin/redemption/redemptionorder/")
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "Your group does not include this" in page
    assert f'href="{INDEX}"' in page
    assert "seat" not in page
    assert "The groups administrator, auditor, finance and support have it" in page


def test_an_address_of_the_back_office_without_a_page_is_told_to_staff_in_their_words() -> None:
    answer = browser(staff("support")).get("/admin/nothing/")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "The search of the back office finds" in page
    assert f'href="{INDEX}"' in page
    assert "another company" not in page


def test_a_refused_action_says_which_groups_may() -> None:
    client = browser(staff("auditor"))
    page = client.post("/admin/redemption/reconciliation/compare/").content.decode()
    assert "“Can compare with the partner" in page
    assert "The group finance has it" in page
    page = client.get(reverse("admin:catalog_product_add")).content.decode()
    assert "“Can add product” is needed. The group catalogue has it" in page
    page = client.get(reverse("admin:auth_group_add")).content.decode()
    assert "No group has it" in page


@pytest.mark.parametrize(
    "path",
    [
        "accounts/company/", "accounts/user/", "redemption/redemptionorder/",
        "fulfillment/fulfillment/", "redemption/incident/", "catalog/product/",
        "inventory/reservation/",
    ],
)  # fmt: skip
def test_a_search_of_a_thousand_words_is_done_in_part_and_says_so(
    path: str,
) -> None:
    client = browser(UserFactory.create(superuser=True))
    words = " ".join(f"w{number}" for number in range(1_000))
    with CaptureQueriesContext(connection) as asked:
        page = client.get(f"{INDEX}{path}", {"q": words})
    assert page.status_code == 200
    assert "Searched for the first words only, at most 10: “w0 w1 " in page.content.decode()
    assert "w10" not in " ".join(query["sql"] for query in asked.captured_queries)


def test_a_search_of_a_few_words_is_done_whole_and_says_nothing() -> None:
    company = CompanyFactory.create(name="Northwind Traders of the Far North")
    page = browser(UserFactory.create(superuser=True)).get(
        f"{INDEX}accounts/company/", {"q": "northwind  traders of the far north"}
    )
    assert "Searched for the first words only" not in page.content.decode()
    assert company.loyalty_account_id in page.content.decode()


def test_a_field_that_searches_while_one_types_looks_for_the_first_words_too() -> None:
    client = browser(UserFactory.create(superuser=True))
    words = " ".join(f"w{number}" for number in range(1_000))
    field = {"app_label": "accounts", "model_name": "address", "field_name": "company"}
    with CaptureQueriesContext(connection) as asked:
        found = client.get(f"{INDEX}autocomplete/", {"term": words, **field})
    assert found.status_code == 200
    assert "w10" not in " ".join(query["sql"] for query in asked.captured_queries)


@pytest.mark.parametrize(
    "path",
    [
        "catalog/product/?product_type__exact=%00",
        "accounts/company/?tier_level__exact=%00",
        "redemption/letter/?kind__exact=%00",
        "redemption/redemptionorder/?status__exact=%00",
        "fulfillment/fulfillment/?status__exact=%00",
        "redemption/incident/?state=%00",
        "catalog/product/?q=%00",
        "catalog/product/?nonsense=1",
    ],
)
def test_an_odd_filter_shows_the_list_without_it(path: str) -> None:
    page = browser(UserFactory.create(superuser=True)).get(f"{INDEX}{path}", follow=True)
    assert page.status_code == 200
    assert page.redirect_chain == [(f"{INDEX}{path.split('?', maxsplit=1)[0]}?e=1", 302)]


def test_staff_without_a_seat_begin_at_their_work_and_others_at_home() -> None:
    clerk, both = staff("fulfillment"), SeatFactory.create(user__is_staff=True).user
    for user, first in ((clerk, INDEX), (both, "/")):
        answer = Client().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
        assert answer["Location"] == first


@pytest.mark.parametrize("odd", ["abc", "\0", "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("catalog/product/add/", "family"),
        ("accounts/address/add/", "company"),
        ("accounts/company/{company}/change/", "seats-0-user"),
    ],
)
def test_a_choice_that_does_not_exist_is_an_error_beside_its_field(
    path: str, field: str, odd: str
) -> None:
    inline = {
        "seats-TOTAL_FORMS": "1", "seats-INITIAL_FORMS": "0", "seats-0-role": "owner",
        "addresses-TOTAL_FORMS": "0", "addresses-INITIAL_FORMS": "0",
    }  # fmt: skip
    client = browser(UserFactory.create(superuser=True))
    address = f"{INDEX}{path}".format(company=CompanyFactory.create().pk)
    page = client.post(address, {**inline, field: odd})
    assert page.status_code == 200
    assert f'name="{field}"' in page.content.decode()


def test_a_list_to_which_nobody_can_add_says_so_when_it_is_empty() -> None:
    client = browser(staff("auditor"))
    for model in ("reconciliation", "letter", "incident"):
        there = reverse(f"admin:redemption_{model}_changelist")
        page = client.get(there).content.decode()
        assert "Nothing can be added by hand" in page
        assert "Create a new item" not in page
        found = client.get(there, {"q": "nobody"}).content.decode()
        assert "Nothing fits the search and the filters." in found
        assert "Show all" in found
