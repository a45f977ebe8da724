"""The pages of reports: their figures, filters, bad addresses, and who may see them."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook

from accounts.models import TierLevel
from accounts.services import STAFF_GROUPS
from catalog.models import ProductView
from inventory.models import StockMovement
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.tables.cells import harmless
from loyalty_portal.data.tables.drawing import shown_table
from loyalty_portal.data.tables.exports import as_xlsx
from loyalty_portal.data.tables.spans import Span
from loyalty_portal.data.tables.tables import (
    CellKind,
    ReportColumn,
    ReportPage,
    ReportRow,
    ReportTable,
    shown,
)
from loyalty_portal.jobs.files import pieces_of
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.services import work_on
from loyalty_portal.jobs.states import JobStatus
from redemption.analytics import exporting
from redemption.analytics.forms import ReportForm
from redemption.analytics.questions import Question
from redemption.analytics.reports.registry import REPORTS
from redemption.analytics.services import rebuild_figures
from redemption.models import RedemptionOrder
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.redemption.analytics.gallery import Gallery, moved_back
from tests.redemption.factories import paid, placed, settle
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
REDEEMED = "/admin/reports/redeemed/"
FORMULA = '=HYPERLINK("https://evil.example","Click")'


@pytest.fixture
def finance() -> Client:
    return browser(staff("finance"))


def placed_at(order: RedemptionOrder, moment: datetime) -> None:
    """Have all that happened to an order happen as long ago as if it was placed then."""
    moved_back(order, order.created_at - moment)


def asked(report: str, **address: str) -> Question:
    form = ReportForm(REPORTS[report], address, now=timezone.now())
    assert form.is_valid(), form.errors
    return form.question()


def answer(report: str, **address: str) -> ReportPage:
    return REPORTS[report].answer(asked(report, **address))


def rows(table: ReportTable) -> dict[str, list[object]]:
    return {str(row.values[0]): list(row.values[1:]) for row in table.rows}


def exported(client: Client, address: str) -> list[list[str]]:
    """The rows of an export as CSV."""
    text = client.post(address).content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_points_and_orders_are_added_up_by_company_tier_seat_category_and_product() -> None:
    books, toys = CategoryFactory.create(name="Books"), CategoryFactory.create(name="Toys")
    book = ProductFactory.create(sku="0012", category=books, points_cost=100, in_stock=99)
    toy = ProductFactory.create(sku="T-1", category=toys, points_cost=40, in_stock=99)
    gold = SeatFactory.create(company__gold=True, company__loyalty_account_id="ACC-G")
    bronze = SeatFactory.create(company__loyalty_account_id="ACC-B")
    for order in (paid(gold, (book, 2), (toy, 1)), paid(gold, (book, 1)), paid(bronze, (toy, 5))):
        moved_back(order, timedelta(days=2))
    refused = placed(bronze, (book, 9))
    settle(refused.transactions.get(), refused="insufficient_points")
    moved_back(refused, timedelta(days=2))
    rebuild_figures()

    def points(by: str, **filters: str) -> dict[str, object]:
        [table] = answer("redeemed", by=by, **filters).tables
        place = [column.title for column in table.columns].index("Points redeemed")
        return {str(row.values[0]): row.values[place] for row in table.rows if row.values[place]}

    assert points("company") == {"ACC-G": 340, "ACC-B": 200}
    assert points("tier") == {"Gold": 340, "Bronze": 200}
    assert points("seat") == {gold.user.name: 340, bronze.user.name: 200}
    assert points("category") == {"Books": 300, "Toys": 240}
    assert points("product") == {"0012": 300, "T-1": 240}
    assert points("product", company="ACC-G") == {"0012": 300, "T-1": 40}
    assert points("company", product="T-1") == {"ACC-B": 200, "ACC-G": 40}
    assert points("seat", category=toys.slug, tier=TierLevel.GOLD) == {gold.user.name: 40}
    assert sum(points("time", seat=str(gold.pk)).values()) == 340  # type: ignore[arg-type]
    tiles = {tile.title: tile.shown for tile in answer("redeemed").tiles}
    assert tiles["Points redeemed"] == "540"
    assert tiles["Orders"] == "4"
    assert tiles["Average order, points"] == "180.0"
    assert shown(1986.67, CellKind.AVERAGE) == "1,986.7"
    assert shown(2 / 3, CellKind.SHARE) == "66.7 %"


def test_an_order_belongs_to_the_day_of_the_programmes_zone_also_when_clocks_change(
    settings: object,
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"  # type: ignore[attr-defined]
    seat = SeatFactory.create()
    thing = ProductFactory.create(points_cost=1, in_stock=99)
    moments = {
        datetime(2026, 10, 24, 21, 59, tzinfo=UTC): date(2026, 10, 24),  # 23:59, summer
        datetime(2026, 10, 24, 22, 1, tzinfo=UTC): date(2026, 10, 25),
        datetime(2026, 10, 25, 22, 59, tzinfo=UTC): date(2026, 10, 25),  # 23:59, winter
        datetime(2026, 10, 25, 23, 1, tzinfo=UTC): date(2026, 10, 26),
        datetime(2026, 10, 31, 22, 59, tzinfo=UTC): date(2026, 10, 31),
        datetime(2026, 10, 31, 23, 1, tzinfo=UTC): date(2026, 11, 1),
    }
    for moment in moments:
        placed_at(paid(seat, (thing, 1)), moment)
    rebuild_figures()
    [table] = answer("redeemed", since="2026-10-20", until="2026-11-02").tables
    by_day = {date(*row.values[0].timetuple()[:3]): row.values[1] for row in table.rows}
    assert len(by_day) == 14
    expected = {day: list(moments.values()).count(day) for day in by_day}
    assert by_day == expected
    months = answer("redeemed", since="2026-10-01", until="2026-11-30", grain="month").tables[0]
    assert [row.values[1] for row in months.rows] == [5, 1]


def test_rates_and_reasons_are_shares_of_the_orders_placed_in_the_time() -> None:
    seat = SeatFactory.create()
    thing = ProductFactory.create(points_cost=10, in_stock=99)
    gallery = Gallery(1)
    refused = placed(seat, (thing, 1))
    settle(refused.transactions.get(), refused="insufficient_points")
    given_up = paid(seat, (thing, 2))
    gallery.give_up(given_up)
    for order in (refused, given_up, paid(seat, (thing, 1)), paid(seat, (thing, 1))):
        moved_back(order, timedelta(days=1))
    rebuild_figures()
    page = answer("outcomes")
    tiles = {tile.title: tile.shown for tile in page.tiles}
    assert tiles == {
        "Refused": "25.0 %",
        "Not approved": "0.0 %",
        "Cancelled": "25.0 %",
        "Lines that failed": "33.3 %",
        "Pieces that came back": "0.0 %",
    }
    reasons = [row.values for row in page.tables[1].rows]
    assert ["Declined", "insufficient_points", 1, 10] in reasons
    assert any(row[0] == "Could not be supplied" and row[3] == 20 for row in reasons)


def test_points_move_on_the_day_of_the_answer_and_what_is_open_is_told() -> None:
    seat = SeatFactory.create()
    thing = ProductFactory.create(points_cost=10, in_stock=99)
    gallery = Gallery(1)
    old = paid(seat, (thing, 3))
    moved_back(old, timedelta(days=3))
    gallery.give_up(old)  # today
    moved_back(paid(seat, (thing, 1)), timedelta(days=3))
    placed(seat, (thing, 7))
    rebuild_figures()
    today = timezone.now().date().isoformat()
    tiles = {t.title: t.shown for t in answer("points", since="2020-01-01", until=today).tiles}
    assert tiles["Taken"] == "40"
    assert tiles["Given back"] == "30"
    assert tiles["Being taken now"] == "70"
    assert tiles["Held for open lines now"] == "10"
    only_today = {t.title: t.shown for t in answer("points", since=today, until=today).tiles}
    assert (only_today["Taken"], only_today["Given back"]) == ("0", "30")


def test_stock_turns_over_or_lies_unmoved() -> None:
    gallery = Gallery(3)
    thing = gallery.things[0]
    dead = ProductFactory.create(sku="DEAD", points_cost=7, in_stock=3)
    order = paid(gallery.seats[0], (thing, 2))
    gallery.send(order)
    today = timezone.now().date().isoformat()
    turns, unmoved = answer("stock", since=today, until=today).tables
    assert rows(turns)[thing.sku][3] == 2
    assert rows(unmoved)["DEAD"][1:] == [3, 21]
    assert dead.sku in rows(unmoved)


def test_the_stock_report_compares_with_the_period_before() -> None:
    gallery = Gallery(3)
    [thing, *_others], [seat, *_more] = gallery.things, gallery.seats
    gallery.send(paid(seat, (thing, 3)))
    with pgtrigger.ignore():  # as if all that was yesterday
        StockMovement.objects.update(created_at=F("created_at") - timedelta(days=1))
    gallery.send(paid(seat, (thing, 2)))
    today = timezone.now().date().isoformat()
    tiles = {tile.title: tile for tile in answer("stock", since=today, until=today).tiles}
    sent, on_hand = tiles["Pieces sent out"], tiles["Pieces on hand now"]
    assert (sent.value, sent.before) == (2, 3)
    assert on_hand.before is not None
    assert on_hand.value == on_hand.before - 2
    assert all(tile.compared for tile in tiles.values())


def test_every_report_answers_ten_years_and_its_queries_are_few(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that no figure of the menu is asked for again while a slow machine tests
    monkeypatch.setattr("loyalty_portal.admin_site.counts.SECONDS", 3_600)
    gallery = Gallery(2)
    for _ in range(4):
        gallery.draw()
    call_command("rebuild_figures")
    finance.get("/admin/reports/")  # the menu's figures are kept
    for name, report in REPORTS.items():
        for by in report.by or ("",):
            address = f"/admin/reports/{name}/?since=2016-11-27&until=2026-11-27&by={by}"
            with CaptureQueriesContext(connection) as caught:
                page = finance.get(address)
            assert page.status_code == 200, address
            assert len(caught) <= 12, (address, len(caught))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("since=2026-11-27&until=2026-11-01", "before the first one"),
        ("since=yesterday", "Enter a valid date"),
        ("since=0001-01-01&until=9999-12-31", "between the years 2000 and 2199"),
        ("since=2000-01-01&until=2199-12-31", "At most 20 years"),
        ("since=2016-01-01&until=2026-01-01&grain=day", "too long"),
        ("company=Nobody", "no company with this name"),
        ("product=NO-SKU", "no product with this SKU"),
        ("seat=018f0000-0000-7000-8000-000000000000", "no such account manager"),
        ("seat=x", "valid UUID"),
        ("category=none", "valid choice"),
        ("by=colour", "valid choice"),
        ("period=someday", "valid choice"),
        ("company=%00", "Null characters"),
    ],
)
def test_an_address_that_is_wrong_is_answered_with_a_sentence(
    finance: Client, query: str, told: str
) -> None:
    page = finance.get(f"{REDEEMED}?{query}")
    assert page.status_code == 422
    assert told in page.content.decode()


def test_a_filter_that_a_report_does_not_know_is_refused_and_not_ignored(finance: Client) -> None:
    SeatFactory.create(company__loyalty_account_id="ACC-1")
    page = finance.get("/admin/reports/desk/?company=ACC-1")
    assert page.status_code == 422
    assert "cannot be narrowed" in page.content.decode()


def test_only_who_may_see_reports_sees_and_exports_them() -> None:
    pages = ["/admin/reports/", *(f"/admin/reports/{name}/" for name in REPORTS)]
    for group, permissions in STAFF_GROUPS.items():
        client = browser(staff(group))
        expected = 200 if "redemption.view_reports" in permissions else 403
        assert {client.get(page).status_code for page in pages} == {expected}, group
        answer = client.post(f"{REDEEMED}export/redeemed/csv/")
        assert answer.status_code == expected, group
    readers = {g for g, names in STAFF_GROUPS.items() if "redemption.view_reports" in names}
    assert readers >= {"finance", "auditor"}
    assert not readers & {"catalogue", "warehouse", "fulfillment", "support"}


def test_an_export_opens_in_a_spreadsheet_as_it_was_meant(finance: Client) -> None:
    seat = SeatFactory.create()
    odd = ProductFactory.create(sku="00123", name=FORMULA, points_cost=5, in_stock=9)
    umlaut = ProductFactory.create(sku="Ä-1", name="Tür, „groß“", points_cost=7, in_stock=9)
    moved_back(paid(seat, (odd, 1), (umlaut, 1)), timedelta(days=1))
    rebuild_figures()
    address = f"{REDEEMED}export/redeemed/csv/?by=product"
    answered = finance.post(address)
    assert answered["Content-Type"] == "text/csv; charset=utf-8"
    [entry] = TrailEntry.objects.filter(kind=TrailKind.EXPORTED)
    assert (entry.what, entry.facts["format"]) == ("Redemptions", "csv")
    assert entry.facts["asked"]["by"] == "product"
    assert answered["Content-Disposition"].startswith('attachment; filename="redeemed-')
    assert answered.content.startswith(b"\xef\xbb\xbf")
    by_points = {row[5]: row for row in exported(finance, address)[1:]}
    assert by_points["5"][:2] == ["\t00123", f"\t{FORMULA}"]
    assert by_points["7"][:2] == ["Ä-1", "Tür, „groß“"]

    book = load_workbook(
        io.BytesIO(finance.post(address.replace("/csv/", "/xlsx/")).content), read_only=False
    )
    sheet = {row[5].value: row for row in list(book["Report"].iter_rows())[1:]}
    assert [cell.value for cell in sheet[5][:2]] == ["00123", FORMULA]
    assert [cell.data_type for cell in sheet[5][:2]] == ["s", "s"]
    assert sheet[7][0].value == "Ä-1"


@pytest.mark.parametrize(
    ("grain", "first"), [("day", "2026-10-28"), ("week", "2026-10-26"), ("month", "2026-10-01")]
)
def test_an_export_has_days_that_a_spreadsheet_sorts(
    finance: Client, grain: str, first: str
) -> None:
    query = f"?period=own&since=2026-10-28&until=2026-11-03&grain={grain}"
    address = f"{REDEEMED}export/redeemed/csv/{query}"
    assert exported(finance, address)[1][0] == first
    content = finance.post(address.replace("/csv/", "/xlsx/")).content
    cell = load_workbook(io.BytesIO(content))["Report"]["A2"]
    assert (cell.is_date, f"{cell.value:%Y-%m-%d}") == (True, first)


def test_texts_cannot_act_in_a_spreadsheet_and_names_stay_as_they_are() -> None:
    for text in (
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\r=1",
        " =1",
        "＝1",
        "007",
        "1-2",
        "1e5",
        "12.3",
    ):
        safe = harmless(text)
        assert safe.startswith("\t")
        assert safe.replace("\t", "") == text.replace("\t", "")
    for text in ("Tür", "SKU-007", "R-7KQ4M-2XDTP", "", "a=b"):
        assert harmless(text) == text
    # Where a semicolon separates cells, a cell begins after it, and after the end of a line.
    assert harmless("a;=1+1") == "a;\t=1+1"
    assert harmless("a\n -1;b") == "a\n\t -1;b"
    table = ReportTable(
        "t",
        "T",
        [ReportColumn("=A", CellKind.TEXT)],
        [ReportRow(["bad\x01text"]), ReportRow([None])],
    )
    sheet = load_workbook(io.BytesIO(as_xlsx(table)))["Report"]
    assert [cell.value for (cell,) in sheet.iter_rows()] == ["=A", "badtext", None]
    assert sheet["A1"].data_type == "s"


def test_a_large_export_is_written_by_a_job_and_holds_every_row(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = SeatFactory.create()
    things = [ProductFactory.create(points_cost=5, in_stock=9) for _ in range(4)]
    moved_back(paid(seat, *((thing, 1) for thing in things)), timedelta(days=1))
    rebuild_figures()
    # replaced: the limit, so that few rows are many
    monkeypatch.setattr("redemption.analytics.views.MOST_AT_ONCE", 3)
    begun = finance.post(f"{REDEEMED}export/redeemed/csv/?by=product")
    job = Job.objects.get()
    assert begun.status_code == 303
    assert str(job.pk) in begun["Location"]
    assert work_on(job.pk)
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    text = b"".join(pieces_of(job.files.get())).decode("utf-8-sig")
    assert len(list(csv.reader(io.StringIO(text)))) == 5
    assert exporting.fixed(asked("redeemed"))["period"] == "own"


def test_what_is_not_there_is_not_found(finance: Client) -> None:
    for address in ("export/nothing/csv/", "export/redeemed/pdf/", "export/redeemed/csv/?by=x"):
        assert finance.post(REDEEMED + address).status_code == 404
    assert finance.get("/admin/reports/nothing/").status_code == 404
    assert finance.get(f"{REDEEMED}export/redeemed/csv/").status_code == 405


def test_a_page_asks_more_about_a_row_by_its_link(finance: Client) -> None:
    seat = SeatFactory.create(company__loyalty_account_id="ACC-7", company__name="<b>Bold</b>")
    thing = ProductFactory.create(points_cost=5, in_stock=9)
    moved_back(paid(seat, (thing, 1)), timedelta(days=1))
    rebuild_figures()
    page = finance.get(f"{REDEEMED}?by=company&period=7d").content.decode()
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page
    [link] = set(re.findall(r'href="(\?[^"]*company=ACC-7[^"]*)"', page))
    there = finance.get(REDEEMED + link.replace("&amp;", "&"))
    assert there.status_code == 200
    assert 'value="ACC-7"' in there.content.decode()


def test_a_span_of_the_zone_that_is_half_an_hour_off_counts_an_hour_once() -> None:
    days = [Span(date(2026, 11, n), date(2026, 11, n), "Asia/Kolkata") for n in (1, 2, 3)]
    hours = [datetime(2026, 10, 31, tzinfo=UTC) + timedelta(hours=n) for n in range(96)]
    for hour in hours:
        assert sum(day.start <= hour < day.end for day in days) <= 1


def test_what_was_looked_at_stands_beside_what_was_redeemed(finance: Client) -> None:
    seat, other = SeatFactory.create_batch(2)
    wanted = ProductFactory.create(points_cost=5, in_stock=9)
    unwanted = ProductFactory.create(sku="UNWANTED", in_stock=9)
    today = timezone.now().date()
    ProductView.objects.bulk_create(
        ProductView(seat=who, product=what, day=today - timedelta(days=ago))
        for who, what, ago in (
            *((seat, wanted, 1), (other, wanted, 1), (seat, unwanted, 1)),
            *((seat, unwanted, 2), (seat, unwanted, 300)),
        )
    )
    moved_back(paid(seat, (wanted, 1)), timedelta(days=1))
    rebuild_figures()
    page = answer("looked-at")
    looked, unredeemed = (rows(table) for table in page.tables)
    assert looked[wanted.sku][1:4] == [2, 2, 1]
    assert list(unredeemed) == ["UNWANTED"]
    assert unredeemed["UNWANTED"][1:4] == [2, 1, 0]
    assert page.tiles[0].value == 4
    mine = answer("looked-at", seat=str(other.pk)).tables[0]
    assert list(rows(mine)) == [wanted.sku]


@pytest.mark.parametrize("place", ["admin/reports/_table.html", "redemption/points/_chart.html"])
def test_a_wide_chart_has_its_whole_width(place: str) -> None:
    """A number of an SVG has no separator of thousands."""
    columns = [ReportColumn("Day", CellKind.TEXT), ReportColumn("Points", CellKind.POINTS)]
    rows = [ReportRow([f"Day {number}", 1 + number]) for number in range(1_000)]
    table = ReportTable("points", "Points", columns, rows, is_timeline=True)
    shown = shown_table(table, {})
    assert shown.width > 999
    assert f'viewBox="0 0 {shown.width} 100"' in render_to_string(place, {"shown": shown})
