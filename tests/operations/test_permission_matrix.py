"""Every address of the admin answers to every staff group, GET and POST, as the document says.

docs/permissions.md is the expectation. A new page needs a row there, which `manage.py
permission_matrix` adds; what the row says it needs is what is tried here.
"""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import transaction
from django.http import Http404, HttpRequest
from django.test import RequestFactory
from django.urls import resolve
from django.utils import timezone

from accounts.models import AccountManager, Address, Invitation, PersonLetter, User
from accounts.services import STAFF_GROUPS, ensure_staff_groups
from catalog.models import Synonym
from inventory.models import LowStockRule, StockDocument
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.http.sessions import SECOND_FACTOR
from loyalty_portal.jobs.models import Job
from operations.management.commands.permission_matrix import (
    MATRIX,
    NOBODY,
    STAFF,
    AdminAddress,
    Needs,
    admin_addresses,
    stated,
    written,
)
from redemption.incidents.services import raise_incident
from redemption.models import Callback, Letter, Reconciliation, WebhookEndpoint
from redemption.states import IncidentKind
from tests.accounts.access.making import new_key
from tests.accounts.factories import SeatFactory, UserFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.redemption.factories import shipped
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import staff

pytestmark = pytest.mark.django_db

# Values of the parameters that are not a row's key, for all addresses that have them.
ARGUMENTS = {
    "app_label": "accounts",
    "url": "nothing/here/",
    "name": "redeemed",
    "table": "redeemed",
    "form": "csv",
    "key": "00000000-0000-7000-8000-000000000001",
    "how": "statement",
    "verb": "none",
    "kind": "pick-list",
    "way": "receive",
    "what": "changed",
    "stock_id": "00000000-0000-7000-8000-000000000001",
    "seat_id": "00000000-0000-7000-8000-000000000001",
    "ask_id": "00000000-0000-7000-8000-000000000001",
}
# Addresses that mean nothing without a query.
QUERIES = {
    "autocomplete/": "?app_label=accounts&model_name=accountmanager&field_name=user&term=a",
}
PERMISSION = re.compile(r"[a-z_]+\.[a-z_]+")


def one_of_everything() -> None:
    """A row of each model that the admin shows."""
    ensure_staff_groups()
    confirmed_order((ProductFactory.create(virtual=True), 1))
    order = confirmed_order((ProductFactory.create(in_stock=5), 1))
    seat = SeatFactory.create()
    FamilyFactory.create()
    Synonym.objects.create(names="mug, cup")
    Invitation.objects.create(
        company=seat.company, email="kim@n.example", role=seat.role, by=seat.user, token_hash="0"
    )
    PersonLetter.objects.create(company=seat.company, kind="rights", to="kim@n.example")
    Address.objects.create(company=seat.company, recipient_name="Ada")
    new_key(seat.company)
    WebhookEndpoint.objects.create(
        company=seat.company, url="https://n.example/", events=["order.placed"], secret="-",
        created_by=seat.user,
    )  # fmt: skip
    raise_incident(kind=IncidentKind.STOCK_DRIFT, key="drift", what="3 too many.")
    Callback.objects.create(webhook_id="one", body="{}")
    Letter.objects.create(order=order, kind="confirmed", key="one", to="ada@northwind.example")
    since, until = order.created_at, timezone.now()
    Reconciliation.objects.create(company=seat.company, source="API", since=since, until=until)
    shipped(order)
    Job.objects.create(kind="none")
    StockDocument.objects.create(kind="COUNT", token=uuid4())
    LowStockRule.objects.create(category=CategoryFactory.create())
    TrailEntry(kind=TrailKind.COMMAND).save()


def asked_by_a_superuser() -> HttpRequest:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.filter(is_superuser=True).first() or UserFactory.create(
        superuser=True
    )
    return request


def row_of(label: str) -> Any:
    """A row of the model. Of people it is an account manager, because staff have rules of their
    own (tests/accounts/backoffice/test_administrators.py)."""
    model = apps.get_model(label)
    if model is User:
        return AccountManager.objects.filter(user__is_machine=False).latest("pk").user
    row = admin.site._registry[model].get_queryset(asked_by_a_superuser()).order_by("pk").last()
    assert row, f"Let `one_of_everything` in this test make a row of {label}."
    return row


