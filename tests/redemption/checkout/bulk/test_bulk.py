"""Many orders from one file: what is read of it, one approval, placing, and what kills it."""

import io
import re
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from accounts.models import AccountManager, Company
from catalog.models import Product
from loyalty_portal.data.actor import Actor
from redemption.checkout.bulk import approving, services, sheets
from redemption.invariants.checks import check_invariants
from redemption.models import Bulk, BulkRow, BulkStatus, OrderItem, RedemptionOrder
from redemption.saga.steps import RedemptionError
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.chaos.actors.files import Handed
from tests.chaos.checks import findings_of_file
from tests.chaos.plan import Upload
from tests.support.visitor import forms_of

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]
HEADER = "SKU;Reference;Name;E-mail;Pieces;Message\n"


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=1_000_000, user__name="Mara Lind")


@pytest.fixture
def card() -> Product:
    return ProductFactory.create(virtual=True, name="Card", points_cost=100, sku="CARD-1")


def file_of(*rows: str) -> bytes:
    return (HEADER + "\n".join(rows)).encode()


def people(count: int, reference: str = "Gifts") -> list[str]:
    return [f"CARD-1;{reference};Person {n};p{n}@n.example;1;" for n in range(count)]


def work(bulk: Bulk) -> list[uuid.UUID]:
    """Work the bulk until nothing of it is due. Returns the debits of what was placed."""
    debits: list[uuid.UUID] = []
    while services.work_on(bulk.pk, placed=debits.extend):
        if not Bulk.objects.due().filter(pk=bulk.pk).exists():
            break
    bulk.refresh_from_db()
    return debits


def read(seat: AccountManager, data: bytes, *, again: bool = False) -> Bulk:
    bulk = services.take(
        seat=seat, name="gifts.csv", data=data, again=again, by=Actor.in_seat(seat)
    )
    work(bulk)
    return bulk


def confirmed(seat: AccountManager, data: bytes) -> Bulk:
    bulk = read(seat, data)
    services.confirm(
        bulk=bulk, seen_points=services.points_of(bulk), by=Actor.in_seat(seat), ask=approving.ask
    )
    bulk.refresh_from_db()
    return bulk


def references() -> list[tuple[str, int]]:
    """The reference and the lines of each order."""
    orders = RedemptionOrder.objects.order_by("id")
    return [(order.reference, order.items.count()) for order in orders]


def make_due(bulk: Bulk) -> None:
    Bulk.objects.filter(pk=bulk.pk).update(
        next_attempt_at="2020-01-01T00:00:00Z", lease_until="2020-01-01T00:00:00Z"
    )


# --- Reading -------------------------------------------------------------------------------


def test_rows_of_one_reference_become_orders_of_at_most_500_lines(
    seat: AccountManager, card: Product
) -> None:
    bulk = confirmed(seat, file_of(*people(1_001, "A"), *people(2, "B")))
    assert bulk.status == BulkStatus.PLACING
    debits = work(bulk)
    assert references() == [("A 1/3", 500), ("A 2/3", 500), ("A 3/3", 1), ("B", 2)]
    assert len(debits) == 4
    assert bulk.status == BulkStatus.DONE
    assert not BulkRow.objects.exists()  # each person is in an order now, and nowhere else
    assert check_invariants(at_rest=False) == []


