"""Staff order for a seat that asked by phone: by the seat's rules, once, and never approved by them."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountManager, KnownBalance, Role, User
from catalog.models import Product
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from redemption.checkout.approvals.deciding import approve, reject
from redemption.messages.notifications import compose
from redemption.models import LetterKind, OrderNote, RedemptionOrder
from redemption.orders.facts import facts_of, order_of
from redemption.orders.timeline import timeline_of
from redemption.permissions import decidable, may_decide
from redemption.saga.steps import RedemptionError
from redemption.states import OrderStatus
from tests.accounts.access.making import new_key
from tests.redemption.factories import settle
from tests.redemption.world import RECIPIENT, World
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
ASKED = "Ms Hopper by phone, 14:10"
SignIn = Callable[[AccountManager], Client]


def page_of(seat: AccountManager) -> str:
    return reverse("admin:redemption_order_for_seat", args=[seat.pk])


def text(answer: Any) -> str:
    return answer.content.decode()


def hidden(answer: Any) -> dict[str, str]:
    """The hidden fields of a page, as the browser sends them back."""
    fields = re.findall(r"<input[^>]*>", text(answer))
    found = {}
    for each in fields:
        parts = dict(re.findall(r'(\w+)="([^"]*)"', each))
        if parts.get("type") == "hidden" and parts["name"] != "csrfmiddlewaretoken":
            found[parts["name"]] = parts.get("value", "").replace("&quot;", '"')
    return found


def typed(*wanted: tuple[Product, int], **changes: str) -> dict[str, str]:
    said = {f"all-{name}": value for name, value in RECIPIENT.items()}
    for number, (product, pieces) in enumerate(wanted):
        said |= {f"{number}-sku": product.sku.lower(), f"{number}-quantity": str(pieces)}
    return {**said, "asked": ASKED, "reference": "", "note": "", **changes}


def opened(client: Client, seat: AccountManager) -> dict[str, str]:
    """The hidden fields of a fresh form."""
    return hidden(client.get(page_of(seat), follow=True))


def previewed(client: Client, seat: AccountManager, said: dict[str, str]) -> dict[str, str]:
    """What the browser sends with “Place the order”, after the preview."""
    answer = client.post(page_of(seat), {**opened(client, seat), **said, "do": "check"})
    assert answer.status_code == 200, text(answer)
    return {**said, **hidden(answer), "do": "place"}


def placed_by(helper: User, seat: AccountManager, *wanted: tuple[Product, int]) -> RedemptionOrder:
    client = browser(helper)
    answer = client.post(page_of(seat), previewed(client, seat, typed(*wanted)))
    assert answer.status_code == 303, text(answer)
    return RedemptionOrder.objects.latest("created_at")


def test_support_orders_for_a_seat_and_everybody_can_see_that_they_did(
    world: World, client_for: SignIn
) -> None:
    book, card, helper = world.product(points=1_000), world.virtual(points=500), staff("support")
    client = browser(helper)
    chosen = client.get(reverse("admin:redemption_order_for_company"), {"company": "northwind"})
    assert page_of(world.seat) in text(chosen)
    own = {"1-recipient_name": "Bo Lund", "1-recipient_email": "bo@northwind.example"}
    said = typed((book, 2), (card, 1), reference="CC-7", note="For the fair", **own)
    preview = client.post(
        page_of(world.seat), {**opened(client, world.seat), **said, "do": "check"}
    )
    assert re.findall(r"2,500|100,000|97,500", text(preview)), text(preview)
    assert not RedemptionOrder.objects.exists()
    sent = {**said, **hidden(preview), "do": "place"}
    done = client.post(page_of(world.seat), sent)
    order = RedemptionOrder.objects.get()
    assert done["Location"] == reverse("admin:redemption_redemptionorder_change", args=[order.pk])
    assert (order.account_manager, order.placed_by, order.total_points) == (
        world.seat, helper, 2_500,
    )  # fmt: skip
    assert (order.status, order.reference, order.note) == (
        OrderStatus.PENDING, "CC-7", "For the fair",
    )  # fmt: skip
    assert [line.recipient_name for line in order.items.order_by("id")] == ["Ada Byron", "Bo Lund"]
    assert order.events.filter(subject="ORDER").get().by == helper
    # For staff: the order's page, who asked, and the trail.
    assert f"placed by {helper} as staff" in text(client.get(done["Location"]))
    note = OrderNote.objects.get(order=order)
    assert (note.text, note.by) == (ASKED, helper)
    entry = TrailEntry.objects.get(kind=TrailKind.ORDERED_FOR)
    assert (entry.by, entry.key, entry.facts["seat"]) == (helper, str(order.pk), str(world.seat.pk))
    # For the company: its order page, without who asked, and a letter.
    page = text(client_for(world.seat).get(order.get_absolute_url()))
    assert "Ordered by the programme (support) for Grace Hopper, who asked for it" in page
    assert "Ordered by the programme at your company’s request" in page
    assert ASKED not in page
    letter = order.letters.get(kind=LetterKind.PLACED)
    told = compose(letter)
    assert (letter.to, told.subject) == (
        world.seat.email, f"Order {order.order_number} was placed for you",
    )  # fmt: skip
    assert "If that was not you" in told.body
    assert ASKED not in told.body
    settle(order.transactions.get())
    confirmed = compose(order.letters.get(kind=LetterKind.CONFIRMED))
    assert "Our staff placed this order" in confirmed.body


def test_one_form_places_one_order_pressed_twice_or_in_two_tabs_at_once(world: World) -> None:
    book, helper = world.product(), staff("support")
    client = browser(helper)
    sent = previewed(client, world.seat, typed((book, 1)))

    def press(_tab: int) -> int:
        try:
            tab = Client()
            tab.cookies = client.cookies
            return tab.post(page_of(world.seat), sent).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as tabs:
        assert list(tabs.map(press, range(4))) == [303] * 4
    order = RedemptionOrder.objects.get()
    assert order.letters.count() == order.staff_notes.count() == 1
    Product.objects.filter(pk=book.pk).update(points_cost=1, is_active=False)
    again = client.post(page_of(world.seat), sent, follow=True)
    assert "Nothing was ordered again" in text(again)
    # The address is that of the form: a copy of the tab shows what the form did.
    copy = client.get(page_of(world.seat), {"form": sent["token"]})
    assert order.order_number in text(copy)
    # Another seat's page with the token of this form orders nothing.
    other = world.new_seat(Role.OWNER)
    Product.objects.filter(pk=book.pk).update(is_active=True)
    stolen = {**previewed(client, other, typed((book, 1))), "token": sent["token"]}
    assert client.post(page_of(other), stolen).status_code == 422
    assert RedemptionOrder.objects.count() == 1


def test_the_company_approves_what_its_rules_say_and_never_who_placed_it(
    world: World, client_for: SignIn
) -> None:
    world.company.approval_threshold = 2_500
    world.company.save()
    book, helper = world.product(points=1_000), staff("support")
    first = placed_by(helper, world.seat, (book, 2))
    assert first.status == OrderStatus.PENDING
    # What staff place counts to the seat's window.
    client = browser(helper)
    sent = previewed(client, world.seat, typed((book, 1)))
    assert client.post(page_of(world.seat), sent).status_code == 303
    order = RedemptionOrder.objects.latest("created_at")
    assert order.status == OrderStatus.AWAITING_APPROVAL
    seats = {
        person: AccountManager.objects.create(company=world.company, user=person, role=Role.OWNER)
        for person in (helper, staff("support"))
    }
    own, other = (Actor.in_seat(seat) for seat in seats.values())
    assert (may_decide(own, order), may_decide(other, order)) == (False, True)
    for seat, number in zip(seats.values(), (0, 1), strict=True):
        rule = decidable(company_id=world.company.pk, user_id=seat.user_id)
        assert RedemptionOrder.objects.filter(rule, pk=order.pk).count() == number
    for decide in (approve, lambda **who: reject(reason="no", **who)):
        with pytest.raises(RedemptionError, match="You placed this order as staff"):
            decide(order=order, by=own)
        with pytest.raises(RedemptionError):
            decide(order=order, by=Actor.person(helper))
    page = client_for(seats[helper])
    assert page.post(f"{order.get_absolute_url()}approve/").status_code == 403
    listed = text(page.get("/approvals/"))
    assert "You placed this order as staff: another owner or approver decides." in listed
    assert "approve/" not in listed + text(page.get(order.get_absolute_url()))
    with pytest.raises(IntegrityError, match="order_approved_by_another"), transaction.atomic():
        RedemptionOrder.objects.filter(pk=order.pk).update(decided_by=helper, status="PENDING")
    approve(order=order, by=other)
    order.refresh_from_db()
    assert order.status == OrderStatus.PENDING


def test_what_changed_after_the_preview_is_told_and_nothing_is_lost(world: World) -> None:
    book, client = world.product(points=1_000, stocked=3), browser(staff("administrator"))
    sent = previewed(client, world.seat, typed((book, 2), note="Kept as typed"))
    here = page_of(world.seat)

    def refused(why: str, form: dict[str, str] = sent) -> None:
        answer = client.post(here, form)
        assert answer.status_code == 422
        assert why in text(answer), text(answer)
        assert "Kept as typed" in text(answer)
        assert f'value="{book.sku.lower()}"' in text(answer)
        assert not RedemptionOrder.objects.exists()

    Product.objects.filter(pk=book.pk).update(points_cost=1_200)
    refused("costs 1,200 points now, not 1,000")
    Product.objects.filter(pk=book.pk).update(points_cost=1_000, minimum_tier="PLATINUM")
    refused("This company may not redeem")
    Product.objects.filter(pk=book.pk).update(minimum_tier="BRONZE")
    stock = Product.objects.get(pk=book.pk).inventory
    type(stock).objects.filter(pk=stock.pk).update(quantity_available=1)
    refused("Only 1 are left; 2 are wanted.")
    type(stock).objects.filter(pk=stock.pk).update(quantity_available=3)
    refused("changed after the preview", {**sent, "0-quantity": "1"})
    refused("changed after the preview", {**sent, "all-city": "Potsdam"})
    for switch in (
        AccountManager.objects.filter(pk=world.seat.pk),
        type(world.company).objects.filter(pk=world.company.pk),
    ):
        switch.update(is_active=False)
        refused("switched off")
        switch.update(is_active=True)
    AccountManager.objects.filter(pk=world.seat.pk).update(role=Role.VIEWER)
    refused("may look, and not order")
    AccountManager.objects.filter(pk=world.seat.pk).update(role=Role.BUYER)
    world.company.approval_threshold = 500
    world.company.save()
    refused("The page did not say so.")
    world.company.approval_threshold = None
    world.company.save()
    KnownBalance.objects.filter(company=world.company).update(
        points=1_500, fetched_at=timezone.now(), failed_at=None
    )
    refused("the company can spend 1,500")
    KnownBalance.objects.filter(company=world.company).update(points=50_000)
    assert client.post(here, sent).status_code == 303


def test_a_problem_of_the_partner_or_a_pause_holds_it_as_in_the_portal(
    world: World, settings: Any
) -> None:
    book, client = world.product(), browser(staff("support"))
    sent = previewed(client, world.seat, typed((book, 1)))
    settings.PORTAL_PAUSED = True
    answer = client.post(page_of(world.seat), sent)
    assert answer.status_code == 422
    assert "Nothing can be redeemed at the moment" in text(answer)
    assert not RedemptionOrder.objects.exists()


def test_each_wrong_cell_is_named_and_a_product_is_found_by_its_words(world: World) -> None:
    book, card = world.product(), world.virtual()
    client = browser(staff("support"))
    here, form = page_of(world.seat), opened(client, world.seat)
    found = client.post(here, {**form, "asked": ASKED, "find": book.name, "do": "find"})
    assert f'value="add:{book.sku}"' in text(found)
    added = client.post(here, {**form, "asked": ASKED, "do": f"add:{book.sku}"})
    assert f'value="{book.sku}"' in text(added)
    out = client.post(here, {**form, **typed((book, 1), (card, 1)), "do": "remove:0"})
    assert book.sku.lower() not in text(out)
    wrong = {
        **typed((book, 1), (card, 1)), "asked": " ", "0-quantity": "many", "2-sku": "NO-SUCH",
        "all-recipient_email": "", "all-postcode": "x",
    }  # fmt: skip
    answer = client.post(here, {**form, **wrong, "do": "check"})
    assert answer.status_code == 422
    for told in (
        "Say who asked for the order, and when.",
        "Quantity must be a whole number",
        "“NO-SUCH”",
        "Enter the e-mail address that the codes go to.",
        "Nothing was ordered.",
    ):
        assert told in text(answer), told
    empty = client.post(here, {**form, "asked": ASKED, "do": "check"})
    assert "The list is empty" in text(empty)
    long = {f"{number}-sku": "x" for number in range(200)}
    assert client.post(here, {**form, **long, "do": "check"}).status_code == 422


def test_only_support_and_administrators_may_and_never_for_their_own_seat(world: World) -> None:
    for group in ("finance", "fulfillment", "auditor"):
        for there in (page_of(world.seat), reverse("admin:redemption_order_for_company")):
            answer = browser(staff(group)).get(there)
            assert answer.status_code == 403
            assert "The groups administrator and support have it." in text(answer)
    book, helper = world.product(), staff("support")
    own = AccountManager.objects.create(company=world.company, user=helper, role=Role.BUYER)
    client = browser(helper)
    answer = client.post(page_of(own), {**opened(client, own), **typed((book, 1)), "do": "check"})
    assert answer.status_code == 422
    assert "This is your own seat." in text(answer)


def test_the_seat_of_an_api_key_is_not_ordered_for(world: World) -> None:
    key = new_key(world.company).key
    client = browser(staff("support"))
    assert client.get(page_of(key.seat)).status_code == 404
    there = reverse("admin:redemption_order_for_company")
    found = text(client.get(there, {"company": world.company.name}))
    assert page_of(world.seat) in found
    assert page_of(key.seat) not in found


def test_an_order_of_the_seat_itself_says_nothing_of_staff(
    world: World, client_for: SignIn
) -> None:
    order = world.place((world.product(), 1))
    assert order.placed_by is None
    assert not order.letters.exists()
    found = order_of(Actor.in_seat(world.seat), order.order_number)
    assert found is not None
    assert timeline_of(facts_of(found))[0].title == "Ordered by Grace Hopper"
    assert "Ordered by the programme" not in text(
        client_for(world.seat).get(order.get_absolute_url())
    )
