"""Kinds of files that shops really produce, and that were read wrongly once."""

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Family, Product, StockStatus
from catalog.selectors import variants
from inventory.models import Inventory
from tests.catalog.factories import ProductFactory
from tests.catalog.importing.command import FIXTURES, PORTAL_HEADER, Run, portal_file, run

pytestmark = pytest.mark.django_db

SHOPIFY = (
    "Handle,Title,Type,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,"
    "Variant Inventory Qty,Variant Price,Variant Requires Shipping,Status"
)
WOO = (
    "ID,Type,SKU,Name,Published,Visibility in catalog,In stock?,Stock,Regular price,Categories,"
    "Parent,Attribute 1 name,Attribute 1 value(s)"
)


def shop(folder: Path, *rows: str, header: str = SHOPIFY, options: tuple[str, ...] = ()) -> Run:
    path = folder / "shop.csv"
    path.write_text("\r\n".join([header, *rows, ""]), encoding="utf-8")
    return run(path, "--points-per-unit", "100", *options)


def product(sku: str) -> Product:
    return Product.objects.select_related("family").get(sku=sku)


def shelf(sku: str) -> Inventory | None:
    return Inventory.objects.filter(product__sku=sku).first()


def order_shown(one: Product) -> list[str]:
    return [each.variant for each in variants(product=one, tier_level="PLATINUM")]


# Rows that are wrong


def test_a_repeated_sku_is_told_by_row_and_the_rest_can_come_in(tmp_path: Path) -> None:
    rows = [
        "tide-tee,Tide tee,Shirts,true,Size,S,TT1,shopify,4,20,true,active",
        "tide-tee,,,,,M,TT1,shopify,4,20,true,",
        "tide-hat,Tide hat,Hats,true,Title,Default Title,TH1,shopify,2,15,true,active",
    ]
    done = shop(tmp_path, *rows)
    assert not done.ok
    assert "row 3: sku: 'TT1' is in row 2 already" in done.errors
    assert "--skip-bad-rows leaves such rows out" in done.errors
    assert not Product.objects.exists()
    done = shop(tmp_path, *rows, options=("--skip-bad-rows",))
    assert done.ok
    assert "left out: row 3: sku: 'TT1' is in row 2 already" in done.errors
    assert "2 created" in done.out
    assert "1 left out" in done.out
    assert set(Product.objects.values_list("sku", flat=True)) == {"TT1", "TH1"}


def test_all_rows_that_are_left_out_are_listed(tmp_path: Path) -> None:
    rows = [f"S{number},Mug,PHYSICAL,none,Kitchen" for number in range(300)]
    done = run(portal_file(tmp_path, "A,Mug,PHYSICAL,5,Kitchen", *rows), "--skip-bad-rows")
    assert done.ok
    assert done.errors.count("left out: row ") == 300
    assert Product.objects.count() == 1


def test_variants_of_a_product_whose_own_row_is_wrong_are_left_out_by_name(tmp_path: Path) -> None:
    done = shop(
        tmp_path,
        "tide-tee,,Shirts,true,Size,S,TT1,shopify,4,20,true,active",
        "tide-tee,,,,,M,TT2,shopify,4,20,true,",
        "tide-hat,Tide hat,Hats,true,Title,Default Title,TH1,shopify,2,15,true,active",
        options=("--skip-bad-rows",),
    )
    assert "left out: row 2: title: is missing" in done.errors
    assert "left out: row 3: handle: belongs to row 2, which is wrong" in done.errors
    assert "2 left out" in done.out
    assert Product.objects.get().sku == "TH1"


def test_variations_of_a_product_that_is_wrong_are_left_out_by_name(tmp_path: Path) -> None:
    done = shop(
        tmp_path,
        "1,variation,B-R,,1,visible,1,5,12,,B,Colour,Red",
        "2,variable,B,,1,visible,1,5,12,Ware,,,",
        "3,simple,C,Cup,1,visible,1,5,12,Ware,,,",
        header=WOO,
        options=("--skip-bad-rows",),
    )
    assert "left out: row 2: parent: is row 3, which is wrong" in done.errors
    assert "left out: row 3: name: is missing" in done.errors
    assert Product.objects.get().sku == "C"


