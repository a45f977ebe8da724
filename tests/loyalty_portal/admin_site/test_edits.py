"""Two people edit the same row in the admin: no form undoes a change silently."""

import html
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import Address, Company, User
from catalog.admin import CategoryAdmin
from catalog.models import Category, Family, Product, Synonym
from inventory.models import LowStockRule
from loyalty_portal.admin_site.edits import EditedForm
from tests.accounts.factories import CompanyFactory, UserFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.redemption.saga.test_races import while_somebody
from tests.support.staff import browser

pytestmark = pytest.mark.django_db
Sent = dict[str, list[str]]


def _address() -> Address:
    return Address.objects.create(
        company=CompanyFactory.create(), recipient_name="Ada", address_line1="Main St 1", city="Berlin",
        postcode="10115", country="Germany",
    )  # fmt: skip


class Edit(NamedTuple):
    """A row, a colleague's value for one field, and one's own value for another."""

    make: Callable[[], Any]
    theirs: tuple[str, Any]
    mine: tuple[str, str]


EDITS: dict[type[Model], Edit] = {
    Company: Edit(CompanyFactory, ("approval_threshold", 500), ("name", "Northwind")),
    Address: Edit(_address, ("city", "Bonn"), ("address_line1", "Side St 2")),
    User: Edit(UserFactory, ("is_active", False), ("name", "Anna")),
    Group: Edit(lambda: Group.objects.create(name="pickers"), ("name", "packers"), ("", "")),
    Product: Edit(ProductFactory, ("points_cost", 9_000), ("name", "Bicycle")),
    Category: Edit(CategoryFactory, ("position", 7), ("name", "Books")),
    Family: Edit(FamilyFactory, ("code", "shirts"), ("name", "Shirts")),
    LowStockRule: Edit(
        lambda: LowStockRule.objects.create(category=CategoryFactory.create(), low_stock_at=3),
        ("low_stock_at", 9),
        ("", ""),
    ),
    Synonym: Edit(
        lambda: Synonym.objects.create(names="mug, cup"),
        ("names", "mug, cup, beaker"),
        ("", ""),
    ),
}
ONE_FIELD = (Group, LowStockRule, Synonym)  # a colleague and oneself can only change the same


def _is_sent(kind: str, said: dict[str, str]) -> bool:
    return kind not in {"submit", "file"} and (
        kind not in {"checkbox", "radio"} or "checked" in said
    )


