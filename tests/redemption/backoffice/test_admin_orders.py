"""Orders in the admin: everything can be read, nothing edited; retry and cancel."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from fulfillment.models import VirtualCode
from inventory.models import Inventory
from loyalty_portal.admin_site import lists
from redemption.incidents.services import raise_incident
from redemption.models import Callback, CallbackState, Letter, LoyaltyTransaction, RedemptionOrder
from redemption.saga.steps import flag
from redemption.states import IncidentKind, OrderStatus, TransactionStatus
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.support.orders.order_kinds import confirmed_order, parcel_of, placed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
LIST = "/admin/redemption/redemptionorder/"


def page_of(order: RedemptionOrder) -> str:
    return reverse("admin:redemption_redemptionorder_change", args=[order.pk])


def address(order: RedemptionOrder, verb: str) -> str:
    return reverse("admin:redemption_redemptionorder_do", args=[order.pk, verb])


def unclear_order() -> RedemptionOrder:
    """An order whose debit has no known outcome and is repeated in an hour."""
    order = placed_order((ProductFactory.create(), 1))
    debit = order.transactions.get()
    debit.transition(TransactionStatus.SENT, attempts=1)
    debit.transition(
        TransactionStatus.UNKNOWN,
        answer_detail="no answer in time",
        next_attempt_at=timezone.now() + timedelta(hours=1),
    )
    flag(order, "No answer for an hour.", kind=IncidentKind.HORIZON, about=debit)
    return order


def test_the_orders_page_shows_all_that_belongs_to_it() -> None:
    order = confirmed_order(
        (ProductFactory.create(name="Teapot"), 2), (ProductFactory.create(virtual=True), 1)
    )
    debit = order.transactions.get()
    page = browser(staff("support")).get(page_of(order)).content.decode()
    letter = Letter.objects.get(order=order)
    for shown in (
        order.order_number, order.company.name, "2 × Teapot", debit.key,
        debit.external_transaction_id, "-3,000", letter.to, "Order confirmed", "fulfill:",
        "The points were taken.", order.account_manager.user.name,
    ):  # fmt: skip
        assert shown in page


def test_an_unclear_debit_shows_its_tries_its_answer_and_its_next_try() -> None:
    order = unclear_order()
    page = browser(staff("finance")).get(page_of(order)).content.decode()
    for shown in (
        "No clear answer yet",
        "no answer in time",
        "1 try",
        "next",
        "No answer for an hour.",
    ):
        assert shown in page


def test_retry_makes_the_orders_open_work_due_now() -> None:
    order, clerk = unclear_order(), staff("support")
    page = browser(clerk).post(address(order, "retry"), follow=True)
    assert "due now" in page.content.decode()
    assert LoyaltyTransaction.objects.due().filter(order=order).exists()
    assert order.events.filter(by=clerk).exists()


def test_retry_is_offered_only_while_something_is_open() -> None:
    order, client = unclear_order(), browser(staff("support"))
    assert address(order, "retry") in client.get(page_of(order)).content.decode()
    letter = Letter.objects.create(order=order, kind="confirmed", to="a@b.example", key="k")
    order.transactions.get().transition(TransactionStatus.NEEDS_REVIEW, next_attempt_at=None)
    assert address(order, "retry") in client.get(page_of(order)).content.decode()
    letter.sent_at = timezone.now()
    letter.save()
    page = client.get(page_of(order)).content.decode()
    assert address(order, "retry") not in page
    assert address(order, "unflag") in page


def test_retry_works_for_many_from_the_list() -> None:
    orders = [unclear_order(), unclear_order()]
    data = {"action": "retry_rows", "_selected_action": [str(order.pk) for order in orders]}
    page = browser(staff("support")).post(LIST, data, follow=True)
    assert "due now" in page.content.decode()
    assert LoyaltyTransaction.objects.due().count() == 2


def test_an_action_that_is_no_job_refuses_more_rows_than_it_can_work_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders = [unclear_order() for _each in range(3)]
    client, due = browser(staff("support")), LoyaltyTransaction.objects.due()
    before = due.count()
    chosen = {"action": "retry_rows", "_selected_action": orders[0].pk, "select_across": "1"}
    # replaced: so that a few rows are a long list
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    assert "Select all that is found" not in client.get(LIST).text
    answer = client.post(LIST, chosen, follow=True)
    assert "At most 2 at once. Nothing was changed." in answer.text
    assert due.count() == before
    # replaced: so that a few rows are a long list
    monkeypatch.setattr(lists, "MOST_COUNTED", 3)
    client.post(LIST, chosen)
    assert due.count() == 3


def test_cancelling_says_what_happens_now_and_records_who_and_why() -> None:
    order, clerk = confirmed_order((ProductFactory.create(in_stock=5), 2)), staff("support")
    page = browser(clerk).post(address(order, "cancel"), {"reason": "Ordered twice"}, follow=True)
    assert "points go back to the company’s account" in page.content.decode()
    assert order.events.filter(by=clerk, reason="Ordered twice").exists()
    stock = Inventory.objects.get()
    assert (stock.quantity_available, stock.quantity_reserved) == (5, 0)


def test_cancelling_needs_a_reason() -> None:
    order = placed_order((ProductFactory.create(), 1))
    answer = browser(staff("support")).post(address(order, "cancel"), {"reason": ""})
    assert answer.status_code == 422
    order.refresh_from_db()
    assert order.status == OrderStatus.PENDING


def test_what_cannot_be_cancelled_any_more_is_refused_with_a_sentence() -> None:
    order = confirmed_order((ProductFactory.create(), 1))
    packer = browser(staff("warehouse"))
    packer.post(reverse("admin:fulfillment_fulfillment_do", args=[parcel_of(order).pk, "pack"]))
    clerk = browser(staff("support"))
    assert "Cancel the order" not in clerk.get(page_of(order)).content.decode()
    answer = clerk.post(address(order, "cancel"), {"reason": "Too late?"})
    assert answer.status_code == 422
    assert "cannot be cancelled any more: it is packed." in answer.content.decode()
    assert "Too late?" in answer.content.decode()


def test_attention_is_ended_by_somebody_who_has_looked() -> None:
    order, clerk = unclear_order(), staff("support")
    browser(clerk).post(address(order, "unflag"))
    order.refresh_from_db()
    assert not order.needs_attention
    assert order.events.filter(by=clerk, reason__contains="No answer for an hour.").exists()


@pytest.mark.parametrize("group", ["finance", "auditor"])
def test_who_may_only_look_sees_no_buttons_and_is_refused(group: str) -> None:
    order, client = unclear_order(), browser(staff(group))
    page = client.get(page_of(order)).content.decode()
    assert set(re.findall("/do/([a-z_]+)/", page)) <= {"note"}
    for verb in ("retry", "unflag", "cancel"):
        assert client.post(address(order, verb), {"reason": "x"}).status_code == 403
    data = {"action": "retry_rows", "_selected_action": [str(order.pk)]}
    client.post(LIST, data)
    assert not LoyaltyTransaction.objects.due().exists()


def test_nothing_of_an_order_can_be_posted_added_or_deleted() -> None:
    order, client = placed_order((ProductFactory.create(), 1)), browser(staff("support"))
    assert client.post(page_of(order), {"status": "COMPLETED"}).status_code == 405
    assert client.get(LIST + "add/").status_code == 403
    assert client.post(page_of(order).replace("change", "delete")).status_code == 403
    for kind, row in (
        ("loyaltytransaction", order.transactions.get()),
        (
            "callback",
            Callback.objects.create(webhook_id="m", event_type="e", reference="r", body=""),
        ),
    ):
        page = reverse(f"admin:redemption_{kind}_change", args=[row.pk])
        assert client.get(page).status_code == 200
        assert client.post(page, {"status": "SUCCEEDED"}).status_code in {403, 405}


def test_codes_and_the_bodies_of_callbacks_are_never_shown() -> None:
    order = confirmed_order((ProductFactory.create(virtual=True), 1))
    VirtualCode.objects.create(
        fulfillment=parcel_of(order), position=1, code="SECRET-CODE", pin="SECRET-PIN"
    )
    callback = Callback.objects.create(
        webhook_id="m1", event_type="fulfillment.delivered", reference="r", body="SECRET-BODY"
    )
    client = browser(staff("support", "auditor"))
    pages = [
        page_of(order), LIST, reverse("admin:redemption_callback_changelist"),
        reverse("admin:redemption_callback_change", args=[callback.pk]),
    ]  # fmt: skip
    for there in pages:
        page = client.get(there)
        assert page.status_code == 200
        assert "SECRET" not in page.content.decode()


def test_orders_that_need_somebody_and_unclear_points_are_found_by_their_filters() -> None:
    troubled, quiet = unclear_order(), placed_order((ProductFactory.create(), 1))
    client = browser(staff("support"))
    found = client.get(LIST, {"needs_attention__exact": "1"}).context["cl"].result_list
    assert list(found) == [troubled]
    points = reverse("admin:redemption_loyaltytransaction_changelist")
    unclear = client.get(points, {"outcome": "unclear"}).context["cl"].result_list
    assert list(unclear) == [troubled.transactions.get()]
    assert client.get(LIST, {"q": quiet.order_number}).context["cl"].result_count == 1


def test_the_overview_counts_what_needs_somebody_and_leads_there() -> None:
    unclear_order()
    confirmed_order((ProductFactory.create(in_stock=1), 1))
    Letter.objects.update(problem="no such mailbox")
    Callback.objects.create(
        webhook_id="m", event_type="e", reference="r", body="", state=CallbackState.PUZZLING
    )
    client = browser(staff("auditor"))
    page = client.get("/admin/")
    cards = {card.title: card for _title, cards in page.context["groups"] for card in cards}
    numbers = {title: card.number for title, card in cards.items()}
    assert numbers == {
        "Late": 0, "Within a day": 0, "Later": 1, "Attention": 1, "Unclear or due": 1, "Out": 1,
        "Low": 0, "Letters": 1, "Letters to people": 0, "Callbacks": 1, "Open": 1,
    }  # fmt: skip
    # The others lead to pages of jobs (test_home.py).
    for title in ("Attention", "Out", "Low", "Letters", "Letters to people", "Callbacks"):
        shown = client.get(cards[title].href).context["cl"]
        assert shown.result_count == cards[title].number, title


def test_the_overview_leads_to_what_its_lists_leave_out() -> None:
    for number in range(8):
        key, facts = f"stuck:{number}", {"status": str(number)}  # each a cause of its own
        raise_incident(kind=IncidentKind.STUCK_ORDER, key=key, what="Odd.", facts=facts)
    client = browser(staff("auditor"))
    page = client.get("/admin/")
    [worst] = [each for each in page.context["lists"] if "worst first" in each.title]
    assert (len(worst.lines), worst.more) == (6, 2)
    told = page.content.decode()
    assert f'href="{worst.href}">2 more</a>' in told
    assert " more</a>" not in told.replace("2 more</a>", "")


def test_the_overview_of_a_packer_says_nothing_about_points() -> None:
    page = browser(staff("fulfillment")).get("/admin/")
    assert {title for title, _cards in page.context["groups"]} == {"Desk", "Stock"}
    assert "orders" not in page.context


def test_lists_and_the_orders_page_take_few_queries(django_assert_max_num_queries: Any) -> None:
    seat = SeatFactory.create(company=CompanyFactory.create())
    products = [ProductFactory.create(in_stock=500) for _number in range(6)]
    orders = [confirmed_order((products[0], 1), seat=seat) for _number in range(50)]
    big = confirmed_order(*[(product, 2) for product in products], seat=seat)
    client = browser(staff("support"))
    kinds = ("redemptionorder", "loyaltytransaction", "letter", "callback")
    lists = [reverse(f"admin:redemption_{kind}_changelist") for kind in kinds]
    client.get(lists[0])
    for there in [*lists, "/admin/", page_of(orders[0]), page_of(big)]:
        with django_assert_max_num_queries(21 if there == "/admin/" else 17):
            assert client.get(there).status_code == 200