def test_what_is_wrong_is_told_by_line_and_column_and_left_out(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    rows = [
        "CARD-1;A;Ada;ada@n.example;1;",
        "NONE;A;Bo;bo@n.example;1;",
        "CARD-1;A;=cmd();no address;none;see www.evil.com",
        f"CARD-1;{'r' * 91};Cy;cy@n.example;1;",
        "CARD-1;A;Di;di@n.example;1;;beyond",
        "CARD-1;A;;;;",
    ]
    bulk = read(seat, file_of(*rows))
    errors = {row.number: row.errors for row in bulk.rows.exclude(errors=[])}
    assert [[column for column, _why in errors[number]] for number in (3, 4, 5, 6)] == [
        ["sku"],
        ["quantity", "recipient_name", "recipient_email", "message"],
        ["reference"],
        [""],
    ]
    client = client_for(seat)
    page = client.get(reverse("bulk:detail", args=[bulk.pk])).content.decode()
    assert "No product on offer has this SKU." in page
    file = client.get(reverse("bulk:wrong", args=[bulk.pk, "csv"]))
    again = sheets.rows_of(file.content)
    assert len(again) == len(errors)
    assert ["=cmd();no address" in str(row) for _number, row in again].count(True) == 0
    assert client.get(reverse("bulk:wrong", args=[bulk.pk, "xlsx"])).content[:2] == b"PK"
    form = next(form for form in forms_of(page) if form.action.endswith("/place/"))
    assert client.post(form.action, form.fields).status_code == 303
    bulk.refresh_from_db()
    work(bulk)
    assert references() == [("A", 1)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "The file is empty."),
        (b"\n;;;\n", "The file is empty."),
        (b"Ada;ada@n.example\n", "The first line must name the columns"),
        (HEADER.encode(), "No row of the file names anybody."),
        (b'SKU;Name\n"CARD-1;Ada', "is a quotation mark left open?"),
        (b"SKU;Name\nCARD-1;A\0da", "it has NUL bytes in it"),
        (b"PK\x03\x04 not a workbook", "The workbook cannot be opened"),
        (file_of(*people(5_001)), "at most 5,000 rows; these are 5,001"),
        (b"x" * (sheets.LARGEST_FILE + 1), "larger than 5 MB"),
    ],
)
def test_a_file_that_is_no_table_of_people_is_refused_with_a_sentence(
    seat: AccountManager, card: Product, data: bytes, why: str
) -> None:
    told = ""
    try:
        told = read(seat, data).problem
    except RedemptionError as error:
        told = str(error)
    assert why in told
    assert BulkStatus.READY not in Bulk.objects.values_list("status", flat=True)
    assert not BulkRow.objects.exists()


