"""The catalogue's pages with the search index, and without it when it cannot be used."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product, StockStatus, Synonym
from catalog.search import folders, opened
from catalog.search.building import build, turned_between
from catalog.search.state import standing
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.catalog.search.conftest import OwnIndex
from tests.catalog.test_list import names, page, words

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def client(client_for: SignIn) -> Client:
    return client_for(SeatFactory.create(company__balance=5000))


# Names, and what finds them: accents and letters as people type them, and parts.
NAMED = {
    "Dotted lantern": ("NV.0815-77", ["nv.0815-77", "nv081577", "NV 0815", "0815-77", "lantern", "lanterns"]),
    "Bolt green": ("KX-BOL220-GRN", ["KX-BOL220-GRN", "kxbol220grn", "bol220", "kx bol220", "grn"]),
    "Crème brûlée torch": ("SRCH-3", ["creme brulee", "crème", "BRÛLÉE", "torches", "brulee tor"]),
    "L'Œuvre d'Été kettle": ("SRCH-4", ["oeuvre", "l'oeuvre", "ete", "œuvre", "kettles"]),
    "Straße 100% cotton C++ tee": ("SRCH-5", ["strasse", "straße", "100%", "c++ tee", "STRASSE cotton"]),
    "İstanbul ÇAY Bardağı": ("SRCH-6", ["istanbul", "İSTANBUL", "cay", "çay", "bardagi"]),
    "日本の茶碗": ("SRCH-7", ["茶碗", "日本", "茶", "日本の茶碗"]),
    'AT&T <b>Phone</b> "X"': ("SRCH-8", ["at&t", "att", "at&t phone"]),
    "Müller Kaffeebecher": ("SRCH-9", ["mueller", "müller", "muller", "becher", "kaffee becher", "kaffeebecher"]),
}  # fmt: skip


def test_names_are_found_as_people_type_them(client: Client, index: OwnIndex) -> None:
    for name, (sku, _typed) in NAMED.items():
        ProductFactory.create(name=name, sku=sku, slug=f"p-{sku.lower().replace('.', '-')}")
    index.build()
    for name, (_sku, typed) in NAMED.items():
        for text in typed:
            answer = client.get("/catalog/", {"q": text})
            shown = answer.content.decode()
            slug = Product.objects.get(name=name).slug
            first = shown.partition('class="card__link" href="')[2].partition('"')[0]
            assert first == f"/catalog/{slug}/", (name, text)


def test_a_near_spelling_is_found_where_nothing_else_is(client: Client, index: OwnIndex) -> None:
    ProductFactory.create(name="Kaffeebecher")
    ProductFactory.create(name="Teapot")
    index.build()
    html = page(client, "?q=kaffebecher")
    assert names(html) == ["Kaffeebecher"]
    assert "Nothing has these words" in html
    assert names(page(client, "?q=xylophone")) == []


def test_a_near_spelling_is_told_as_a_whole_word(client: Client, index: OwnIndex) -> None:
    ProductFactory.create(name="Pink kettle")
    index.build()
    assert "This is what “kettle” finds." in words(page(client, "?q=kettel"))


def test_what_few_have_asks_whether_another_word_was_meant(client: Client, index: OwnIndex) -> None:
    ProductFactory.create(name="Lampen-Öl")
    for number in range(5):
        ProductFactory.create(name=f"Lantern {number}")
    ProductFactory.create(name="Lanterne rouge", brand="Lantarn")
    index.build()
    html = page(client, "?q=lantarn")
    assert names(html) == ["Lanterne rouge"]
    assert 'href="?q=lantern"' in html


def test_words_that_staff_keep_find_the_same(client: Client, index: OwnIndex) -> None:
    ProductFactory.create(name="Smartphone X")
    Synonym.objects.create(names="Handy, smartphone, cell phone")
    index.build()
    for typed in ("handy", "cell+phone", "smartphone", "handy+x"):
        assert names(page(client, f"?q={typed}")) == ["Smartphone X"], typed


def test_several_choices_in_a_filter_and_their_counts(client: Client, index: OwnIndex) -> None:
    mugs, pens = (
        CategoryFactory.create(name="Mugs", slug="mugs"),
        CategoryFactory.create(name="Pens", slug="pens"),
    )
    hats = CategoryFactory.create(name="Hats", slug="hats")
    ProductFactory.create(name="A mug", category=mugs, brand="Kiln")
    ProductFactory.create(name="B mug", category=mugs, brand="Åre")
    ProductFactory.create(name="Pen", category=pens, brand="Kiln")
    ProductFactory.create(name="Hat", category=hats, brand="Wool", virtual=True)
    index.build()
    text = words(page(client, "?category=mugs&category=pens&brand=Kiln"))
    assert names(page(client, "?category=mugs&category=pens&brand=Kiln")) == ["A mug", "Pen"]
    # Each filter is counted without its own choices.
    assert "Mugs 1 Pens 1" in text
    assert "Kiln 2 Åre 1" in text
    assert "2 products" in text
    html = page(client, "?category=mugs&category=pens")
    assert 'href="?category=pens"' in html  # the chip that takes the other one off


def test_a_family_counts_once_and_any_variant_finds_it(client_for: SignIn, index: OwnIndex) -> None:
    mug = FamilyFactory.create(name="Mug")
    kinds = CategoryFactory.create(name="Kinds")
    common = {"family": mug, "category": kinds}
    ProductFactory.create(name="Mug red", variant="Red", points_cost=9_000, **common)
    ProductFactory.create(
        name="Mug blue", variant="Blue", points_cost=300, minimum_tier="GOLD", **common
    )
    ProductFactory.create(name="Mug green", variant="Green", points_cost=700, in_stock=0, **common)
    index.build()
    bronze, gold = (
        client_for(SeatFactory.create(company=CompanyFactory.create(tier_level=tier)))
        for tier in ("BRONZE", "GOLD")
    )
    for query in (
        "",
        "?q=mug",
        "?q=red",
        "?q=green",
        "?max=800",
        "?min=8000",
        "?stock=1",
        "?min=600&max=9500",
    ):
        assert names(page(bronze, query)) in (["Mug"], ["Mug green"], ["Mug red"]), query
        assert "1 product" in words(page(bronze, query)), query
    assert names(page(bronze, "?q=blue")) == []  # above the tier: not even its words find anything
    assert names(page(bronze, "?max=400")) == []
    assert len(names(page(gold, "?q=blue"))) == 1
    assert "1 product" in words(page(gold, "?max=400"))
    # The link leads to the variant that was asked for.
    assert Product.objects.get(name="Mug red").slug in page(bronze, "?q=red")


def test_what_is_in_stock_comes_first_and_an_sku_before_all(
    client: Client, index: OwnIndex
) -> None:
    ProductFactory.create(name="Lamp", sku="MUG", in_stock=0)
    ProductFactory.create(name="Mug gone", in_stock=0)
    ProductFactory.create(name="Tray", description="<p>for a mug</p>")
    ProductFactory.create(name="Bowl", brand="Mug & Co")
    ProductFactory.create(name="Zebra mug")
    index.build()
    assert names(page(client, "?q=mug")) == ["Lamp", "Zebra mug", "Bowl", "Tray", "Mug gone"]


def test_pages_follow_each_other_without_a_gap_while_products_come_and_go(
    client: Client, index: OwnIndex
) -> None:
    for number in range(60):
        ProductFactory.create(name=f"A name that begins for long in the same way {number:02}")
    index.build()
    first = page(client, "?sort=name")
    later = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    assert "after=" in later
    ProductFactory.create(name="A name before all")
    index.follow()
    second = page(client, later.replace("&amp;", "&"))
    assert [name[-2:] for name in names(second)] == [f"{n:02}" for n in range(24, 48)]
    before = second.partition('rel="prev"')[0].rpartition('href="')[2].partition('"')[0]
    assert len(names(page(client, before))) == 24


def test_a_page_shows_what_is_so_now_although_the_index_is_late(
    client: Client, index: OwnIndex
) -> None:
    for name in ("Kept", "Gone", "Dearer"):
        ProductFactory.create(name=name, points_cost=500)
    index.build()
    Product.objects.filter(name="Gone").update(is_active=False)
    Product.objects.filter(name="Dearer").update(points_cost=700, stock_status=StockStatus.OUT)
    html = page(client)
    assert names(html) == ["Dearer", "Kept"]
    assert "700 points" in words(html)
    assert "Out of stock" in words(html)
    index.follow()
    assert "2 products" in words(page(client))
    assert names(page(client, "?stock=1")) == ["Kept"]


BAD = [
    "(" * 5000, "name:x AND (", "x" * 10_000, "!!!???***", "a\0b", "\ud800mug", "\u202egum", "[a TO b]",
    "*", '"unclosed', "mug^1000", "~~~", "\\", "a AND OR NOT b", " ".join(["mug"] * 500), "％％", "-mug +mug",
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_whatever_is_typed_gets_a_page(client: Client, index: OwnIndex, number: int) -> None:
    ProductFactory.create(name="Mug")
    index.build()
    text = BAD[number].encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    assert client.get("/catalog/", {"q": text}).status_code == 200
    assert client.get("/catalog/suggest/words/", {"q": text}).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "?page=1000000", "?page=999999&after=1", "?after=zz", "?after=ff-ff-ff-ff", "?sort=nothing",
        "?sort=best", "?q=mug&sort=points&after=ffffffffffffffff-ffffffffffffffff",
        "?after=fffffffffffffffff", "?min=900&max=100", "?min=99999999999", "?category=none&category=mugs",
        "?type=none", "?q=mug&page=417", "?before=0-0&sort=points", "?min=0&max=0", "?brand=%00",
    ],
)  # fmt: skip
def test_whatever_stands_in_the_address_gets_a_page(
    client: Client, index: OwnIndex, query: str
) -> None:
    ProductFactory.create(name="Mug")
    index.build()
    assert client.get(f"/catalog/{query}").status_code == 200


def _truncate(folder: Path) -> None:
    file = next(folder.glob("*.idx"))
    file.write_bytes(file.read_bytes()[:-10])


def _overwrite(folder: Path) -> None:
    file = next(folder.glob("*.fast"))
    file.write_bytes(bytes(len(file.read_bytes())))


def _lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _garble_the_pointer(folder: Path) -> None:
    next(folder.parent.glob("current-*.json")).write_text("{")


def _of_another_version(folder: Path) -> None:
    pointer = next(folder.parent.glob("current-*.json"))
    pointer.rename(pointer.with_name("current-999.json"))


def _lead_outside(folder: Path) -> None:
    pointer = next(folder.parent.glob("current-*.json"))
    pointer.write_text(json.dumps({"folder": "../elsewhere"}))


def _throw_away(folder: Path) -> None:
    shutil.rmtree(folder.parent)


@pytest.mark.parametrize(
    "break_it",
    [
        _truncate, _overwrite, _lose_the_manifest, _garble_the_pointer, _of_another_version,
        _lead_outside, _throw_away,
    ],
)  # fmt: skip
def test_a_broken_index_is_not_opened_and_postgresql_answers(
    client: Client, index: OwnIndex, break_it: Callable[[Path], None], settings: Any
) -> None:
    ProductFactory.create(name="Mug")
    index.build()
    break_it(folders.current().folder)
    opened.look_again()
    with pytest.raises(folders.IndexUnusableError):
        opened._Opened().read()
    opened._here = opened._Opened()  # as a process that has just begun
    assert names(page(client, "?q=mug")) == ["Mug"]
    index.follow()  # makes another
    assert standing().wrong == ""
    opened._here = opened._Opened()
    assert names(page(client, "?q=mugg")) == ["Mug"]


def test_a_build_that_is_cut_short_leaves_the_former_in_use(index: OwnIndex) -> None:
    ProductFactory.create(name="Mug")
    index.build()
    before = folders.current()
    ProductFactory.create(name="Second")

    def cut(_done: int) -> None:
        raise KeyboardInterrupt

    Product.objects.bulk_create(
        Product(name=f"P {n}", sku=f"cut-{n}", slug=f"cut-{n}", product_type="VIRTUAL", points_cost=1,
                category=CategoryFactory.create() if not n else Product.objects.get(name="Mug").category)
        for n in range(5_000)
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        build(tell=cut)
    assert folders.current() == before
    assert [path.name for path in folders.root().glob("build-*")] == [before.folder.name]


def test_only_one_follows_on_a_machine(index: OwnIndex) -> None:
    with folders.only_follower() as first, folders.only_follower() as second:
        assert (first, second) == (True, False)


def test_offers_begin_and_end_by_the_clock_also_when_it_jumps(
    client: Client, index: OwnIndex
) -> None:
    now = timezone.now()
    ProductFactory.create(name="Mug")
    ProductFactory.create(name="Soon", available_from=now + timedelta(hours=1))
    index.build()
    assert "1 product" in words(page(client))
    soon = Product.objects.get(name="Soon")
    later = now + timedelta(hours=2)
    assert turned_between(now, later) == [soon.pk]
    assert turned_between(later, now) == [soon.pk]


def test_a_page_is_the_same_as_plain_django_makes_it(
    client: Client, index: OwnIndex, settings: Any
) -> None:
    books = CategoryFactory.create(name="Books & more", slug="books")
    family = FamilyFactory.create(name="<Sneaker>")
    for points in (100, 900):
        ProductFactory.create(family=family, variant=f"{points}", points_cost=points)
    stocked = [StockStatus.IN_STOCK, StockStatus.LOW, StockStatus.OUT]
    for number in range(30):
        ProductFactory.create(
            name=f"Mug {number}",
            category=books,
            brand="Kiln & Co",
            points_cost=100 + 1_000 * number,
        )
    for number, status in enumerate(stocked):
        Product.objects.filter(name=f"Mug {number}").update(stock_status=status)
    index.build()
    asked = [
        "", "?page=2", "?q=mug", "?q=mgu", "?q=mug+sneaker", "?min=900&max=abc", "?min=9&max=5",
        "?category=books&brand=Kiln+%26+Co&stock=1&within=1&sort=-points", "?type=virtual",
    ]  # fmt: skip
    for query in asked:
        shown = []
        for settings.FASTPATH in (True, False):
            answer = client.get(f"/catalog/{query}", headers={"HX-Target": "results"})
            shown.append(answer.content.decode())
        assert shown[0] == shown[1], query
        assert "\0" not in shown[0], query
