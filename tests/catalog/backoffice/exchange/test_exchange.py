"""Products go out as CSV and XLSX, and come in from a file, in the background and with undo."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.functions import Now
from django.urls import reverse
from openpyxl import load_workbook

from accounts.models import User
from catalog.backoffice.exchange import exporting, reading, writing
from catalog.backoffice.exchange import forms as exchange_forms
from catalog.backoffice.exchange import views as exchange_views
from catalog.backoffice.exchange.exporting import HEADER
from catalog.models import ImportRow, Product, ProductType
from inventory.models import Inventory
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from loyalty_portal.jobs.files import pieces_of
from loyalty_portal.jobs.models import FileRole, Job
from loyalty_portal.jobs.services import undo_job, work_on
from loyalty_portal.jobs.states import JobStatus
from tests.catalog.factories import CategoryFactory, FamilyFactory, ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
IMPORT, EXPORT = reverse("admin:catalog_product_import"), reverse("admin:catalog_product_export")
COLUMNS = "sku,name,product_type,points_cost,category,stock"


@pytest.fixture
def person() -> User:
    return staff("catalogue")


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (exporting, reading, writing):
        # replaced: so that a few rows are several slices
        monkeypatch.setattr(module, "SLICE", 2)


def started(answer: Any) -> Job:
    assert answer.status_code == 303, answer.text
    job = Job.objects.get(pk=answer["Location"].split("/")[-3])
    assert work_on(job.pk)
    return Job.objects.get(pk=job.pk)


def exported(person: User, kind: str) -> bytes:
    job = started(browser(person).post(EXPORT, {"format": kind}))
    assert job.status == JobStatus.DONE, job.problem
    return b"".join(pieces_of(job.files.get(role=FileRole.MADE)))


def read(person: User, content: bytes | str, name: str = "products.csv", **asked: str) -> Job:
    raw = content.encode() if isinstance(content, str) else content
    data = {"file": SimpleUploadedFile(name, raw), **asked}
    return started(browser(person).post(IMPORT, data))


def written(person: User, preview: Job, **asked: str) -> Job:
    return started(browser(person).post(f"{IMPORT}{preview.pk}/", asked))


def page_of(person: User, job: Job) -> str:
    return browser(person).get(reverse("admin:jobs_job_change", args=[job.pk])).text


def a_difficult_catalogue() -> None:
    renamed = CategoryFactory.create(name="Novels", slug="fiction")
    family = FamilyFactory.create(name="Shirt", code="shopify:77", options="Size / Colour")
    ProductFactory.create(sku="00456", name='=HYPERLINK("http://x")', category=renamed)
    ProductFactory.create(
        sku="-1+2", name='@cmd, "quoted" & <b>', brand="Ünïcödé 日本", variant="1/2"
    )
    ProductFactory.create(
        family=family, variant="M", variant_position=7, is_active=False, validity="3 years", delivery_days=5,
        usable_at="-10 % in all shops", terms="=1+2 & more\n\n- second “line”",
    )  # fmt: skip
    ProductFactory.create(
        family=family, variant="L", minimum_tier="GOLD", product_type=ProductType.VIRTUAL, source="shopify:77",
        available_from=datetime(2026, 1, 2, 3, 4, tzinfo=UTC), description="<p>One.</p><ul><li>Two &amp; 3</li></ul>",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_exported_comes_back_unchanged(person: User, kind: str, small_slices: None) -> None:
    a_difficult_catalogue()
    content = exported(person, kind)
    taken = TrailEntry.objects.get(kind=TrailKind.EXPORTED)
    assert (taken.by_id, taken.what, taken.facts["format"]) == (person.pk, "Products", kind)
    preview = read(person, content, f"products.{kind}")
    assert not ImportRow.objects.filter(data=None).exists(), list(
        ImportRow.objects.values("trouble")
    )
    assert preview.result["changes"] == []
    assert (preview.status, preview.result["unchanged"]) == (JobStatus.DONE, 4)


def test_a_spreadsheet_finds_texts_and_no_formulas(person: User) -> None:
    a_difficult_catalogue()
    content = exported(person, "csv")
    assert content.startswith("\ufeff".encode()), "by this Excel knows that it is UTF-8"
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert tuple(rows[0]) == HEADER
    by_sku = {row[0]: row for row in rows[1:]}
    assert by_sku['="00456"'][1] == '="=HYPERLINK(""http://x"")"'
    assert by_sku['="-1+2"'][10] == '="1/2"'
    for row in rows[1:]:
        for cell in row:
            assert cell.startswith('="') or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    book = exported(person, "xlsx")
    with zipfile.ZipFile(io.BytesIO(book)) as packed:
        assert packed.testzip() is None
        assert b"<f>" not in packed.read("xl/worksheets/sheet1.xml")
    sheet = load_workbook(io.BytesIO(book), data_only=False).worksheets[0]
    cells = {row[0].value: row for row in sheet.iter_rows(min_row=2)}
    assert cells["00456"][0].data_type == "s"
    assert cells["00456"][0].number_format == "@"
    assert cells["00456"][5].value == 1000


def test_an_import_shows_each_difference_writes_it_and_is_undone(
    person: User, small_slices: None
) -> None:
    old = ProductFactory.create(sku="OLD", name="Old", points_cost=100, in_stock=3)
    rows = [
        f"OLD,New name,PHYSICAL,250,{old.category.name},9",
        *(f"N{n},New {n},PHYSICAL,10,Toys,{n}" for n in range(1, 5)),
    ]
    preview = read(person, "\n".join([COLUMNS, *rows]))
    assert not Product.objects.filter(sku="N1").exists(), "a preview writes nothing"
    page = page_of(person, preview)
    for said in (
        "4 created, 1 changed",
        "points_cost 100 → 250",
        "name Old → New name",
        "N4",
        "Import 5",
    ):
        assert said in page, said
    job = written(person, preview)
    assert (job.status, job.done, job.total) == (JobStatus.DONE, 5, 5)
    assert Inventory.objects.get(product__sku="N4").quantity_available == 4
    assert Inventory.objects.get(product=old).quantity_available == 3, (
        "a file knows no newer orders"
    )
    made: Any = Product.objects.get(sku="N1")
    assert made.changes.first().pgh_context.metadata["user"] == str(person.pk)
    # Meanwhile somebody renamed the changed product.
    Product.objects.filter(pk=old.pk).update(name="Newer name")
    undo = undo_job(job=job, by=Actor.person(person))
    assert work_on(undo.pk)
    undo.refresh_from_db()
    assert (undo.result["restored"], undo.result["skips"]) == (5, 1)
    old.refresh_from_db()
    assert (old.points_cost, old.name) == (100, "Newer name")
    assert set(Product.objects.filter(sku__startswith="N").values_list("is_active", flat=True)) == {
        False
    }
    # A file that does not say it leaves off what the undo switched off.
    again = written(person, read(person, "\n".join([COLUMNS, *rows])))
    assert (again.result["created"], again.result["changed"]) == (0, 1)
    with_active = [f"{COLUMNS},is_active", *(f"{row},yes" for row in rows)]
    again = written(person, read(person, "\n".join(with_active)))
    assert (again.result["created"], again.result["changed"]) == (0, 4)


def test_bad_rows_are_named_and_either_all_or_none_of_the_good_ones_come_in(
    person: User, small_slices: None
) -> None:
    ProductFactory.create(sku="THERE")
    rows = [
        "A,Fine,PHYSICAL,5,Toys,1",
        "B,Free,PHYSICAL,0,Toys,1",
        "C,Dear,PHYSICAL,9999999999,Toys,1",
        "a,Twice,VIRTUAL,5,Toys,",
        "there,Case,PHYSICAL,5,Toys,",
        "D,Fine,VIRTUAL,5,Toys,",
    ]
    preview = read(person, "\n".join([COLUMNS, *rows]))
    assert (preview.result["good"], preview.result["wrong"]) == (2, 4)
    page = page_of(person, preview).replace("&#x27;", "'")
    for said in (
        "Row 3",
        "Row 4",
        "'a' is in row 2 already",
        "differ by capitals only",
        "Leave wrong rows out and import 2",
    ):
        assert said in page, said
    refused = written(person, preview)
    assert (refused.status, refused.problem) == (
        JobStatus.FAILED,
        "Rows are wrong, so nothing was imported.",
    )
    assert Product.objects.count() == 1
    taken = written(person, preview, wrong="skip")
    assert (taken.status, taken.result["created"]) == (JobStatus.DONE, 2)
    assert set(Product.objects.values_list("sku", flat=True)) == {"THERE", "A", "D"}


def test_what_the_catalogue_cannot_take_any_more_is_left_out_and_told(person: User) -> None:
    preview = read(person, f"{COLUMNS}\nA,One,PHYSICAL,5,Toys,1\nB,Two,PHYSICAL,5,Toys,1")
    ProductFactory.create(sku="b")
    job = written(person, preview)
    assert (job.result["created"], job.result["skips"]) == (1, 1)
    assert "differ by capitals only" in page_of(person, job)


def test_a_row_that_would_change_the_type_of_a_product_is_wrong(person: User) -> None:
    ProductFactory.create(sku="GIFT", virtual=True)
    rows = ["GIFT,Gift,PHYSICAL,5,Toys,", "MUG,Mug,PHYSICAL,5,Toys,"]
    preview = read(person, "\n".join([COLUMNS, *rows]))
    assert (preview.result["good"], preview.result["wrong"]) == (1, 1)
    said = "is VIRTUAL already, and a product&#x27;s type cannot change"
    assert said in page_of(person, preview)
    ProductFactory.create(sku="MUG", virtual=True)  # after the preview
    job = written(person, preview, wrong="skip")
    assert (job.result["skips"], job.result["changed"]) == (1, 0)
    assert said in page_of(person, job)
    assert not Product.objects.filter(product_type=ProductType.PHYSICAL).exists()


def test_a_category_that_is_new_is_named_before_it_is_made_and_after_an_undo(
    person: User, small_slices: None
) -> None:
    CategoryFactory.create(name="Toys and games", slug="toys")
    CategoryFactory.create(name="Audio", slug="sound")
    named = ["Toys", "Audio", "nope", "nope", "NOPE"]
    rows = [f"N{n},New {n},PHYSICAL,5,{name}," for n, name in enumerate(named)]
    preview = read(person, "\n".join([COLUMNS, *rows]))
    assert "New categories: nope." in page_of(person, preview)
    job = written(person, preview)
    assert "New categories: nope." in page_of(person, job)
    undo = undo_job(job=job, by=Actor.person(person))
    assert work_on(undo.pk)
    assert "The import made these categories, and they stay: nope." in page_of(person, undo)
    again = read(person, "\n".join([COLUMNS, *rows]))
    assert "New categories" not in page_of(person, again)


def test_what_was_read_is_imported_once_and_again_only_after_a_stop(person: User) -> None:
    preview = read(person, f"{COLUMNS}\nA1,Mug,PHYSICAL,100,Kitchen,4\n")
    there, client = f"{IMPORT}{preview.pk}/", browser(person)
    first = client.post(there)
    [job] = Job.objects.filter(kind="catalog.import")
    Job.objects.filter(pk=job.pk).update(status=JobStatus.STOPPED, ended_at=Now())
    assert "Import 1" in page_of(person, preview)
    second, third = client.post(there), client.post(there)
    assert first["Location"] != second["Location"] == third["Location"]
    assert Job.objects.filter(kind="catalog.import").count() == 2
    assert work_on(Job.objects.get(kind="catalog.import", status="QUEUED").pk)
    shown = page_of(person, preview)
    assert "Import 1" not in shown
    assert "imported once" in shown
    assert second["Location"] in shown


def test_each_preview_and_import_of_a_process_tells_only_its_own_file(person: User) -> None:
    for sku in ("OLD1", "OLD2"):
        ProductFactory.create(sku=sku, name=sku, points_cost=100)
    for n in (1, 2):
        rows = [f"OLD{n},OLD{n},PHYSICAL,{200 + n},Toys,", f"N{n},New,PHYSICAL,5,Toys,"]
        preview = read(person, "\n".join(["Our list", COLUMNS, *rows]))
        assert [sku for sku, _name, _columns in preview.result["changes"]] == [f"OLD{n}"]
        assert preview.result["new"] == [[f"N{n}", "New"]]
        assert len(preview.result["remarks"]) == 1
        ProductFactory.create(sku=f"n{n}")  # now the import leaves this row out
        skipped = written(person, preview).result["skipped"]
        assert [row for row, _why in skipped] == ["4"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,b\n1,2", "The columns are of no known format"),
        (b"", "file is empty"),
        (b"\x00\x01binary", "no workbook and no text"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "it is a JPEG picture"),
        (COLUMNS.encode(), "no products"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(person: User, content: bytes, says: str) -> None:
    client = browser(person)
    answer = client.post(IMPORT, {"file": SimpleUploadedFile("x.csv", content)})
    told = answer.text if answer.status_code == 422 else page_of(person, started(answer))
    assert says in told


def test_a_semicolon_file_in_another_encoding_with_prices_is_read(person: User) -> None:
    text = "sku;name;product_type;price;category\n007;Größe;PHYSICAL;17,50;Bücher"
    preview = read(person, text.encode("cp1252"), points_per_unit="100")
    written(person, preview)
    product = Product.objects.get(sku="007")
    assert (product.name, product.points_cost, product.category.name) == ("Größe", 1750, "Bücher")


def test_a_process_that_takes_a_preview_up_reads_each_row_once(
    person: User, monkeypatch: pytest.MonkeyPatch, small_slices: None
) -> None:
    rows = [f"N{n},New {n},PHYSICAL,10,Toys,{n}" for n in range(7)]
    data = {"file": SimpleUploadedFile("x.csv", "\n".join([COLUMNS, *rows]).encode())}
    answer = browser(person).post(IMPORT, data)
    job = Job.objects.get(pk=answer["Location"].split("/")[-3])
    take, calls = reading._take, []

    class Killed(BaseException):
        pass

    def dying(*args: Any) -> None:
        take(*args)
        calls.append(1)
        if len(calls) == 3:
            raise Killed

    with monkeypatch.context() as patch:
        # replaced: the process dies at the end of its third slice
        patch.setattr(reading, "_take", dying)
        with pytest.raises(Killed):
            work_on(job.pk)
    Job.objects.filter(pk=job.pk).update(lease_until=None)
    work_on(job.pk)
    job.refresh_from_db()
    assert (job.status, job.result["good"], job.result["wrong"]) == (JobStatus.DONE, 7, 0)
    assert ImportRow.objects.filter(job=job).count() == 7


def test_import_and_export_need_their_permissions(person: User) -> None:
    nobody, preview = browser(staff("support")), read(person, f"{COLUMNS}\nA,One,PHYSICAL,5,Toys,1")
    for address in (IMPORT, EXPORT, f"{IMPORT}{preview.pk}/"):
        assert nobody.get(address).status_code == 403
        assert nobody.post(address).status_code == 403
    chosen = {"action": "export", "_selected_action": [], "index": 0, "select_across": "1"}
    ProductFactory.create()
    there = browser(person).post(
        f"{reverse('admin:catalog_product_changelist')}?q=",
        {**chosen, "_selected_action": [Product.objects.get().pk]},
    )
    assert there["Location"].startswith(EXPORT)


def test_all_that_a_preview_finds_can_be_seen_page_by_page(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that a few rows are several pages
    monkeypatch.setattr(reading, "KEPT", 1)
    monkeypatch.setattr(reading, "ON_A_PAGE", 2)
    monkeypatch.setattr(exchange_views, "ON_A_PAGE", 2)
    shelf = CategoryFactory.create(name="Mugs", slug="mugs")
    for number in range(3):
        ProductFactory.create(sku=f"OLD-{number}", name="Mug", points_cost=10, category=shelf)
    good = [f"OLD-{n},Mug,PHYSICAL,{20 + n},Mugs," for n in range(3)]
    good += [f"NEW-{n},Cup,PHYSICAL,5,Mugs," for n in range(3)]
    bad = [f"BAD-{n},Cup,PHYSICAL,none,Mugs," for n in range(3)]
    preview = read(person, "\n".join([COLUMNS, *good, *bad]))
    page = page_of(person, preview)
    for what in ("changed", "new", "wrong"):
        there = reverse("admin:catalog_product_import_rows", args=[preview.pk, what])
        assert there in page
        first = browser(person).get(there)
        second = browser(person).get(there, {"after": str(first.context["after"])})
        assert (len(first.context["rows"]), len(second.context["rows"])) == (2, 1)
        assert "Next page" in first.text
        assert "Next page" not in second.text
    changed = reverse("admin:catalog_product_import_rows", args=[preview.pk, "changed"])
    assert "points_cost 10 → 20" in browser(person).get(changed).text
    assert Product.objects.filter(points_cost=10).count() == 3  # nothing is written yet


def test_the_rows_of_a_preview_are_for_those_who_may_import(person: User) -> None:
    preview = read(person, f"{COLUMNS}\nA,Mug,PHYSICAL,5,Mugs,")
    there = reverse("admin:catalog_product_import_rows", args=[preview.pk, "new"])
    assert browser(staff("support")).get(there).status_code == 403
    assert browser(person).post(there).status_code == 405
    odd = reverse("admin:catalog_product_import_rows", args=[preview.pk, "old"])
    assert browser(person).get(odd).status_code == 404
    for after in ("x", "-1", "9" * 30):
        assert "Mug" in browser(person).get(there, {"after": after}).text


def test_a_file_that_is_too_large_is_refused_in_a_sentence(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that nobody sends a hundred megabytes
    monkeypatch.setattr(exchange_forms, "LARGEST", 10)
    sent = SimpleUploadedFile("products.csv", b"x" * 11)
    answer = browser(person).post(IMPORT, {"file": sent})
    assert answer.status_code == 422
    assert "larger than 99 MB" in answer.text
