"""What is scanned at the desk is understood, or refused in a clear sentence."""

from copy import copy
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from fulfillment.desk.selectors import AGES, SHOWN, shown
from fulfillment.desk.tracking import Read, is_doubtful, read
from fulfillment.models import Fulfillment, Shipment
from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from redemption.models import EventSubject, OrderEvent, RedemptionOrder
from tests.catalog.factories import ProductFactory
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
DESK = "/admin/desk/"

RIGHT = {
    "1Z5R89390357567127": "UPS",
    "1z 999aa 1012 3456784": "UPS",
    "RR473124829DE": "DHL",
    "RB123456785GB": "Royal Mail",
    "00340434161094015902": "DHL",
    "3318810025": "DHL",
    "JJD000390007827012345": "DHL",
    "9400111202555842332669": "USPS",
    "986578788855": "FedEx",
    "041441760228964": "FedEx",
}


@pytest.mark.parametrize("number", RIGHT)
def test_a_carriers_number_is_known_by_its_form_and_check_digit(number: str) -> None:
    carrier = RIGHT[number]
    assert read(number) == Read(carrier, right=True)
    assert not is_doubtful(f"{carrier} Express", number)


@pytest.mark.parametrize("number", [number for number in RIGHT if number[:3] != "JJD"])
def test_a_wrong_digit_is_noticed(number: str) -> None:
    at = 9 if number[:2].isalpha() else len(number) - 1
    wrong = number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]
    found = read(wrong)
    assert found == Read(RIGHT[number], right=False)
    assert is_doubtful(RIGHT[number], wrong)


def test_numbers_of_carriers_that_are_not_known_are_not_doubted() -> None:
    assert not is_doubtful("Parcelly", "PL-4711-0815")
    assert not is_doubtful("Parcelly", "123456789012")
    assert is_doubtful("Parcelly", "1Z5R89390357567128")
    assert is_doubtful("DHL", "1Z5R89390357567127")
    assert read("4006381333931") is None


@pytest.fixture
def packer() -> User:
    return staff("fulfillment")


@pytest.fixture
def client(packer: User) -> Client:
    return browser(packer)


@pytest.fixture
def order() -> RedemptionOrder:
    """Two lines for one recipient: two of MUG and one of BOOK."""
    return confirmed_order(
        (ProductFactory.create(sku="MUG"), 2), (ProductFactory.create(sku="BOOK"), 1)
    )


def lines(order: RedemptionOrder) -> list[Fulfillment]:
    return list(Fulfillment.objects.filter(label=order.order_number))


def parcel(order: RedemptionOrder) -> str:
    return f"{DESK}{lines(order)[0].pk}/"


def scan(client: Client, text: str, order: RedemptionOrder | None = None) -> str:
    line = str(lines(order)[0].pk) if order else ""
    answer = client.post(f"{DESK}scan/", {"text": text, "line": line}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def do(client: Client, order: RedemptionOrder, verb: str, **data: object) -> str:
    answer = client.post(f"{parcel(order)}do/{verb}/", data, follow=True)
    return answer.content.decode()


def state(client: Client, order: RedemptionOrder) -> str:
    shown = client.get(parcel(order)).context["parcel"]
    return str(shown.state)


def test_a_scan_picks_opens_and_fills_in(client: Client, order: RedemptionOrder) -> None:
    number = order.order_number
    for text in (
        number,
        number.replace("-", ""),
        number.replace("-", " ").lower(),
        f" {number}\r\n",
    ):
        assert f"Order {number}." in scan(client, text)
    assert "Picked: 2 × " in scan(client, "mug", order)
    assert "is picked already" in scan(client, "MUG", order)
    assert [line.quantity_picked for line in lines(order)] == [2, 0]
    page = scan(client, "1Z5R89390357567127", order)
    assert "Tracking number of UPS." in page
    assert 'value="1Z5R89390357567127"' in page


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Nothing was scanned."),
        (" \t\r\n", "Nothing was scanned."),
        ("4006381333931", "“4006381333931” is not in this parcel"),
        ("https://example.com/?q=1", "“https://example.com/?q=1” is not in this parcel"),
        ("A" * 4_000, "That has 4000 characters; a label has at most 120."),
        ("x" * 100, f"“{'x' * 40}…” is not in this parcel"),
        ("R-22222-22222", "There is no order R-22222-22222 at the desk."),
        ("1Z5R89390357567128", "its check digit is wrong"),
        ("\0MUG\0", "Picked: 2 × "),
        ("<script>alert(1)</script>", "&lt;script&gt;"),
    ],
)
def test_anything_may_be_scanned(
    client: Client, order: RedemptionOrder, text: str, told: str
) -> None:
    assert told in scan(client, text, order)
    assert told in scan(client, text, order) or "is picked already" in scan(client, text, order)
    assert not Shipment.objects.exists()


