"""Pick lists and packing slips: PDF of the chosen parcels, for names of any script."""

import io
import re
import zlib

import pytest
from django.test import Client

from fulfillment.desk.papers import packing_slips, pick_list
from fulfillment.desk.selectors import open_parcels
from fulfillment.models import Fulfillment
from redemption.models import RedemptionOrder
from tests.catalog.factories import ProductFactory
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
PAPERS = "/admin/desk/paper/"


def texts(pdf: bytes) -> str:
    """What is written in a PDF of fpdf2. Its font is a subset whose codes a table maps back."""
    streams = []
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            # A stream whose last byte looks like the end of a line is cut short by one.
            streams.append(zlib.decompressobj().decompress(found[1]))
        except zlib.error:
            streams.append(found[1])
    codes: dict[bytes, str] = {}
    for stream in streams:
        for code, sign in re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]{4,8})>\n", stream):
            codes[code] = bytes.fromhex(sign.decode()).decode("utf-16-be")
    told = io.StringIO()
    for stream in streams:
        for shown in re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", stream, re.DOTALL):
            plain = re.sub(
                rb"\\(.)", lambda each: {b"r": b"\r", b"n": b"\n"}.get(each[1], each[1]), shown
            )
            pairs = [plain[at : at + 2].hex().upper().encode() for at in range(0, len(plain), 2)]
            told.write("".join(codes.get(pair, "?") for pair in pairs) + "\n")
    return told.getvalue()


@pytest.fixture
def orders() -> list[RedemptionOrder]:
    mug = ProductFactory.create(sku="MUG-1", name="Mug")
    return [confirmed_order((mug, 2)), confirmed_order((mug, 1), (ProductFactory.create(), 4))]


def chosen(orders: list[RedemptionOrder]) -> list[list[Fulfillment]]:
    labels = [order.order_number for order in orders]
    return open_parcels([line.pk for line in Fulfillment.objects.filter(label__in=labels)])


def test_the_pick_list_counts_each_sku_over_all_parcels(orders: list[RedemptionOrder]) -> None:
    told = texts(pick_list(chosen(orders)))
    assert "Pick list for 2 parcels" in told
    assert "3 ×" in told
    assert "MUG-1" in told
    assert f"{orders[0].order_number}: 2, {orders[1].order_number}: 1" in told


def test_a_slip_holds_its_own_parcel_and_nothing_else(orders: list[RedemptionOrder]) -> None:
    Fulfillment.objects.filter(label=orders[1].order_number).update(
        recipient_name="Somebody Else", message="Thank you", parcel_key="other"
    )
    [mine] = [lines for lines in chosen(orders) if lines[0].label == orders[0].order_number]
    told = texts(packing_slips([mine]))
    for word in (orders[0].order_number, "Ada Byron", "Invalidenstr. 43", "10115 Berlin", "MUG-1"):
        assert word in told
    for word in ("Somebody", "Thank you", "point", "pts", "ada@northwind.example", "+49"):
        assert word not in told
    assert packing_slips(chosen(orders)).count(b"/Type /Page\n") == 2


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("Zoë Łukasiewicz", "Zoë Łukasiewicz"),
        ("Ελένη Παπαδοπούλου", "Ελένη Παπαδοπούλου"),
        ("Юлія Шевченко", "Юлія Шевченко"),
        ("გიორგი", "გიორგი"),
        ("山田太郎", "ShanTianTaiLang"),
        ("محمد", "mhmd"),
        ("नमस्ते", "nmste"),
    ],
)
def test_names_of_any_script_are_printed(
    orders: list[RedemptionOrder], name: str, printed: str
) -> None:
    """In their own letters, or in Latin ones where the font has none or they would be joined."""
    Fulfillment.objects.update(recipient_name=name)
    assert printed in texts(packing_slips(chosen(orders)[:1]))


def test_papers_are_of_the_chosen_parcels(orders: list[RedemptionOrder]) -> None:
    client: Client = browser(staff("fulfillment"))
    lines = [str(lines[0].pk) for lines in chosen(orders)]
    for kind in ("pick-list", "packing-slips"):
        answer = client.post(f"{PAPERS}{kind}/", {"chosen": lines})
        assert answer["Content-Type"] == "application/pdf"
        assert "no-store" in answer["Cache-Control"]
        assert answer.content.startswith(b"%PDF-")
        told = client.post(f"{PAPERS}{kind}/", {"chosen": ["x"]}, follow=True)
        assert "Open the queue again and choose the parcels there." in told.content.decode()
        assert client.get(f"{PAPERS}{kind}/").status_code == 302
    assert client.post(f"{PAPERS}secrets/").status_code == 404
    assert browser(staff("catalogue")).post(f"{PAPERS}pick-list/").status_code == 403