def test_a_file_without_one_good_row_is_refused_as_ever(tmp_path: Path) -> None:
    done = run(portal_file(tmp_path, "A,Mug,PHYSICAL,none,Kitchen"), "--skip-bad-rows")
    assert not done.ok
    assert "1 error. Nothing was imported." in done.errors


@pytest.mark.parametrize("name", ["\u200f\u200e", "\u3164", "\u2800 \u115f", "\u200b", "\u200d"])
def test_a_name_of_invisible_characters_is_refused_with_its_row(tmp_path: Path, name: str) -> None:
    done = run(portal_file(tmp_path, f"A,{name},PHYSICAL,5,Kitchen"))
    assert not done.ok
    assert "row 2: name: " in done.errors


def test_names_keep_the_joints_that_scripts_and_emoji_need(tmp_path: Path) -> None:
    for sku, name in {"A": "می\u200cخواهم", "B": "Team 👩\u200d💻"}.items():
        assert run(portal_file(tmp_path, f"{sku},{name},PHYSICAL,5,Kitchen")).ok
        assert product(sku).name == name


def test_skus_that_differ_by_capitals_only_are_a_clash(tmp_path: Path) -> None:
    rows = ("lampone,Lower,PHYSICAL,5,Ware", "LAMPONE,Upper,PHYSICAL,5,Ware")
    done = run(portal_file(tmp_path, *rows))
    assert "row 3: sku: 'LAMPONE' differs from 'lampone' in row 2 by capitals only" in done.errors
    assert run(portal_file(tmp_path, rows[0])).ok
    done = run(portal_file(tmp_path, rows[1]))
    assert "row 2: sku: 'LAMPONE' is there as 'lampone'; they differ by capitals" in done.errors


def test_the_database_holds_that_skus_differ_by_more_than_capitals() -> None:
    ProductFactory.create(sku="lampone")
    with pytest.raises(IntegrityError, match="product_sku_once"), transaction.atomic():
        ProductFactory.create(sku="Lampone", slug="other")


# What is shown, and in which order


def test_sizes_stand_in_the_file_s_order(tmp_path: Path) -> None:
    sizes = ("S", "M", "L", "XL")
    shop(
        tmp_path,
        f"coat,Coat,Coats,true,Size,{sizes[0]},C-{sizes[0]},shopify,4,20,true,active",
        *(f"coat,,,,,{size},C-{size},shopify,4,20,true," for size in sizes[1:]),
    )
    assert order_shown(product("C-L")) == ["S", "M", "L", "XL"]
    assert Family.objects.get().options == "Size"


@pytest.mark.parametrize(
    ("in_file", "shown"),
    [
        (["L", "M", "S", "XL"], ["S", "M", "L", "XL"]),
        (["XXL", "Extra Small", "3XL", "small"], ["Extra Small", "small", "XXL", "3XL"]),
        (["42", "38", "40.5"], ["38", "40.5", "42"]),
        (["256 GB", "64 GB", "128 GB"], ["64 GB", "128 GB", "256 GB"]),
        (["Red", "Blue", "Amber"], ["Red", "Blue", "Amber"]),
        (["Red / M", "Red / S", "Blue / L"], ["Red / S", "Red / M", "Blue / L"]),
        (["S", "Gift box", "M"], ["S", "Gift box", "M"]),
        (["64 GB", "2 TB"], ["64 GB", "2 TB"]),
    ],
)
def test_known_sizes_stand_in_their_order_and_all_else_in_the_file_s(
    tmp_path: Path, in_file: list[str], shown: list[str]
) -> None:
    header = PORTAL_HEADER + ",family,options,variant"
    rows = [
        f"V{place},Thing {place},PHYSICAL,500,Ware,Thing,Size,{name}"
        for place, name in enumerate(in_file)
    ]
    assert run(portal_file(tmp_path, *rows, header=header)).ok
    assert order_shown(product("V0")) == shown


@pytest.mark.parametrize("status", ["unlisted", "draft", "archived"])
def test_what_the_shop_does_not_show_is_not_shown(tmp_path: Path, status: str) -> None:
    done = shop(
        tmp_path, f"secret,Secret,Ware,true,Title,Default Title,SEC,shopify,4,20,true,{status}"
    )
    assert done.ok, done.errors
    assert not product("SEC").is_active