class _Fields(HTMLParser):
    """Parses the values that a page's form would send unchanged."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: Sent = {}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        name, kind = said.get("name", ""), said.get("type", "text")
        if tag == "option" and self._open and "selected" in said:
            self.sent.setdefault(self._open, []).append(said.get("value", ""))
        elif tag in {"select", "textarea"}:
            self._open = name
            if tag == "textarea":
                self.sent[name] = [""]
        elif tag == "input" and name and _is_sent(kind, said):
            unsaid = "on" if kind in {"checkbox", "radio"} else ""
            self.sent.setdefault(name, []).append(said.get("value", unsaid))

    def handle_data(self, data: str) -> None:
        if self._open and self.lasttag == "textarea":
            self.sent[self._open][0] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"select", "textarea"}:
            self._open = ""


def filled_in(page: Any) -> Sent:
    parser = _Fields()
    parser.feed(page.content.decode())
    return parser.sent


def page_of(row: Model) -> str:
    kind = row._meta
    return reverse(f"admin:{kind.app_label}_{kind.model_name}_change", args=[row.pk])


@pytest.fixture
def boss() -> User:
    return UserFactory.create(superuser=True, name="Bea Boss")


@pytest.fixture
def client(boss: User) -> Client:
    return browser(boss)


def changeable() -> set[type[Model]]:
    request = RequestFactory().get("/admin/")
    request.user = User(is_staff=True, is_superuser=True)
    registered = admin.site._registry.items()
    return {model for model, each in registered if each.has_change_permission(request)}


def test_each_form_of_the_admin_is_tried_here() -> None:
    assert changeable() == set(EDITS)


def by_a_colleague(row: Any, field: str, value: Any) -> None:
    """Change a field in the admin as another user."""
    other = browser(UserFactory.create(superuser=True, name="Ann Other"))
    form = filled_in(other.get(page_of(row)))
    form.pop(field, None)
    if value is not False:
        form[field] = [str(value)]
    assert other.post(page_of(row), form).status_code == 302
    row.refresh_from_db()
    assert getattr(row, field) == value


@pytest.mark.parametrize("model", EDITS, ids=lambda model: model.__name__)
def test_every_field_says_what_it_was_when_the_page_was_made(
    client: Client, model: type[Model]
) -> None:
    page = client.get(page_of(EDITS[model].make()))
    shown = page.content.decode()
    form = page.context["adminform"].form
    inlines = [each.formset for each in page.context["inline_admin_formsets"]]
    for each in (form, *(one for formset in inlines for one in formset.initial_forms)):
        assert isinstance(each, EditedForm)
        for name in each._meta.fields or each.fields:
            # Browsers send nothing for a select without a choice; files are of no row.
            many = name in {"groups", "permissions"} or name not in each.initial
            assert many or name not in each.fields or f'"{each.add_initial_prefix(name)}' in shown


@pytest.mark.parametrize(
    "model",
    [model for model in EDITS if model not in ONE_FIELD],
    ids=lambda model: model.__name__,
)
def test_what_a_colleague_changed_meanwhile_stays_and_is_told(
    client: Client, model: type[Model]
) -> None:
    row = EDITS[model].make()
    (field, theirs), (name, mine) = EDITS[model].theirs, EDITS[model].mine
    form = filled_in(client.get(page_of(row)))
    by_a_colleague(row, field, theirs)
    told = client.post(page_of(row), form | {name: [mine]}, follow=True).content.decode()
    row.refresh_from_db()
    assert (getattr(row, field), getattr(row, name)) == (theirs, mine)
    assert "Ann Other changed “" in told
    assert "That change stays; only your own changes were saved." in told


def test_without_what_the_page_showed_the_old_price_returns_in_silence(client: Client) -> None:
    """The negative control: without the initial values, the old price silently returns."""
    row = ProductFactory.create(points_cost=500)
    form = filled_in(client.get(page_of(row)))
    by_a_colleague(row, "points_cost", 9_000)
    bare = {name: sent for name, sent in form.items() if not name.startswith("initial-")}
    client.post(page_of(row), bare | {"name": ["Bicycle"]})
    row.refresh_from_db()
    assert row.points_cost == 500


def test_where_both_changed_the_same_nothing_is_written_and_what_was_typed_is_kept(
    client: Client,
) -> None:
    row = ProductFactory.create(points_cost=500, name="Bicycle")
    form = filled_in(client.get(page_of(row))) | {"points_cost": ["700"], "name": ["Racing bike"]}
    by_a_colleague(row, "points_cost", 9_000)
    again = client.post(page_of(row), form)
    said = again.content.decode()
    assert "Ann Other changed “Points” from “500” to “9,000”" in said
    assert "Your value is kept here: save again to overwrite theirs." in said
    kept = filled_in(again)
    assert (kept["points_cost"], kept["name"]) == (["700"], ["Racing bike"])
    row.refresh_from_db()
    assert (row.points_cost, row.name) == (9_000, "Bicycle")
    assert client.post(page_of(row), kept).status_code == 302
    row.refresh_from_db()
    assert (row.points_cost, row.name) == (700, "Racing bike")


def test_the_same_change_made_by_both_is_no_quarrel(client: Client) -> None:
    row = ProductFactory.create(points_cost=500)
    form = filled_in(client.get(page_of(row))) | {"points_cost": ["700"]}
    by_a_colleague(row, "points_cost", 700)
    assert client.post(page_of(row), form).status_code == 302


def test_what_an_import_changed_is_told_without_a_name(client: Client) -> None:
    row = ProductFactory.create(points_cost=500)
    form = filled_in(client.get(page_of(row))) | {"name": ["Bicycle"]}
    Product.objects.filter(pk=row.pk).update(points_cost=600)
    told = client.post(page_of(row), form, follow=True).content.decode()
    assert " somebody changed “Points” from “500” to “600”." in told


def test_a_group_keeps_the_permission_that_a_colleague_gave_it(client: Client) -> None:
    group = Group.objects.create(name="packers")
    group.permissions.set(Permission.objects.filter(codename="view_product"))
    form = filled_in(client.get(page_of(group))) | {"name": ["pickers"]}
    group.permissions.add(Permission.objects.get(codename="change_product"))
    assert client.post(page_of(group), form).status_code == 302
    group.refresh_from_db()
    assert group.name == "pickers"
    assert {"view_product", "change_product"} == set(
        group.permissions.values_list("codename", flat=True)
    )


def test_of_many_permissions_only_those_that_a_colleague_changed_are_told(client: Client) -> None:
    group = Group.objects.create(name="packers")
    group.permissions.set(Permission.objects.all()[:20])
    gone, kept, *_ = group.permissions.all()
    form = filled_in(client.get(page_of(group))) | {"permissions": [str(kept.pk)]}
    new = Permission.objects.exclude(pk__in=group.permissions.all())[0]
    group.permissions.add(new)
    group.permissions.remove(gone)
    told = html.unescape(client.post(page_of(group), form).content.decode())
    assert f"changed “Permissions” (added “{new}”; took away “{gone}”)." in told


def test_two_who_change_the_groups_of_one_person_are_told(client: Client) -> None:
    ours, other = Group.objects.create(name="packers"), Group.objects.create(name="pickers")
    user = UserFactory.create(staff=True)
    form = filled_in(client.get(page_of(user))) | {"groups": [str(ours.pk)]}
    user.groups.add(other)
    again = client.post(page_of(user), form)
    assert "changed “Groups” (added “pickers”)." in again.content.decode()
    assert list(user.groups.all()) == [other]
    assert client.post(page_of(user), filled_in(again)).status_code == 302
    assert list(user.groups.all()) == [ours]


def test_an_address_on_the_companys_page_keeps_what_was_changed_on_its_own_page(
    client: Client,
) -> None:
    address = _address()
    page = page_of(address.company)
    form = filled_in(client.get(page)) | {"addresses-0-city": ["Bonn"]}
    by_a_colleague(address, "postcode", "10117")
    told = client.post(page, form, follow=True).content.decode()
    address.refresh_from_db()
    assert (address.city, address.postcode) == ("Bonn", "10117")
    assert "Ann Other changed “Postcode”" in told


def test_an_address_that_both_changed_is_kept_as_typed(client: Client) -> None:
    address = _address()
    page = page_of(address.company)
    form = filled_in(client.get(page)) | {"addresses-0-city": ["Bonn"]}
    by_a_colleague(address, "city", "Köln")
    again = client.post(page, form)
    assert "Ann Other changed “City” from “Berlin” to “Köln”" in again.content.decode()
    assert filled_in(again)["addresses-0-city"] == ["Bonn"]
    address.refresh_from_db()
    assert address.city == "Köln"


def test_a_list_that_can_be_edited_would_keep_it_too() -> None:
    """No admin list of ours is editable; a future one gets the same protection."""
    row = CategoryFactory.create(position=1)
    lists: Any = CategoryAdmin(Category, admin.site)
    lists.list_editable = ["name", "position"]
    rows: Any = lists.get_changelist_formset(RequestFactory().get("/"))
    page = rows(queryset=Category.objects.order_by("pk"))
    parser = _Fields()
    parser.feed(f"{page.management_form}{''.join(str(form) for form in page.forms)}")
    Category.objects.filter(pk=row.pk).update(position=9)
    data = RequestFactory().post("/", parser.sent | {"form-0-name": ["Books"]}).POST
    late = rows(data, queryset=Category.objects.order_by("pk"))
    assert late.is_valid(), late.errors
    late.save()
    row.refresh_from_db()
    assert (row.name, row.position) == ("Books", 9)


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_committed_at_that_moment_is_seen(client: Client) -> None:
    row = ProductFactory.create(points_cost=500)
    form = filled_in(client.get(page_of(row))) | {"name": ["Bicycle"]}
    with while_somebody(lambda: Product.objects.filter(pk=row.pk).update(points_cost=9_000)):
        assert client.post(page_of(row), form).status_code == 302
    row.refresh_from_db()
    assert (row.points_cost, row.name) == (9_000, "Bicycle")


@pytest.mark.parametrize("model", EDITS, ids=lambda model: model.__name__)
def test_a_form_that_is_read_in_german_saves_what_it_showed(model: type[Model]) -> None:
    """Numbers and times are typed as the browser sends them, whatever the page looks like."""
    row = EDITS[model].make()
    if isinstance(row, Product):
        row.points_cost, row.available_from = 12_500, datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
        row.save()
    before = _values(row)
    reader = browser(UserFactory.create(superuser=True, language="de", time_zone="Asia/Kolkata"))
    page = reader.get(page_of(row))
    assert page.headers["Content-Language"] == "de"
    answer = reader.post(page_of(row), filled_in(page))
    assert answer.status_code == 302
    assert _values(model._default_manager.get(pk=row.pk)) == before


def _values(row: Model) -> dict[str, Any]:
    written_anew = {"updated_at", "last_updated", "search"}
    columns = {field.attname for field in row._meta.concrete_fields} - written_anew
    fresh = type(row)._default_manager.get(pk=row.pk)
    return {name: getattr(fresh, name) for name in columns}
