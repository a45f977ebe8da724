"""A column that a file does not have leaves the value of an existing product alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from catalog.models import Family, Product
from loyalty_portal.data.actor import Actor
from loyalty_portal.jobs.services import undo_job, work_on
from tests.catalog.backoffice.exchange.test_exchange import read, written
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.catalog.importing.command import portal_file, run
from tests.support.staff import staff

pytestmark = pytest.mark.django_db
JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
# What a file may leave out, other than the defaults of all of it.
OWN: dict[str, Any] = {
    "description": "<p>Holds tea.</p>",
    "brand": "Ceramica",
    "variant": "Blue",
    "variant_position": 7,
    "image_url": "/media/mug.png",
    "minimum_tier": "GOLD",
    "available_from": JUNE,
    "available_until": JULY,
    "is_active": False,
    "validity": "3 years",
    "usable_at": "In all shops",
    "delivery_days": 5,
    "terms": "One.\nTwo.",
}


def mug(**changes: Any) -> Product:
    family = FamilyFactory.create(code="cups", name="Cups", options="Colour")
    own = {"sku": "MUG", "name": "Mug", "points_cost": 500, "family": family, **OWN, **changes}
    made: Product = ProductFactory.create(category=CategoryFactory.create(name="Kitchen"), **own)
    return made


def kept(product: Product) -> dict[str, Any]:
    product = Product.objects.select_related("family").get(pk=product.pk)
    assert product.family
    family = {"code": product.family.code, "name": product.family.name}
    assert family == {"code": "cups", "name": "Cups"}
    assert product.family.options == "Colour"
    return {name: getattr(product, name) for name in OWN}


def test_a_file_of_prices_changes_prices_only(tmp_path: Path) -> None:
    product = mug()
    done = run(portal_file(tmp_path, "MUG,Mug,PHYSICAL,400,Kitchen"), "--dry-run")
    assert "MUG (Mug): points_cost 500 → 400\n" in done.out
    assert run(portal_file(tmp_path, "MUG,Mug,PHYSICAL,400,Kitchen")).ok
    assert kept(product) == OWN
    assert Product.objects.get().points_cost == 400
    done = run(portal_file(tmp_path, "MUG,Mug,PHYSICAL,400,Kitchen"))
    assert "1 unchanged" in done.out


def test_an_empty_cell_of_a_column_that_is_there_empties_the_value(tmp_path: Path) -> None:
    product = mug()
    header = "sku,name,product_type,points_cost,category,brand,is_active,minimum_tier"
    header += ",delivery_days,terms"
    for row in ("MUG,Mug,PHYSICAL,400,Kitchen,,,,,", "MUG,Mug,PHYSICAL,400,Kitchen"):
        Product.objects.update(**OWN)
        assert run(portal_file(tmp_path, row, header=header)).ok
        emptied = {"brand": "", "is_active": True, "minimum_tier": "BRONZE"}
        emptied |= {"delivery_days": None, "terms": ""}
        assert kept(product) == {**OWN, **emptied}


def test_a_map_says_of_which_columns_a_file_knows(tmp_path: Path) -> None:
    product = mug()
    names = tmp_path / "map.txt"
    names.write_text(
        'sku = No.\nname = Called\npoints_cost = Points\nproduct_type = "PHYSICAL"\n'
        'category = "Kitchen"\nbrand = "Own"\n'
    )
    path = portal_file(tmp_path, "MUG,Mug,300", header="No.,Called,Points")
    assert run(path, "--map", str(names)).ok
    assert kept(product) == {**OWN, "brand": "Own"}


def test_a_family_by_its_code_alone_keeps_its_name_and_a_new_family_gives_a_place(
    tmp_path: Path,
) -> None:
    product = mug()
    header = "sku,name,product_type,points_cost,category,family_code"
    rows = ["NEW,Cup,PHYSICAL,300,Kitchen,cups", "MUG,Mug,PHYSICAL,400,Kitchen,cups"]
    assert run(portal_file(tmp_path, *rows, header=header)).ok
    assert kept(product) == OWN
    assert Product.objects.get(sku="NEW").family == Family.objects.get()
    header = header.replace("family_code", "family")
    rows = ["A,Bowl,PHYSICAL,300,Kitchen,Bowls", "MUG,Mug,PHYSICAL,400,Kitchen,Bowls"]
    assert run(portal_file(tmp_path, *rows, header=header)).ok
    moved = Product.objects.get(sku="MUG")
    assert (moved.family and moved.family.code, moved.variant_position) == ("bowls", 2)
    assert moved.variant == "Blue"


def test_an_end_before_the_products_own_beginning_is_an_error(tmp_path: Path) -> None:
    product = mug()
    header = "sku,name,product_type,points_cost,category,available_until"
    done = run(portal_file(tmp_path, "MUG,Mug,PHYSICAL,400,Kitchen,2026-05-01", header=header))
    assert not done.ok
    assert "row 2: available_until: 'MUG' is on offer from 2026-06-01" in done.errors
    assert kept(product) == OWN


@pytest.mark.parametrize(
    ("source", "header", "row"),
    [
        ("shopify:mug", "Handle,Title,Variant SKU,Variant Price,Type", "mug,Mug,MUG,4,Kitchen"),
        (
            "woocommerce:7",
            "ID,Type,SKU,Name,Regular price,Categories",
            "7,simple,MUG,Mug,4,Kitchen",
        ),
    ],
)
def test_a_shops_export_leaves_alone_what_it_does_not_know(
    tmp_path: Path, source: str, header: str, row: str
) -> None:
    own = {**OWN, "variant": "", "variant_position": 1}
    product = mug(**own, family=None, source=source)
    path = tmp_path / "shop.csv"
    path.write_text(f"{header}\n{row}\n")
    done = run(path, "--points-per-unit", "100")
    assert done.ok, done.errors
    product.refresh_from_db()
    assert product.points_cost == 400
    told = {name: getattr(product, name) for name in own}
    assert {**told, "variant_position": 1} == own


@pytest.mark.django_db(transaction=True)
def test_preview_import_and_undo_leave_it_alone_too() -> None:
    product, person = mug(), staff("catalogue")
    preview = read(
        person, "sku,name,product_type,points_cost,category\nMUG,Mug,PHYSICAL,400,Kitchen\n"
    )
    assert preview.result["changes"] == [["MUG", "Mug", ["points_cost 500 → 400"]]]
    imported = written(person, preview)
    assert kept(product) == OWN
    assert Product.objects.get().points_cost == 400
    undo = undo_job(job=imported, by=Actor.person(person))
    assert work_on(undo.pk)
    assert kept(product) == OWN
    assert Product.objects.get().points_cost == 500