def test_a_workbook_that_unpacks_to_very_much_is_refused(
    seat: AccountManager, card: Product
) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", b"0" * 60_000_000)
    bulk = read(seat, bomb.getvalue())
    assert (bulk.status, "unpacks to more" in bulk.problem) == (BulkStatus.REFUSED, True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_file_of_any_usual_encoding_is_read(
    seat: AccountManager, card: Product, encoding: str
) -> None:
    text = HEADER + "CARD-1;Grüße;Jörg Müller;j@n.example;2;Für Sie"
    bulk = read(seat, text.encode(encoding))
    [row] = bulk.rows.all()
    assert (row.errors, row.reference, row.cells["recipient_name"]) == ([], "Grüße", "Jörg Müller")
    assert row.points == 200


def test_the_templates_list_the_companys_products_and_are_read_again(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client = client_for(seat)
    for kind in ("csv", "xlsx"):
        file = client.get(reverse("bulk:template", args=[kind])).content
        with pytest.raises(RedemptionError, match="No row of the file names anybody"):
            sheets.rows_of(file)
    row = [card.sku, card.name, "A", "1", "Ada", "ada@n.example", *[""] * 9]
    book = sheets.sheet("xlsx", sheets.header(), [row])
    [(number, cells)] = sheets.rows_of(book)
    assert (number, cells["sku"], cells["recipient_email"]) == (2, "CARD-1", "ada@n.example")
    assert client.get(reverse("bulk:template", args=["exe"])).status_code == 404


def test_the_same_file_again_is_noticed_and_read_only_when_it_is_meant(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    client, there = client_for(seat), reverse("bulk:start")
    data = file_of(*people(2))

    def give(**more: str) -> Any:
        return client.post(there, {"file": SimpleUploadedFile("gifts.csv", data), **more})

    first = give()
    assert first.status_code == 303
    again = give()
    assert again.status_code == 422
    assert "The same file was given on" in again.content.decode()
    assert first["Location"] in again.content.decode()
    assert Bulk.objects.count() == 1
    assert give(again="yes").status_code == 303
    assert "Choose a file first." in client.post(there).content.decode()
    large = SimpleUploadedFile("x.csv", b"x" * (sheets.LARGEST_FILE + 1))
    assert "larger than 5 MB" in client.post(there, {"file": large}).content.decode()


# --- Approval, and who may -----------------------------------------------------------------


def test_a_bulk_above_the_threshold_needs_one_approval_by_somebody_else(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    Company.objects.update(approval_threshold=250)
    seat.company.refresh_from_db()
    bulk = confirmed(seat, file_of(*people(3, "A"), *people(3, "B")))
    assert bulk.status == BulkStatus.WAITING
    assert work(bulk) == []
    approver = SeatFactory.create(company=seat.company, approver=True)
    there = reverse("bulk:approve", args=[bulk.pk])
    own = client_for(seat).get(reverse("bulk:detail", args=[bulk.pk])).content.decode()
    assert re.search(r"Waiting for approval until \w{3}[^<]* UTC\. Asked: ", own)
    assert f"Asked: {escape(str(approver.user))}." in own
    assert client_for(seat).post(there).status_code == 422
    assert client_for(SeatFactory.create()).post(there).status_code == 404
    client = client_for(approver)
    assert str(bulk.pk) in client.get("/approvals/").content.decode()
    assert client.post(there).status_code == 303
    bulk.refresh_from_db()
    work(bulk)
    assert references() == [("A", 3), ("B", 3)]
    orders = RedemptionOrder.objects.values_list("status", "decided_by")
    assert set(orders) == {("PENDING", approver.user_id)}
    assert client.post(there).status_code == 422  # once


def test_a_rejected_bulk_places_nothing_and_says_why(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    Company.objects.update(approval_threshold=50)
    seat.company.refresh_from_db()
    bulk = confirmed(seat, file_of(*people(1)))
    client = client_for(SeatFactory.create(company=seat.company, approver=True))
    there = reverse("bulk:reject", args=[bulk.pk])
    assert client.post(there).status_code == 422
    answer = client.post(there, {"reason": "Not this year"}, follow=True).content.decode()
    assert "Not approved. No points were taken." in answer
    assert "goes on by itself" not in answer
    page = client_for(seat).get(reverse("bulk:detail", args=[bulk.pk])).content.decode()
    assert "Not this year" in page
    assert not RedemptionOrder.objects.exists()


def test_a_bulk_that_waits_is_shown_however_many_came_after_it(
    seat: AccountManager, client_for: SignIn
) -> None:
    approver = SeatFactory.create(company=seat.company, approver=True)
    Bulk.objects.create(seat=seat, name="first.csv", status=BulkStatus.WAITING)
    Bulk.objects.bulk_create(
        Bulk(seat=approver, name=f"{number}.csv", status=BulkStatus.DONE) for number in range(120)
    )
    assert "first.csv" in client_for(approver).get("/approvals/").content.decode()
    assert "first.csv" in client_for(seat).get("/bulk/").content.decode()


def test_only_the_seat_and_its_approvers_see_a_bulk(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    bulk = read(seat, file_of(*people(1)))
    there = reverse("bulk:detail", args=[bulk.pk])
    for who, status in (
        (seat, 200),
        (SeatFactory.create(company=seat.company, approver=True), 200),
        (SeatFactory.create(company=seat.company), 404),
        (SeatFactory.create(), 404),
    ):
        assert client_for(who).get(there).status_code == status
    viewer = client_for(SeatFactory.create(company=seat.company, viewer=True))
    assert viewer.get(reverse("bulk:start")).status_code == 403


def test_a_bulk_that_is_read_places_nothing_until_somebody_confirms_it(
    client_for: SignIn, seat: AccountManager, card: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when it is worked once more, nor by the button to try again."""
    # replaced: each turn ends after its first slice
    monkeypatch.setattr(services, "TURN", 0.0)
    data = file_of(*people(3))
    bulk = services.take(seat=seat, name="x", data=data, again=False, by=Actor.in_seat(seat))
    assert services.work_on(bulk.pk, placed=lambda _debits: None)
    assert Bulk.objects.due().filter(pk=bulk.pk).exists()
    monkeypatch.undo()
    work(bulk)
    assert bulk.status == BulkStatus.READY
    make_due(bulk)
    work(bulk)
    there = reverse("bulk:go_on", args=[bulk.pk])
    assert client_for(seat).post(there).status_code == 422
    bulk.refresh_from_db()
    assert (bulk.status, bulk.next_attempt_at) == (BulkStatus.READY, None)
    assert not RedemptionOrder.objects.exists()


# --- Placing -------------------------------------------------------------------------------


def test_a_page_that_asks_again_gets_the_balance_too(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    """The figure in the header would else be that of before the orders."""
    client, bulk = client_for(seat), confirmed(seat, file_of(*people(3)))
    there = reverse("bulk:detail", args=[bulk.pk])
    work(bulk)

    part = client.get(there, headers={"HX-Request": "true", "HX-Target": "bulk"}).content.decode()
    assert 'class="top__balance" hx-swap-oob="true"' in part
    assert client.get(there).content.decode().count('id="balance"') == 1


def test_an_order_that_cannot_be_placed_says_why_and_is_tried_again_later(
    seat: AccountManager, card: Product
) -> None:
    bulk = confirmed(seat, file_of(*people(2, "A"), *people(2, "B")))
    Product.objects.update(points_cost=120)
    work(bulk)
    assert bulk.status == BulkStatus.DONE
    assert references() == []
    assert all("The points have changed" in part.problem for part in bulk.parts.all())
    Product.objects.update(points_cost=100)
    services.go_on(bulk=bulk, by=Actor.in_seat(seat))
    work(bulk)
    assert references() == [("A", 2), ("B", 2)]
    assert not bulk.can_go_on


def test_a_company_that_is_switched_off_amid_a_bulk_stops_it_and_loses_nothing(
    seat: AccountManager, card: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: one order a slice
    monkeypatch.setattr(services, "MOST_ORDERS", 1)
    bulk = confirmed(seat, file_of(*people(2, "A"), *people(2, "B"), *people(2, "C")))

    def off(_debits: Any) -> None:
        Company.objects.filter(pk=seat.company_id).update(is_active=False)

    assert services.work_on(bulk.pk, placed=off)
    bulk.refresh_from_db()
    assert bulk.status == BulkStatus.STOPPED
    assert "switched off" in bulk.problem
    assert references() == [("A", 2)]
    Company.objects.update(is_active=True)
    services.go_on(bulk=bulk, by=Actor.in_seat(seat))
    work(bulk)
    assert references() == [("A", 2), ("B", 2), ("C", 2)]
    assert check_invariants(at_rest=False) == []


class Killed(BaseException):
    """The process dies."""


def three_orders(monkeypatch: pytest.MonkeyPatch, seat: AccountManager) -> Bulk:
    # replaced: one order a slice
    monkeypatch.setattr(services, "MOST_ORDERS", 1)
    rows = (row.replace("Person", each) for each in "ABC" for row in people(2, each))
    return confirmed(seat, file_of(*rows))


def killed_and_taken_up(monkeypatch: pytest.MonkeyPatch, bulk: Bulk) -> list[str]:
    """A process dies when a slice has placed its order, before it is recorded. Another goes on.
    Returns who got something.
    """
    record = services._record

    def dying(*parts: Any) -> None:
        if RedemptionOrder.objects.count() == 2:
            raise Killed
        record(*parts)

    with monkeypatch.context() as patch:
        # replaced: the process dies there
        patch.setattr(services, "_record", dying)
        with pytest.raises(Killed):
            services.work_on(bulk.pk, placed=lambda _debits: None)
    assert services.work_on(bulk.pk, placed=lambda _debits: None) is False, "the lease holds"
    make_due(bulk)
    work(bulk)
    assert bulk.status == BulkStatus.DONE
    items = OrderItem.objects.order_by("order__reference", "recipient_name")
    return [f"{item.order.reference}: {item.recipient_name}" for item in items]


def found_in(bulk: Bulk) -> set[str]:
    """What the chaos suite finds wrong with what became of the three orders' file."""
    right = {f"{reference} {n}": reference for reference in "ABC" for n in range(2)}
    one = Handed(Upload(0, 0, ()), "", right, page=bulk.name, confirmed=True)
    return {each.name for each in findings_of_file(one, bulk, Counter())}


ONCE = [f"{reference}: {reference} {n}" for reference in "ABC" for n in range(2)]


def test_a_killed_process_places_no_row_twice_and_forgets_none(
    monkeypatch: pytest.MonkeyPatch, seat: AccountManager, card: Product
) -> None:
    bulk = three_orders(monkeypatch, seat)
    assert killed_and_taken_up(monkeypatch, bulk) == ONCE
    assert check_invariants(at_rest=False) == []
    assert found_in(bulk) == set()


def test_without_its_transaction_and_its_token_an_order_is_placed_twice(
    monkeypatch: pytest.MonkeyPatch, seat: AccountManager, card: Product
) -> None:
    """The negative control: neither guard is there."""
    bulk = three_orders(monkeypatch, seat)
    place = services._place_part

    def untold(bulk: Bulk, seat: AccountManager, part: Any, *rest: Any) -> uuid.UUID:
        known, part.pk = part.pk, uuid.uuid4()
        try:
            return place(bulk, seat, part, *rest)
        finally:
            part.pk = known

    # The guards are off: an order is committed before it is recorded, and each try has a token of
    # its own.
    # replaced: both guards
    monkeypatch.setattr(services, "_place_part", untold)
    monkeypatch.setattr(services, "transaction", SimpleNamespace(atomic=nullcontext))
    assert len(killed_and_taken_up(monkeypatch, bulk)) > len(ONCE)
    assert found_in(bulk) == {"FILE_ROW_ONCE"}