def test_without_a_parcel_a_scan_says_what_is_missing(client: Client) -> None:
    assert "Open a parcel to scan a product" in scan(client, "MUG")
    assert "Open the parcel first" in scan(client, "1Z5R89390357567127")
    answer = client.post(f"{DESK}scan/", {"text": "MUG", "line": "none"}, follow=True)
    assert "Open a parcel" in answer.content.decode()


def test_pack_and_ship_next_is_one_step_and_remembers_the_carrier(
    client: Client, order: RedemptionOrder, packer: User
) -> None:
    other = confirmed_order((ProductFactory.create(), 1))
    data = {
        "seen": state(client, order),
        "carrier": "UPS",
        "tracking_number": "1Z 5R89390357567127",
    }
    page = do(client, order, "ship", **data)
    assert f"Order {order.order_number}: 3 pieces sent with UPS." in page
    assert f"<h2>{other.order_number}</h2>" in page
    assert 'value="UPS"' in page
    shipment = Shipment.objects.get()
    assert (shipment.tracking_number, shipment.lines.count()) == ("1Z5R89390357567127", 2)
    assert lines(other)[0].claimed_by == packer
    again = do(client, order, "ship", **data, sure="on")
    assert "Nothing of this parcel is left to send." in again
    assert Shipment.objects.count() == 1
    # Another parcel has the number, which a scan says and a form asks about.
    assert f"That is the parcel of order {order.order_number}" in scan(
        client, "1Z5R89390357567127", other
    )
    data["seen"] = state(client, other)
    assert "Another parcel has this tracking number." in do(client, other, "ship", **data)
    assert Shipment.objects.count() == 1


def test_a_wrong_check_digit_is_a_warning_that_can_be_confirmed(
    client: Client, order: RedemptionOrder
) -> None:
    data = {"seen": state(client, order), "carrier": "UPS", "tracking_number": "1Z5R89390357567128"}
    page = do(client, order, "ship", **data)
    assert "This is no number of UPS" in page
    assert "The tracking number is right" in page
    assert not Shipment.objects.exists()
    assert "3 pieces sent with UPS." in do(client, order, "ship", **data, sure="on")


def test_a_part_is_sent_and_the_rest_stays(client: Client, order: RedemptionOrder) -> None:
    one, two = lines(order)
    data = {
        "seen": state(client, order),
        "carrier": "DHL",
        f"units-{one.pk}": 1,
        f"units-{two.pk}": 0,
    }
    assert "1 piece sent with DHL." in do(client, order, "ship", **data)
    assert [line.open_quantity for line in lines(order)] == [1, 1]
    data = {"seen": state(client, order), "carrier": "DHL", f"units-{one.pk}": 7}
    do(client, order, "ship", **data)
    assert Shipment.objects.count() == 1


