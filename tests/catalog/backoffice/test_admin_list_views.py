"""Saved views of the list of products, and the list as a company sees it."""

import pytest
from django.urls import reverse

from accounts.models import User
from catalog.models import SavedView
from tests.accounts.factories import CompanyFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
LIST = "/admin/catalog/product/"
KEEP = "/admin/catalog/product/views/"
AS_COMPANY = "/admin/catalog/product/as-company/"


def keep(person: User, name: str, query: str = "stock_status__exact=LOW&p=3", **more: str) -> str:
    sent = {"name": name, "query": query, **more}
    return browser(person).post(KEEP, sent, follow=True).content.decode()


def away(view: SavedView) -> str:
    return reverse("admin:catalog_product_view_away", args=[view.pk])


def test_a_persons_filters_are_saved_under_a_name_and_found_again() -> None:
    ada = staff("catalogue")
    assert "The view “Nearly gone” is saved." in keep(ada, "  Nearly   gone ")
    view = SavedView.objects.get()
    assert (view.name, view.query) == ("Nearly gone", "stock_status__exact=LOW")
    assert f'href="?{view.query}"' in browser(ada).get(LIST).content.decode()
    keep(ada, "Nearly gone", "q=mug")  # the same name: replaced
    assert SavedView.objects.get().query == "q=mug"


def test_a_view_is_seen_by_others_only_when_it_is_shared() -> None:
    ada, ben = staff("catalogue"), staff("warehouse")
    keep(ada, "Mine")
    keep(ada, "Ours", is_shared="on")
    seen = browser(ben).get(LIST).content.decode()
    assert "Ours" in seen
    assert "Mine" not in seen
    page = browser(ben).post(away(SavedView.objects.get(name="Ours")), follow=True).content.decode()
    assert "who alone takes it away" in page
    assert SavedView.objects.count() == 2
    browser(ada).post(away(SavedView.objects.get(name="Ours")))
    assert [view.name for view in SavedView.objects.all()] == ["Mine"]


def test_what_cannot_be_saved_is_told() -> None:
    ada = staff("catalogue")
    assert "a name of at most 60 characters" in keep(ada, " ")
    assert "a name of at most 60 characters" in keep(ada, "x" * 61)
    assert "too long to be saved" in keep(ada, "Long", f"q={'x' * 2001}")
    assert browser(staff("finance")).post(KEEP, {"name": "A", "query": ""}).status_code == 403
    assert not SavedView.objects.exists()
    gone = SavedView.objects.create(owner=ada, name="Gone")
    there = away(gone)
    gone.delete()
    assert "taken away already" in browser(ada).post(there, follow=True).content.decode()


def test_the_list_is_shown_as_a_company_sees_it() -> None:
    silver = CompanyFactory.create(name="Northwind", tier_level="SILVER")
    books = CategoryFactory.create(name="Books", slug="books")
    seen = ProductFactory.create(name="Silver spoon", minimum_tier="SILVER")
    ProductFactory.create(name="Golden spoon", minimum_tier="GOLD")
    ProductFactory.create(name="Old spoon", inactive=True)
    ProductFactory.create(name="Atlas", category=books)
    family = FamilyFactory.create(name="Mugs")
    for points, tier in ((300, "BRONZE"), (500, "GOLD")):
        ProductFactory.create(
            family=family, points_cost=points, minimum_tier=tier, is_card=points == 300
        )
    client = browser(staff("catalogue"))
    there = reverse("admin:catalog_product_seen_by", args=[silver.pk])
    page = client.get(there).content.decode()
    assert "You see what Northwind (Silver) may redeem now." in page
    assert "Silver spoon" in page
    assert reverse("admin:catalog_product_change", args=[seen.pk]) in page
    for hidden in ("Golden spoon", "Old spoon", "choices"):
        assert hidden not in page
    only = client.get(there, {"category": "books"}).content.decode()
    assert "Atlas" in only
    assert "Silver spoon" not in only
    assert "sees nothing with these filters" in client.get(there, {"q": "nothing"}).content.decode()


def test_a_company_is_chosen_by_its_name() -> None:
    one, other = CompanyFactory.create(name="Northwind"), CompanyFactory.create(name="Southwind")
    page = browser(staff("catalogue")).get(AS_COMPANY, {"company": "north"}).content.decode()
    assert str(one.pk) in page
    assert str(other.pk) not in page
    assert browser(staff("finance")).get(AS_COMPANY).status_code == 403
    nobody = f"{AS_COMPANY}00000000-0000-0000-0000-000000000000/"
    assert browser(staff("catalogue")).get(nobody).status_code == 404