def test_a_hidden_product_of_woocommerce_is_not_shown_nor_are_its_variations(
    tmp_path: Path,
) -> None:
    done = shop(
        tmp_path,
        "1,simple,H-1,Hidden,1,hidden,1,5,12,Ware,,,",
        "2,simple,H-2,Searched,1,search,1,5,12,Ware,,,",
        "3,variable,H-3,Bowl,1,hidden,1,,,Ware,,Colour,Red",
        "4,variation,H-4,Bowl - Red,1,visible,1,5,12,,H-3,Colour,Red",
        header=WOO,
    )
    assert done.ok, done.errors
    assert {row.sku for row in Product.objects.filter(is_active=True)} == {"H-2"}


def test_a_variation_may_stand_above_its_product(tmp_path: Path) -> None:
    done = shop(
        tmp_path,
        "911,variation,BR-R,Bowl - Red,1,visible,1,5,12,,BR,Colour,Red",
        "910,variable,BR,Bowl,1,visible,1,5,12,Ware,,,",
        header=WOO,
    )
    assert done.ok, done.errors
    red = product("BR-R")
    assert (red.name, red.variant, red.family and red.family.options) == (
        "Bowl, Red",
        "Red",
        "Colour",
    )


# Stock that nobody counts


def test_stock_that_woocommerce_does_not_count_is_always_to_be_had(tmp_path: Path) -> None:
    done = shop(
        tmp_path,
        "1,simple,U-1,In stock,1,visible,1,,12,Ware,,,",
        "2,simple,U-2,On backorder,1,visible,backorder,,12,Ware,,,",
        "3,simple,U-3,Gone,1,visible,0,,12,Ware,,,",
        "4,simple,U-4,Counted,1,visible,1,6,12,Ware,,,",
        "5,simple,U-5,Oversold,1,visible,1,-2,12,Ware,,,",
        header=WOO,
    )
    assert done.ok, done.errors
    seen = {
        each.product.sku: (each.is_tracked, each.quantity_available, each.product.stock_status)
        for each in Inventory.objects.select_related("product")
    }
    assert seen == {
        "U-1": (False, 0, StockStatus.IN_STOCK),
        "U-2": (False, 0, StockStatus.IN_STOCK),
        "U-3": (True, 0, StockStatus.OUT),
        "U-4": (True, 6, StockStatus.IN_STOCK),
        "U-5": (True, 0, StockStatus.OUT),
    }


def test_stock_counted_for_all_variations_together_is_told(tmp_path: Path) -> None:
    done = shop(
        tmp_path,
        "1,variable,B,Bowl,1,visible,1,9,,Ware,,Colour,Red",
        "2,variation,B-R,,1,visible,1,parent,12,,B,Colour,Red",
        header=WOO,
    )
    assert "row 3: its stock is counted for all variations together" in done.out
    there = shelf("B-R")
    assert there is not None
    assert (there.quantity_available, product("B-R").stock_status) == (0, StockStatus.OUT)


def test_stock_that_shopify_does_not_track_is_not_its_leftover_number(tmp_path: Path) -> None:
    shop(
        tmp_path,
        "cup,Cup,Ware,true,Title,Default Title,CUP,,-3,20,true,active",
        "pot,Pot,Ware,true,Title,Default Title,POT,shopify,7,20,true,active",
    )
    cup, pot = shelf("CUP"), shelf("POT")
    assert cup is not None
    assert (cup.is_tracked, product("CUP").stock_status) == (False, StockStatus.IN_STOCK)
    assert pot is not None
    assert (pot.is_tracked, pot.quantity_available) == (True, 7)


def test_our_own_columns_can_say_that_stock_is_not_counted(tmp_path: Path) -> None:
    done = run(
        portal_file(tmp_path, "A,Mug,PHYSICAL,5,Ware,Uncounted", header=PORTAL_HEADER + ",stock")
    )
    assert done.ok, done.errors
    held = shelf("A")
    assert held is not None
    assert not held.is_tracked


# One shop does not write over another's


def test_a_row_without_a_sku_never_writes_over_another_shop_s_product(tmp_path: Path) -> None:
    assert shop(tmp_path, "15,simple,,Baking class,1,visible,1,3,45,Ware,,,", header=WOO).ok
    again = shop(tmp_path, "15,simple,,Baking class,1,visible,1,3,50,Ware,,,", header=WOO)
    assert "points_cost 4500 → 5000" in again.out
    done = shop(tmp_path, "15,simple,,Garden gnome,1,visible,1,3,9,Ware,,,", header=WOO)
    assert not done.ok
    assert (
        "row 2: sku: is missing, and 'WOO-15', which we would make of it, is 'Baking class' already"
        in done.errors
    )
    assert product("WOO-15").name == "Baking class"