def test_each_verb_of_the_page_is_told_and_does_its_work(
    client: Client, order: RedemptionOrder, packer: User
) -> None:
    colleague = staff("fulfillment")
    one, two = lines(order)
    assert "You are working on this parcel." in do(client, order, "claim")
    assert f"Given to {colleague}." in do(client, order, "assign", colleague=colleague.pk)
    page = do(client, order, "take_over", whose=colleague.pk)
    assert "You are working on this parcel now." in page
    assert "Picked." in do(client, order, "pick", line=one.pk)
    assert "Put back for anyone." in do(client, order, "put_back")
    assert f"Order {order.order_number} is on hold." in do(client, order, "hold", reason="Box")
    assert "is on hold: Box" in do(client, order, "claim")
    held = client.get(f"{DESK}?show=held").content.decode()
    assert order.order_number in held
    assert order.order_number not in client.get(DESK).content.decode()
    assert "It is in the queue again." in do(client, order, "release")
    recipient = {**one.recipient(), "city": "Bonn"}
    assert "Corrected." in do(client, order, "correct", **recipient)
    assert "Choose the country" in do(
        client, order, "correct", **{**recipient, "country": "Atlantis"}
    )
    assert "can read it" in do(client, order, "tell", text="On Monday")
    told = OrderEvent.objects.filter(subject=EventSubject.TOLD).values_list("reason", flat=True)
    assert list(told) == ["Recipient corrected. city: Berlin → Bonn", "On Monday"]
    gone = {"line": two.pk, "quantity": 1, "reason": "Torn", "seen": state(client, order)}
    assert "1 piece given up" in do(client, order, "cannot_supply", **gone)
    assert "Select a valid choice" in do(client, order, "cannot_supply", **gone)
    gone["line"] = one.pk
    assert "Look again" in do(client, order, "cannot_supply", **gone)
    do(client, order, "ship", seen=state(client, order), carrier="DHL")
    shipment = Shipment.objects.get()
    assert "The parcel has arrived." in do(client, order, "deliver", shipment=shipment.pk)
    one.refresh_from_db()
    there = one.with_recipient
    back = {"line": one.pk, "with_recipient": there, "returned": there, "reason": "Moved"}
    assert "Taken back" in do(client, order, "return", to="STOCK", **back)
    assert "Select a valid choice" in do(client, order, "return", to="STOCK", **back)
    one.refresh_from_db()
    assert one.status == FulfillmentStatus.RETURNED


def test_a_batch_ships_each_chosen_parcel_or_says_why_not(
    client: Client, order: RedemptionOrder
) -> None:
    other = confirmed_order((ProductFactory.create(), 1))
    taken = confirmed_order((ProductFactory.create(), 1))
    do(browser(staff("fulfillment")), taken, "claim")
    chosen = [lines(each)[0].pk for each in (order, other, taken)]
    page = client.post(f"{DESK}batch/", {"chosen": chosen, "carrier": "DHL"}, follow=True)
    told = page.content.decode()
    assert "2 parcels sent." in told
    assert f"{taken.order_number}: " in told
    assert Shipment.objects.count() == 2
    assert "Choose parcels" in client.post(f"{DESK}batch/", {}, follow=True).content.decode()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"carrier": "DHL\0"}, "Carrier: Null characters are not allowed."),
        ({"carrier": " "}, "Say which carrier takes the parcels."),
        ({"carrier": "D" * 81}, "at most 80 characters"),
        ({"chosen": ["x"]}, "Open the queue again and choose the parcels there."),
        ({"chosen": ["\0"]}, "Open the queue again and choose the parcels there."),
        ({"chosen": [str(uuid7()) for _each in range(101)]}, "At most 100 parcels at once."),
    ],
)
def test_a_batch_that_cannot_be_read_ships_nothing_and_says_why(
    client: Client, order: RedemptionOrder, sent: dict[str, object], told: str
) -> None:
    data = {"chosen": [lines(order)[0].pk], "carrier": "DHL", **sent}
    assert told in client.post(f"{DESK}batch/", data, follow=True).content.decode()
    assert not Shipment.objects.exists()
    if "chosen" in sent:
        paper = client.post(f"{DESK}paper/pick-list/", data, follow=True)
        assert told in paper.content.decode()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "Type how many."),
        (" ", "Enter a whole number."),
        ("1.5", "Enter a whole number."),
        ("1\0", "Enter a whole number."),
        ("-1", "greater than or equal to 0"),
        ("3", "less than or equal to 2"),
        ("0", "1 piece sent with DHL."),
        ("1", "2 pieces sent with DHL."),
        ("١", "2 pieces sent with DHL."),  # an Arabic one
    ],
)
def test_what_is_typed_for_the_units_is_sent_or_refused_and_never_guessed(
    client: Client, order: RedemptionOrder, typed: str, told: str
) -> None:
    mug, book = lines(order)
    units = {f"units-{mug.pk}": typed, f"units-{book.pk}": 1}
    assert told in do(client, order, "ship", seen=state(client, order), carrier="DHL", **units)
    assert Shipment.objects.exists() == ("sent with" in told)


def test_a_parcel_of_no_units_is_not_sent(client: Client, order: RedemptionOrder) -> None:
    units = {f"units-{line.pk}": 0 for line in lines(order)}
    page = do(client, order, "ship", seen=state(client, order), carrier="DHL", **units)
    assert "There is nothing to ship." in page
    assert not Shipment.objects.exists()


