"""Before and after: who changed what, from what to what, for whom it may be shown."""

import re
from datetime import timedelta
from typing import Any

import pghistory
import pgtrigger
import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Address, User
from catalog.models import Product, Synonym
from inventory.models import DocumentKind, Inventory, StockDocument
from loyalty_portal.audit.changes import ChangesAsked, changes
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from tests.accounts.factories import CompanyFactory, UserFactory
from tests.catalog.backoffice.test_admin_products import page_of, typed
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
CHANGES = "/admin/audit/trailentry/changes/"


def text(client: Client, address: str, **query: Any) -> str:
    answer = client.get(address, query, follow=True)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def body_of(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode("utf-8-sig")


def change_price(product: Product, points: int, by: User) -> None:
    """Change it on the product's page."""
    browser(by).post(page_of(product), typed(product, points_cost=str(points)))
    product.refresh_from_db()
    assert product.points_cost == points


def test_the_history_of_a_product_says_who_changed_its_price_from_what_to_what() -> None:
    product = ProductFactory.create(points_cost=1000)
    editor = staff("catalogue")
    change_price(product, 900, editor)
    page = text(
        browser(staff("auditor")), reverse("admin:catalog_product_history", args=[product.pk])
    )
    assert f"<b>{editor}</b>" in page
    assert "<del>1000</del>" in page
    assert "<ins>900</ins>" in page
    assert f"/admin/catalog/product/{product.pk}/change/" in page
    assert "127.0.0.1" in page


def test_the_history_of_what_one_may_not_see_is_refused() -> None:
    product = ProductFactory.create()
    there = reverse("admin:catalog_product_history", args=[product.pk])
    finance = browser(staff("finance"))
    assert finance.get(there).status_code == 403
    assert (
        finance.get(CHANGES, {"of": "catalog.product", "key": str(product.pk)}).status_code == 403
    )
    assert finance.get(CHANGES).status_code == 403
    assert "The group auditor has it" in finance.get(CHANGES).content.decode()


@pytest.mark.parametrize("page", ["changes/", "changes/export/", "export/"])
def test_a_page_that_only_shows_is_not_posted_to(page: str) -> None:
    answer = browser(staff("auditor")).post(f"/admin/audit/trailentry/{page}")
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"


def test_changes_are_read_also_where_a_change_is_being_recorded() -> None:
    product = ProductFactory.create()
    asked = ChangesAsked(("catalog.product",), key=str(product.pk))
    with pghistory.context(url="/a/posted/page/"):
        found = changes(asked, most=5, personal=False)
    assert {change.key for change in found} == {str(product.pk)}


def test_changes_are_filtered_by_model_field_person_and_day() -> None:
    auditor = browser(staff("auditor"))
    mine, other = ProductFactory.create(points_cost=1000), ProductFactory.create(points_cost=50)
    editor = staff("catalogue")
    Product.objects.filter(pk=other.pk).update(name="Renamed by SQL")
    change_price(mine, 777, editor)
    assert "Renamed by SQL" in text(auditor, CHANGES, of="catalog.product")
    prices = text(auditor, CHANGES, of="catalog.product", field="points_cost")
    assert "777" in prices
    assert "Renamed by SQL" not in prices
    own = text(auditor, CHANGES, who=editor.email)
    assert "777" in own
    assert "Renamed by SQL" not in own
    tomorrow = timezone.localdate() + timedelta(days=1)
    assert "No changes are recorded" in text(auditor, CHANGES, since=str(tomorrow))
    today = str(timezone.localdate())
    assert "777" in text(auditor, CHANGES, of="catalog.product", until=today)
    assert "Nobody has this e-mail address" in text(auditor, CHANGES, who="nobody@example.test")


@pytest.mark.parametrize(
    "query",
    [
        {"of": "no.such"}, {"field": "x'; --"}, {"since": "yesterday"}, {"before": "never"},
        {"of": "catalog.product", "key": "' OR 1"}, {"who": "\0"}, {"key": "\0"},
        {"of": "catalog.product", "field": "password"},
    ],
)  # fmt: skip
def test_a_filter_that_means_nothing_breaks_nothing(query: dict[str, str]) -> None:
    ProductFactory.create()
    assert browser(staff("auditor")).get(CHANGES, query).status_code == 200


def test_days_of_the_filter_are_chosen_from_a_calendar() -> None:
    page = text(browser(staff("auditor")), CHANGES, since="2026-10-28")
    assert re.search(r'<input type="date" name="since" value="2026-10-28"', page)


def test_older_changes_are_on_the_next_page() -> None:
    product = ProductFactory.create()
    for points in range(1, 60):
        Product.objects.filter(pk=product.pk).update(points_cost=points)
    auditor = browser(staff("auditor"))
    query = {"of": "catalog.product", "key": str(product.pk)}
    first = auditor.get(CHANGES, query)
    assert "<ins>59</ins>" in first.content.decode()
    # All of them were made in one transaction, and so at the same time.
    second = auditor.get(f"{CHANGES}?{first.context['older']}").content.decode()
    assert "Older changes" not in second
    shown = set(re.findall(r"<ins>(\d+)</ins>", first.content.decode() + second))
    assert {str(points) for points in range(1, 60)} <= shown


def test_a_line_that_was_replaced_shows_what_followed() -> None:
    stock = Inventory.objects.get(product=ProductFactory.create(in_stock=5))
    Inventory.objects.filter(pk=stock.pk).update(quantity_available=4)
    page = text(browser(staff("auditor")), CHANGES, of="inventory.inventory", key=str(stock.pk))
    assert "<del>5</del>" in page
    assert "<ins>4</ins>" in page


def test_what_is_personal_is_hidden_from_whoever_may_not_see_it() -> None:
    person = UserFactory.create(email="old@example.test")
    User.objects.filter(pk=person.pk).update(email="new@example.test")
    query = {"of": "accounts.user", "key": str(person.pk)}
    page = text(browser(staff("auditor")), CHANGES, **query)
    assert "<del>old@example.test</del>" in page
    page = text(browser(staff("administrator")), CHANGES, **query)
    assert "old@example.test" not in page
    assert "hidden" in page
    record(TrailKind.SIGN_IN, by=Actor.person(person), about=person)
    TrailEntry(kind=TrailKind.SIGN_IN, by=person, address="203.0.113.9").save()
    trail = "/admin/audit/trailentry/"
    assert "203.0.113.9" in text(browser(staff("auditor")), trail)
    plain = staff()
    plain.user_permissions.set(Permission.objects.filter(codename="view_trailentry"))
    page = text(browser(plain), trail)
    assert "203.0.113.9" not in page
    assert "•••" in page
    answer = browser(plain).get("/admin/audit/trailentry/export/")
    assert "203.0.113.9" not in body_of(answer)


def test_both_lists_are_exported_for_a_spreadsheet_and_that_is_recorded() -> None:
    product = ProductFactory.create(name="=HYPERLINK(1)")
    auditor = staff("auditor")
    client = browser(auditor)
    answer = client.get(f"{CHANGES}export/", {"of": "catalog.product"})
    body = body_of(answer)
    assert answer["Content-Disposition"] == 'attachment; filename="changes.csv"'
    assert f",{product.sku}," in body
    assert "\t=HYPERLINK(1)" in body
    assert ",=HYPERLINK" not in body
    answer = client.get("/admin/audit/trailentry/export/", {"kind__exact": "exported"})
    body = body_of(answer)
    assert body.count("exported") == 2
    assert set(TrailEntry.objects.values_list("kind", "by")) == {("exported", auditor.pk)}
    assert browser(staff("support")).get(f"{CHANGES}export/").status_code == 403


def test_the_list_of_all_changes_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    CompanyFactory.create_batch(20)
    ProductFactory.create_batch(20)
    client = browser(staff("auditor"))
    client.get(CHANGES)
    with django_assert_max_num_queries(12):
        assert client.get(CHANGES).status_code == 200
    with django_assert_max_num_queries(12):
        assert client.get("/admin/audit/trailentry/").status_code == 200


def test_a_row_of_a_kind_without_a_history_shows_what_the_trail_has() -> None:
    person = staff("auditor")
    document = StockDocument.objects.create(kind=DocumentKind.RECEIPT, token=uuid7())
    there = reverse("admin:inventory_stockdocument_history", args=[document.pk])
    page = text(browser(person), there)
    assert "told by its own events" in page


def test_the_first_change_of_a_row_that_is_older_than_its_history_says_from_what() -> None:
    category = CategoryFactory.create(name="Mugs")
    # As if it had been there before its history began.
    with pgtrigger.ignore("catalog.CategoryChange:rows_stay"):
        row: Any = category
        row.changes.all().delete()
    editor = staff("catalogue")
    form = {"name": "Cups", "slug": category.slug, "motif": "", "position": "0"}
    there = reverse("admin:catalog_category_change", args=[category.pk])
    assert browser(editor).post(there, form).status_code == 302
    page = text(
        browser(staff("auditor")), reverse("admin:catalog_category_history", args=[category.pk])
    )
    assert f"<b>{editor}</b>" in page
    assert "<del>Mugs</del>" in page
    assert "<ins>Cups</ins>" in page


def an_address() -> Address:
    company = CompanyFactory.create()
    return Address.objects.create(
        company=company, recipient_name="Ada Lovelace", city="Berlin", country="DE"
    )


@pytest.mark.parametrize("make", [CategoryFactory.create, FamilyFactory.create, an_address])
def test_what_is_added_and_deleted_stands_in_its_history(make: Any) -> None:
    row = make()
    label, key = row._meta.label_lower, str(row.pk)
    row.delete()
    found = changes(ChangesAsked((label,), key=key), most=5, personal=True)
    assert [change.kind for change in found] == ["deleted", "added"]


def test_words_that_mean_the_same_have_a_history() -> None:
    words = Synonym.objects.create(names="mobile, phone")
    words.names = "mobile, phone, handset"
    words.save()
    [last, _first] = changes(
        ChangesAsked(("catalog.synonym",), key=str(words.pk)), most=5, personal=False
    )
    [difference] = last.differences
    assert (difference.old, difference.new) == ("mobile, phone", "mobile, phone, handset")


def test_the_address_in_a_history_is_for_whoever_may_see_personal_data() -> None:
    address = an_address()
    address.city, address.country = "Bonn", "FR"
    address.save()
    asked = ChangesAsked(("accounts.address",), key=str(address.pk))
    hidden, shown = (changes(asked, most=1, personal=may)[0] for may in (False, True))
    assert ("Berlin", "Bonn") in [(each.old, each.new) for each in shown.differences]
    assert ("Berlin", "Bonn") not in [(each.old, each.new) for each in hidden.differences]
    assert ("DE", "FR") in [(each.old, each.new) for each in hidden.differences]