def test_two_shops_with_one_handle_do_not_write_over_each_other(tmp_path: Path) -> None:
    shop(tmp_path, "card,Beach card,Ware,true,Title,Default Title,,shopify,4,20,true,active")
    done = shop(tmp_path, "card,Ski card,Ware,true,Title,Default Title,,shopify,4,20,true,active")
    assert "'card', which we would make of it, is 'Beach card' already" in done.errors


def test_a_sku_of_another_kind_of_shop_is_not_written_over(tmp_path: Path) -> None:
    shop(tmp_path, "cup,Cup,Ware,true,Title,Default Title,1001,shopify,4,20,true,active")
    done = shop(tmp_path, "7,simple,1001,Saw,1,visible,1,3,9,Ware,,,", header=WOO)
    assert "row 2: sku: '1001' is 'Cup' from shopify, and is not written over" in done.errors
    # The same kind of shop, but another product with another handle.
    done = shop(tmp_path, "saw,Saw,Ware,true,Title,Default Title,1001,shopify,4,20,true,active")
    assert "'1001' is 'Cup' (shopify:cup) already, not 'Saw'" in done.errors
    # Staff emptied the source to say that it is the same product.
    Product.objects.update(source="")
    assert shop(tmp_path, "7,simple,1001,Saw,1,visible,1,3,9,Ware,,,", header=WOO).ok
    assert product("1001").source == "woocommerce:7"


def test_our_own_columns_change_a_product_of_any_shop_and_it_stays_the_shop_s(
    tmp_path: Path,
) -> None:
    shop(tmp_path, "cup,Cup,Ware,true,Title,Default Title,1001,shopify,4,20,true,active")
    assert run(portal_file(tmp_path, "1001,Blue cup,PHYSICAL,5,Ware")).ok
    assert (product("1001").name, product("1001").source) == ("Blue cup", "shopify:cup")


@pytest.mark.parametrize(("now", "then"), [("VIRTUAL", "PHYSICAL"), ("PHYSICAL", "VIRTUAL")])
def test_no_import_changes_the_type_of_a_product(tmp_path: Path, now: str, then: str) -> None:
    ProductFactory.create(sku="A", product_type=now)
    path = portal_file(tmp_path, f"B,Mug,{then},5,Kitchen", f"A,Mug,{then},5,Kitchen")
    done = run(path)
    assert not done.ok
    assert f"row 3: product_type: 'A' is {now} already, and a product's type cannot" in done.errors
    assert not Product.objects.filter(sku="B").exists()
    assert run(path, "--skip-bad-rows").ok
    assert (product("A").product_type, product("B").product_type) == (now, then)


def test_a_product_that_gets_variants_is_no_second_offer_beside_them(tmp_path: Path) -> None:
    single = "cup,Cup,Ware,true,Title,Default Title,,shopify,4,20,true,active"
    several = (
        "cup,Cup,Ware,true,Colour,Red,,shopify,4,20,true,active",
        "cup,,,,,Blue,,shopify,4,20,true,",
    )
    shop(tmp_path, single)
    other = ProductFactory.create(sku="OTHER")
    dry = shop(tmp_path, *several, options=("--dry-run",))
    assert "switched off: cup (Cup), which has another form now" in dry.out
    assert product("cup").is_active
    done = shop(tmp_path, *several)
    assert "switched off: cup (Cup)" in done.out
    shown = Product.objects.filter(is_active=True, is_card=True)
    assert {each.sku for each in shown} == {"cup-red", other.sku}
    assert set(Family.objects.get().products.values_list("sku", flat=True)) == {
        "cup-red",
        "cup-blue",
    }
    assert "switched off" not in shop(tmp_path, *several).out
    shop(tmp_path, single)  # back to a single product
    active = Product.objects.filter(is_active=True).exclude(sku="OTHER")
    assert [each.sku for each in active] == ["cup"]


def test_a_family_whose_file_is_imported_in_our_columns_retires_nothing(tmp_path: Path) -> None:
    run(portal_file(tmp_path, "A,Mug,PHYSICAL,5,Ware"))
    header = PORTAL_HEADER + ",family,variant"
    done = run(portal_file(tmp_path, "B,Cup,PHYSICAL,5,Ware,Cup,Red", header=header))
    assert "switched off" not in done.out
    assert product("A").is_active