def test_a_form_of_somebody_elses_parcel_is_refused_with_the_reason_whatever_is_in_it(
    client: Client, order: RedemptionOrder
) -> None:
    do(client, order, "hold", reason="the label is torn")
    assert "This parcel is on hold" in do(client, order, "ship", carrier="")
    do(client, order, "release")
    colleague = staff("fulfillment")
    do(browser(colleague), order, "claim")
    refused = do(client, order, "ship", carrier="")
    assert f"{colleague} is working on this one. Take it over first." in refused
    assert "Choose who" not in refused
    assert not Shipment.objects.exists()


def test_who_may_only_look_is_offered_nothing_and_told_who_may(order: RedemptionOrder) -> None:
    looker = browser(staff("support"))
    page = looker.get(parcel(order)).content.decode()
    assert "do/ship/" not in page
    for verb in ("claim", "ship", "deliver", "return", "cannot_supply", "tell"):
        assert "The groups fulfillment and warehouse have it." in do(looker, order, verb)
    begun = looker.post(f"{DESK}next/", follow=True).content.decode()
    assert "The groups fulfillment and warehouse have it." in begun
    assert browser(staff("catalogue")).get(DESK).status_code == 403
    assert looker.get(f"{DESK}{order.pk}/").status_code == 404
    assert looker.post(f"{parcel(order)}do/nothing/").status_code == 404


def test_the_queue_is_read_in_as_many_queries_whatever_its_length(client: Client) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as counted:
            client.get(path)
        return len(counted)

    for _number in range(3):
        order = confirmed_order((ProductFactory.create(), 1))
    client.get(DESK)  # the counts of the menu are remembered
    few = queries(DESK), queries(parcel(order))
    for _number in range(20):
        confirmed_order((ProductFactory.create(), 1))
    assert (queries(DESK), queries(parcel(order))) == few
    assert max(few) <= 12


def test_the_queue_goes_on_where_its_page_ended(client: Client) -> None:
    orders = [confirmed_order((ProductFactory.create(), 1)) for _number in range(22)]
    for at, order in enumerate(orders):
        when = timezone.now() + timedelta(hours=at // 2)  # two at the same moment
        Fulfillment.objects.filter(label=order.order_number).update(promised_by=when)
    first = client.get(DESK)
    rest = client.get(DESK, {"after": first.context["after"]})
    shown = [row.head.label for page in (first, rest) for row, *_look in page.context["queue"]]
    assert len(shown) == len(set(shown)) == 22
    assert not rest.context["after"]
    for nonsense in ("x", "2026-01-01_x", "2026-13-01T00:00:00+00:00_1", "_"):
        assert len(client.get(DESK, {"after": nonsense}).context["queue"]) == 20


def test_the_queue_is_read_by_its_indexes_beside_what_was_sent_long_ago(
    packer: User, order: RedemptionOrder
) -> None:
    line = lines(order)[0]
    rows = []
    for number in range(5_000):
        line.pk, line.reference, line.parcel_key = uuid7(), uuid7(), uuid7().hex
        line.status = FulfillmentStatus.DELIVERED if number % 20 else FulfillmentStatus.QUEUED
        rows.append(copy(line))
    Fulfillment.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE fulfillment_fulfillment")
    for which in SHOWN + AGES:
        assert "Seq Scan" not in shown(Actor.person(packer), which)[:20].explain()


# --- Several parcels, each with its number --------------------------------------------------

NUMBERS = ("1Z5R89390357567127", "1Z999AA10123456784")


def page_of_numbers(client: Client, *orders: RedemptionOrder) -> dict[str, list[str]]:
    """What the page for the numbers of these parcels would send, without a number."""
    chosen = [str(lines(each)[0].pk) for each in orders]
    page = client.post(f"{DESK}numbers/", {"chosen": chosen, "carrier": "UPS"})
    assert page.status_code == 200
    parcels = page.context["parcels"]
    form = {f"seen-{each.head.pk}": [each.seen] for each in parcels}
    return {"chosen": [str(each.head.pk) for each in parcels], "carrier": ["UPS"], **form}


def ship_numbered(client: Client, form: dict[str, list[str]], *numbers: str, **more: str) -> Any:
    said = {f"number-{key}": number for key, number in zip(form["chosen"], numbers, strict=False)}
    return client.post(f"{DESK}numbers/ship/", {**form, **said, **more}, follow=True)


@pytest.fixture
def two(order: RedemptionOrder) -> tuple[RedemptionOrder, RedemptionOrder]:
    return order, confirmed_order((ProductFactory.create(), 1))


def test_each_parcel_of_a_batch_gets_its_own_number(
    client: Client, two: tuple[RedemptionOrder, RedemptionOrder]
) -> None:
    form = page_of_numbers(client, *two)
    page = ship_numbered(client, form, *NUMBERS)
    assert "2 parcels sent." in page.text
    sent = Shipment.objects.values_list("tracking_number", "lines__fulfillment__label")
    first, second = (Fulfillment.objects.get(pk=key).label for key in form["chosen"])
    assert set(sent) == {(NUMBERS[0], first), (NUMBERS[1], second)}
    # The same form again sends nothing twice.
    assert (
        "2 of the parcels were sent or given up meanwhile."
        in ship_numbered(client, form, *NUMBERS).text
    )
    assert Shipment.objects.count() == 2


def test_pasted_numbers_go_to_the_parcels_in_their_order(
    client: Client, two: tuple[RedemptionOrder, RedemptionOrder]
) -> None:
    form = page_of_numbers(client, *two)
    pasted = "\r\n".join(NUMBERS)
    shown = ship_numbered(client, form, pasted=pasted, do="spread")
    assert [each.number for each in shown.context["parcels"]] == list(NUMBERS)
    assert not Shipment.objects.exists()
    assert "2 parcels sent." in ship_numbered(client, form, pasted=pasted).text


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((NUMBERS[0], "1Z5R89390357567128"), "its form or its check digit is wrong"),
        ((NUMBERS[0], "1z5r89390357567127"), "This number stands here twice."),
        ((NUMBERS[0], "9" * 121), "at most 120 characters"),
        ((NUMBERS[0], "3318810025"), "its form or its check digit is wrong"),  # DHL's
    ],
)
def test_nothing_of_a_batch_is_sent_while_a_number_is_wrong(
    client: Client,
    two: tuple[RedemptionOrder, RedemptionOrder],
    numbers: tuple[str, str],
    told: str,
) -> None:
    page = ship_numbered(client, page_of_numbers(client, *two), *numbers)
    assert page.status_code == 422
    assert told in page.text
    assert not Shipment.objects.exists()


