"""What an order's page says about its end agrees with what happened."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager
from accounts.selectors import told_as
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.partner import Report, ReportStatus
from fulfillment.virtual import saga as virtual
from fulfillment.virtual.services import hear_answer
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.checkout.approvals.deciding import reject
from redemption.messages.notifications import compose
from redemption.models import Letter, RedemptionOrder
from redemption.models.badges import line_look, order_look
from redemption.orders.actions.cancelling import cancel
from redemption.orders.facts import facts_of
from redemption.orders.steps.standing import standing_of
from redemption.saga.steps import drop_order, locked
from redemption.saga.transactions import settle_transaction
from redemption.states import LineStatus, OrderStatus, TransactionStatus
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid, placed, settle
from tests.redemption.pages import now, said, timeline
from tests.redemption.world import World, make_all_due
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000, company__name="Northwind", user__name="Ada")


@pytest.fixture
def book() -> Product:
    return ProductFactory.create(name="Bicycles", points_cost=1_500)


def words(order: RedemptionOrder) -> tuple[str, list[str]]:
    """The badge of the order, and those of its lines."""
    seen = now(order)
    items = list(seen.items.all())
    shown = order_look(seen, items, list(seen.transactions.all()))
    return str(shown.word), [str(line_look(item, "UTC").word) for item in items]


def given_up(order: RedemptionOrder, sku: str) -> None:
    item = order.items.get(sku=sku)
    desk.cannot_supply(
        fulfillment=Fulfillment.objects.get(reference=item.pk),
        quantity=None,
        reason="Out of print",
        by=Actor.person(order.account_manager.user),
    )


def credits_settled(order: RedemptionOrder) -> None:
    for credit in order.transactions.filter(transaction_type="CREDIT"):
        settle(credit)


# --- A refused credit ---------------------------------------------------------------------------


def test_points_that_the_partner_refuses_to_give_back_are_said_to_be_refused_and_owed(
    client_for: SignIn, world: World
) -> None:
    order = world.place((world.product(points=1_000), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("credit", "refuse", code="account_closed", times=1)
    settle_transaction(world.credits(order)[0].pk)
    step = next(step for step in timeline(order) if "owed" in step.title)
    assert step.title == f"1,000 points are still owed to {world.company.name}"
    assert "The loyalty system refused to give them back. A person is sorting it out" in step.text
    page = said(client_for(world.seat).get(order.get_absolute_url()))
    assert "Refused by the loyalty system; still owed" in page
    for untrue in ("no clear answer", "Not clear yet", "finding out what happened"):
        assert untrue not in page
    assert "account_closed" not in page


def test_a_credit_without_a_clear_answer_is_not_said_to_be_refused(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1))
    cancel(order=order, by=Actor.in_seat(seat), reason="")
    credit = order.transactions.get(transaction_type="CREDIT")
    for status in ("SENT", "UNKNOWN", "NEEDS_REVIEW"):
        credit.transition(TransactionStatus(status))
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "The loyalty system gave no clear answer" in page
    assert "Not clear yet: given back?" in page
    assert "still owed" not in page


# --- The end of the story -----------------------------------------------------------------------


def test_an_order_that_could_not_be_supplied_is_nowhere_said_to_be_cancelled(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1))
    given_up(order, book.sku)
    credits_settled(order)
    assert words(order) == ("Could not be supplied", ["Could not be supplied"])
    last = timeline(order)[-1]
    assert (last.title, last.text) == ("Could not be supplied", "All points are back.")
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "Cancelled" not in page.partition('id="order"')[2]
    assert "Nothing of it could be supplied." in page
    letter = compose(Letter.objects.get(order=order, kind="cancelled"))
    assert letter.subject == f"Order {order.order_number} could not be supplied"
    assert "cancelled" not in letter.body.lower()


def test_an_order_of_which_a_part_was_cancelled_and_a_part_could_not_be_supplied_says_both(
    seat: AccountManager, book: Product
) -> None:
    lamp = ProductFactory.create(name="Lamp", points_cost=500)
    order = paid(seat, (book, 1), (lamp, 1))
    given_up(order, book.sku)
    cancel(order=now(order), by=Actor.in_seat(seat), reason="")
    credits_settled(order)
    word, lines = words(order)
    assert word == timeline(order)[-1].title == "Nothing was delivered"
    assert standing_of(facts_of(now(order))) == "Nothing of it was delivered."
    assert sorted(lines) == ["Cancelled", "Could not be supplied"]


def test_an_order_that_was_cancelled_ends_cancelled(seat: AccountManager, book: Product) -> None:
    order = paid(seat, (book, 1))
    cancel(order=order, by=Actor.in_seat(seat), reason="")
    credits_settled(order)
    assert words(order) == ("Cancelled", ["Cancelled"])
    assert [step.title for step in timeline(order)][-1] == "Cancelled"


@pytest.mark.parametrize("end", ["Declined", "Not approved", "Withdrawn", "Approval ran out"])
def test_a_line_of_an_order_that_never_began_is_not_cancelled(
    client_for: SignIn, seat: AccountManager, book: Product, end: str
) -> None:
    if end != "Declined":
        seat.company.approval_threshold = 100
        seat.company.save()
    order = placed(seat, (book, 1))
    if end == "Declined":
        settle(order.transactions.get(), refused="insufficient_points")
    elif end == "Withdrawn":
        cancel(order=order, by=Actor.in_seat(seat), reason="")
    elif end == "Not approved":
        other = SeatFactory.create(company=seat.company, role="approver")
        reject(order=order, by=Actor.in_seat(other), reason="Not this year")
    else:
        with transaction.atomic():
            drop_order(locked(order.pk), OrderStatus.EXPIRED, by=SYSTEM, reason="Nobody decided")
    assert order.items.get().fulfillment_status == LineStatus.CANCELLED
    assert words(order) == (end, [end])
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "Cancelled" not in page.partition('id="order"')[2]
    if end in {"Not approved", "Withdrawn"}:
        who = told_as(
            order.account_manager.user if end == "Withdrawn" else other.user, seat.company_id
        )
        assert f"<p>{end} by {who}, " in page
    back_office = browser(staff("finance"))
    record = said(back_office.get(f"/admin/redemption/redemptionorder/{order.pk}/change/"))
    assert f"{end} · {book.sku}" in record


# --- A partner's codes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("out_of_stock", "The supplier has none left."),
        ("E_4711_odd", "The supplier could not deliver it."),
    ],
)
@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "failed"])
def test_whoever_ordered_reads_a_sentence_and_only_staff_the_partners_code(
    client_for: SignIn, world: World, refuses: bool, code: str, sentence: str
) -> None:
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    if refuses:
        world.partners.fault("fulfill", "refuse", code=code)
    virtual.ask(PartnerCall.objects.get().pk)
    if not refuses:
        fails(order, code)
    step = next(step for step in timeline(order) if "could not be supplied" in step.title)
    assert step.text == f"{sentence} Its points are on their way back."
    settle_transaction(world.credits(order)[0].pk)
    page = said(client_for(world.seat).get(order.get_absolute_url()))
    assert sentence in page
    letters = "".join(str(compose(letter).body) for letter in Letter.objects.filter(order=order))
    assert code not in page + letters
    back_office = browser(staff("finance"))
    for there in (f"redemptionorder/{order.pk}", f"orderitem/{order.items.get().pk}"):
        assert code in said(back_office.get(f"/admin/redemption/{there}/change/"))


def fails(order: RedemptionOrder, code: str) -> None:
    """Let the partner answer that the order's only line failed, with this reason."""
    with transaction.atomic():
        held = desk.locked(Fulfillment.objects.get(label=order.order_number))
        report = Report(
            held.partner_id, str(held.pk), ReportStatus.FAILED, timezone.now(), code, ()
        )
        hear_answer(held=held, report=report)


def test_a_company_reads_why_its_points_were_not_taken_in_the_letter_too(world: World) -> None:
    order = world.place((world.product(), 1))
    world.partners.fault("debit", "refuse", code="account_closed")
    settle_transaction(world.debit(order).pk)
    letter = compose(Letter.objects.get(order=order, kind="declined"))
    assert "The account is closed. Your programme can say why." in letter.body
    assert "account_closed" not in letter.body


def test_an_order_cancelled_before_its_debit_was_refused_shows_no_code(
    client_for: SignIn, world: World
) -> None:
    world.partners.fault("debit", "error_500_before")
    order = world.place((world.product(), 1))
    settle_transaction(world.debit(order).pk)
    cancel(order=order, by=Actor.in_seat(world.seat), reason="")
    world.partners.fault("debit", "refuse", code="account_closed")
    make_all_due()
    settle_transaction(world.debit(order).pk)
    page = said(client_for(world.seat).get(order.get_absolute_url()))
    assert timeline(order)[-1].title == "Cancelled"
    assert "account_closed" not in page