# Words


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            (
                "<table><tr><th>Size</th><th>Chest</th></tr><tr><td>S</td><td>88</td></tr></table>"
                "<h1>Care</h1><div>One</div><div>Two</div><span>Three</span>"
            ),
            "<p>Size · Chest</p><p>S · 88</p><h3>Care</h3><p>One</p><p>Two</p><p>Three</p>",
        ),
        ("<ul><li>Steel</li><li>Cork</li></ul>", "<ul><li>Steel</li><li>Cork</li></ul>"),
        (
            "<p>With</p><li>Steel</li><li>Cork<ul><li>thick</li></ul></li><p>lid</p>",
            "<p>With</p><ul><li>Steel</li><li>Cork<ul><li>thick</li></ul></li></ul><p>lid</p>",
        ),
        ("<div>With</div><li>Steel", "<p>With</p><ul><li>Steel</li></ul>"),
        ("Warm<br>and soft", "Warm<br>and soft"),
        ("<section>One</section><section>Two</section>", "<p>One</p><p>Two</p>"),
        ("<div>Intro <p>Text</p></div>", "<p>Intro </p><p>Text</p>"),
        ("<table><td>Weight<td>5 kg</table>", "<p>Weight · 5 kg</p>"),
        ("&lt;p&gt;Soft &amp;amp; warm&lt;/p&gt;", "<p>Soft &amp; warm</p>"),
        (
            "For heads < 58 cm and > 52 cm, 5 < 6",
            "<p>For heads &lt; 58 cm and &gt; 52 cm, 5 &lt; 6</p>",
        ),
        ("5<6, and a<b here", "<p>5&lt;6, and a&lt;b here</p>"),
        (
            (
                '<p onclick="x()">See <a href="javascript:alert(1)">here</a><img src=x onerror=y></p>'
                "<style>p{}</style><script>1</script>"
            ),
            "<p>See here</p>",
        ),
        ("<p>Caf&eacute; &ndash; 20&nbsp;cm &#8364;5</p>", "<p>Café – 20&nbsp;cm €5</p>"),
    ],
)
def test_words_stay_apart_where_tags_go_and_nothing_unsafe_stays(
    tmp_path: Path, written: str, shown: str
) -> None:
    quoted = '"' + written.replace('"', '""') + '"'
    header = PORTAL_HEADER + ",description"
    assert run(portal_file(tmp_path, f"A,Tee,PHYSICAL,5,Ware,{quoted}", header=header)).ok
    assert product("A").description == shown


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("L'Œuvre d'Été", "loeuvre-dete"),
        ("Straße & Łódź", "strasse-lodz"),
        ("Smørrebrød", "smorrebrod"),
        ("日本の茶碗", "ribennochawan"),
        ("Привет", "privet"),
    ],
)
def test_addresses_lose_no_letters(tmp_path: Path, name: str, slug: str) -> None:
    assert run(portal_file(tmp_path, f"A,{name},PHYSICAL,5,{name}")).ok
    stored = Product.objects.select_related("category").get()
    assert (stored.slug, stored.category.slug) == (slug, slug)


def test_a_picture_at_another_host_is_an_error_in_our_columns_and_left_out_of_a_shops(
    tmp_path: Path,
) -> None:
    columns = "sku,name,product_type,points_cost,category,image_url\n"
    file = tmp_path / "goods.csv"
    for address in ("javascript:alert(1)", "https://cdn.example/a.jpg", "//cdn.example/a.jpg"):
        file.write_text(f"{columns}A,Mug,PHYSICAL,100,Kitchen,{address}\n")
        done = run(file)
        assert not done.ok
        assert "row 2: image_url: " in done.errors
        assert "cannot be at another host" in done.errors
    file.write_text(f"{columns}A,Mug,PHYSICAL,100,Kitchen,/media/mug.jpg\n")
    assert run(file).ok
    assert Product.objects.get(sku="A").picture_url == "/media/mug.jpg"
    shop = run(FIXTURES / "shopify.csv", "--points-per-unit", "100")
    assert shop.ok, shop.errors
    assert shop.out.count("pictures are left out, in this row and below") == 1
    assert not Product.objects.filter(image_url__startswith="http").exists()