def told(address: AdminAddress) -> str:
    """The address with a value for each of its parameters."""

    def value(found: re.Match[str]) -> str:
        name = found[1].split(":")[-1]
        if name == "content_type_id":
            return str(ContentType.objects.get_for_model(User).pk)
        if name in ARGUMENTS:
            return ARGUMENTS[name]
        assert name in {"object_id", "id"}, (
            f"Give `{name}` of {address.route} a value in ARGUMENTS."
        )
        return str(row_of(address.label or "accounts.user").pk)

    return f"/admin/{re.sub(r'<([^>]+)>', value, address.route)}{QUERIES.get(address.route, '')}"


def answer_of(person: User, method: str, address: str) -> int:
    """The status that the address answers to this person. What the request changes is undone.

    The view is called as the URLs name it, without the middleware, which makes three thousand
    requests quick. Nothing is drawn either: permissions are asked for before that.
    """
    request: Any = getattr(RequestFactory(), method)(address)
    request.user, request.session, request._dont_enforce_csrf_checks = person, SessionStore(), True
    request.session[SECOND_FACTOR] = "totp"  # without it all are led to set one up
    request._messages = FallbackStorage(request)
    request.resolver_match = match = resolve(request.path_info)
    try:
        with transaction.atomic():
            response = match.func(request, *match.args, **match.kwargs)
            transaction.set_rollback(True)
    except PermissionDenied:
        return 403
    except Http404:
        return 404
    return int(response.status_code)


def test_each_group_may_open_what_the_document_says_and_nothing_else() -> None:
    one_of_everything()
    said = stated((settings.BASE_DIR / MATRIX).read_text())
    addresses = {each.route: told(each) for each in admin_addresses()}
    nobody: frozenset[str] = frozenset()
    people = [
        *((name, staff(name), held) for name, held in STAFF_GROUPS.items()),
        ("staff without a group", staff(), nobody),
        ("a superuser", UserFactory.create(superuser=True), nobody),
    ]
    wrong = []
    for name, person, held in people:
        for route, address in addresses.items():
            for method, needs in zip(("get", "post"), said[route], strict=True):
                expected = needs.are_met(held, superuser=person.is_superuser)
                if (answer_of(person, method, address) != 403) != expected:
                    what = "is refused" if expected else "is not refused"
                    wrong.append(f"{method.upper()} {route}: {name} {what}")
    assert not wrong, "Not as docs/permissions.md says:\n" + "\n".join(wrong)


def test_whoever_is_no_staff_is_sent_away_from_every_address() -> None:
    one_of_everything()
    person = SeatFactory.create().user
    opened = {
        each.route
        for each in admin_addresses()
        for method in ("get", "post")
        if answer_of(person, method, told(each)) == 200
    }
    assert opened <= {"jsi18n/"}


def test_each_address_has_a_row_and_no_row_is_left_over() -> None:
    rows, found = stated((settings.BASE_DIR / MATRIX).read_text()), admin_addresses()
    routes = {each.route for each in found}
    told_how = "run `manage.py permission_matrix`, and say what each ? needs"
    assert rows.keys() == routes, f"{sorted(rows.keys() ^ routes)} differ: {told_how}"
    open_rows = [route for route, needs in rows.items() if Needs("?") in needs]
    assert not open_rows, f"{open_rows}: {told_how}"


def test_the_document_is_fresh_and_names_only_permissions_that_exist() -> None:
    call_command("permission_matrix", "--check")
    known = {
        f"{room}.{codename}"
        for room, codename in apps.get_model("auth.Permission").objects.values_list(
            "content_type__app_label", "codename"
        )
    }
    named = {
        each
        for pair in stated((settings.BASE_DIR / MATRIX).read_text()).values()
        for needs in pair
        for each in PERMISSION.findall(needs.said)
    }
    assert named <= known


def test_a_new_page_gets_a_row_whose_needs_a_person_must_say() -> None:
    text = (settings.BASE_DIR / MATRIX).read_text()
    gone = "\n".join(line for line in text.splitlines() if not line.startswith("| `/search/`"))
    assert "| `/search/` | ? | ? | – | – |" in written(gone)


def test_needs_are_read_as_all_of_them_or_one_of_them() -> None:
    held = frozenset({"a.b", "c.d"})
    assert Needs("a.b + c.d").are_met(held)
    assert not Needs("a.b + e.f").are_met(held)
    assert Needs("e.f or c.d").are_met(held)
    assert Needs(STAFF).are_met(frozenset())
    assert not Needs(NOBODY).are_met(held, superuser=True)