def test_a_doubtful_number_is_sent_once_somebody_says_that_it_is_right(
    client: Client, order: RedemptionOrder
) -> None:
    form = page_of_numbers(client, order)
    sure = {f"sure-{form['chosen'][0]}": "on"}
    assert "1 parcel sent." in ship_numbered(client, form, "1Z5R89390357567128", **sure).text


def test_a_parcel_without_a_number_stays_in_the_queue(
    client: Client, two: tuple[RedemptionOrder, RedemptionOrder]
) -> None:
    page = ship_numbered(client, page_of_numbers(client, *two), NUMBERS[0])
    assert "1 parcel sent." in page.text
    assert "1 parcel without a number was left in the queue. It is yours." in page.text


def test_a_colleagues_parcel_and_one_that_changed_are_left_out_of_a_batch(
    client: Client, two: tuple[RedemptionOrder, RedemptionOrder]
) -> None:
    mine, theirs = two
    do(browser(staff("fulfillment")), theirs, "claim")
    form = page_of_numbers(client, *two)
    assert len(form["chosen"]) == 1
    line = lines(mine)[0]
    gave_up = {"line": line.pk, "quantity": 1, "reason": "Torn", "seen": state(client, mine)}
    do(client, mine, "cannot_supply", **gave_up)
    page = ship_numbered(client, form, NUMBERS[0])
    assert "Somebody has worked on this since the page was made." in page.text
    assert not Shipment.objects.exists()


def test_who_may_only_look_ships_no_batch(order: RedemptionOrder) -> None:
    auditor = browser(staff("auditor"))
    chosen = {"chosen": [lines(order)[0].pk], "carrier": "UPS"}
    for page in ("numbers/", "numbers/ship/"):
        assert auditor.post(f"{DESK}{page}", chosen).status_code == 403
        assert auditor.get(f"{DESK}{page}").status_code == 302
    assert (
        "Choose parcels"
        in browser(staff("fulfillment"))
        .post(f"{DESK}numbers/", {"carrier": "UPS"}, follow=True)
        .text
    )
