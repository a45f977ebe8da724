"""“I did not get my code”: the partner sends it again where it can, and the company is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from accounts.models import AccountManager, Role
from fulfillment.models import PartnerCall, VirtualCode
from fulfillment.states import CallStatus
from fulfillment.virtual import saga
from loyalty_portal.data.actor import Actor
from redemption.invariants.checks import check_invariants
from redemption.messages.notifications import send_letter
from redemption.models import Letter, OrderItem, RedemptionOrder
from redemption.orders.actions import resending
from redemption.saga.steps import RedemptionError
from redemption.saga.transactions import settle_transaction
from tests.redemption.pages import said, timeline
from tests.redemption.world import World, make_all_due
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "ada.byron@elsewhere.example"
OLD = "ada@northwind.example"  # tests/redemption/world.py: RECIPIENT


@pytest.fixture
def resends(settings: Any) -> None:
    settings.FULFILLMENT_API_RESEND = True


@pytest.fixture
def card(world: World) -> OrderItem:
    """A delivered line of one card."""
    world.partners.dial(mode="instant", delay=0)
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    saga.ask(PartnerCall.objects.get().pk)
    return line_of(order)


def test_the_company_has_codes_sent_to_a_corrected_address_from_the_orders_page(
    world: World, card: OrderItem, resends: None
) -> None:
    buyer = browser(world.seat.user)
    there = card.order.get_absolute_url()
    assert "Send the codes again" in said(buyer.get(there))
    form = {"email": NEW, "reason": "A typo"}
    page = buyer.post(f"{there}lines/{card.pk}/resend/", form, follow=True)
    assert f"asked to send the codes to {NEW} once more" in said(page)
    assert PartnerCall.objects.filter(kind="RESEND").count() == 1
    page = buyer.post(f"{there}lines/{card.pk}/resend/", form, follow=True)
    assert "less than five minutes ago" in said(page)
    colleague = browser(world.new_seat(Role.BUYER).user)
    assert "Send the codes again" not in said(colleague.get(there))
    assert colleague.post(f"{there}lines/{card.pk}/resend/", form).status_code == 403
    other = world.place((world.virtual(points=500), 1)).items.get()
    assert buyer.post(f"{there}lines/{other.pk}/resend/", form).status_code == 404


def test_a_partner_that_cannot_is_not_offered(world: World, card: OrderItem) -> None:
    page = said(browser(world.seat.user).get(card.order.get_absolute_url()))
    assert "Send the codes again" not in page


def line_of(order: RedemptionOrder) -> OrderItem:
    return OrderItem.objects.select_related("order").get(order=order)


def resend(
    card: OrderItem, by: Actor, email: str = OLD, reason: str = "She did not get it."
) -> str:
    return resending.resend(item=card, email=email, reason=reason, by=by)


def clerk() -> Actor:
    return Actor.person(staff("support"))


def refused(card: OrderItem, by: Actor, **changes: str) -> str:
    with pytest.raises(RedemptionError) as problem:
        resend(card, by, **changes)
    return str(problem.value)


def call() -> PartnerCall:
    return PartnerCall.objects.filter(kind="RESEND").latest("created_at")


def letters(card: OrderItem) -> list[str]:
    """The texts of the letters about codes that were sent again."""
    for letter in Letter.objects.filter(order=card.order, kind="resent", sent_at=None):
        send_letter(letter.pk)
    told = ("again", "pass on")
    return [str(each.body) for each in mail.outbox if any(word in each.subject for word in told)]


def story(card: OrderItem) -> str:
    return " ".join(f"{step.title}: {step.text}" for step in timeline(card.order))


# --- By the partner ------------------------------------------------------------------------------


def test_the_partner_sends_the_codes_once_more_to_a_corrected_address(
    world: World, card: OrderItem, resends: None
) -> None:
    by, codes = clerk(), list(VirtualCode.objects.values_list("fingerprint", flat=True))
    assert "asked to send the codes to ada.byron@elsewhere.example" in resend(card, by, NEW)
    assert saga.ask(call().pk)
    assert call().status == CallStatus.SUCCEEDED
    assert len(world.partners.calls(operation="resend")) == 1
    assert NEW in call().body
    assert list(VirtualCode.objects.values_list("fingerprint", flat=True)) == codes
    event = card.order.events.filter(item=card, subject="NOTE").get()
    assert (event.by_id, event.reason) == (
        by.user_id, "Had the codes sent again, to a corrected address: She did not get it.",
    )  # fmt: skip
    [text] = letters(card)
    assert (
        f"the programme (support) asked our partner to send the codes of {card.product_name}"
        in text
    )
    assert NEW in text
    assert f"our partner was asked to send them to {NEW}, by the programme (support)" in story(card)
    secret = VirtualCode.objects.get().secret()
    assert secret not in text + story(card)
    assert check_invariants() == []


def test_a_resend_without_a_clear_answer_is_repeated_and_done_once(
    world: World, card: OrderItem, resends: None
) -> None:
    world.partners.fault("resend", "error_500_after", times=10)
    resend(card, clerk())
    saga.ask(call().pk)
    assert call().status == CallStatus.UNKNOWN
    world.partners.clear_faults()
    make_all_due()
    saga.ask(call().pk)
    assert call().status == CallStatus.SUCCEEDED
    keys = {each["idempotency_key"] for each in world.partners.calls(operation="resend")}
    assert keys == {f"resend:{call().pk}"}


def test_a_resend_that_stays_unclear_ends_and_the_company_is_told(
    world: World, card: OrderItem, resends: None
) -> None:
    world.partners.fault("resend", "error_500_before", times=10)
    resend(card, clerk())
    saga.ask(call().pk)
    PartnerCall.objects.filter(kind="RESEND").update(first_sent_at="2020-01-01T00:00:00Z")
    make_all_due()
    assert not saga.ask(call().pk)
    assert call().status == CallStatus.REFUSED
    told, sorry = letters(card)
    assert "asked our partner" in told
    assert "could not send the codes" in sorry
    card.order.refresh_from_db()
    assert not card.order.needs_attention


@pytest.mark.parametrize(
    "answer", [{"status": 501, "code": "no_resend"}, {"status": 404, "code": "x"}]
)
def test_a_partner_that_cannot_resend_is_believed_and_the_codes_can_be_shown(
    world: World, card: OrderItem, resends: None, answer: dict[str, Any]
) -> None:
    world.partners.fault("resend", "refuse", **answer)
    resend(card, clerk())
    saga.ask(call().pk)
    assert call().status == CallStatus.REFUSED
    _told, sorry = letters(card)
    assert "could not send the codes" in sorry
    assert "have it shown on the order’s page" in sorry
    assert "The codes could not be sent again" in story(card)


# --- By whoever ordered --------------------------------------------------------------------------


def test_without_a_partner_that_resends_whoever_ordered_is_asked_to_pass_the_codes_on(
    card: OrderItem,
) -> None:
    told, before = resend(card, clerk(), NEW), card.order.pulse
    card.order.refresh_from_db()
    assert card.order.pulse > before  # an open page shows it at the next look
    assert "gets a letter that asks to pass the codes on" in told
    assert not PartnerCall.objects.filter(kind="RESEND").exists()
    [text] = letters(card)
    assert f"Please pass them on to {NEW}" in text
    assert "have it shown on the order’s page" in text
    assert mail.outbox[-1].to == [card.order.account_manager.user.email]
    assert "Codes to be passed on" in story(card)


def test_codes_that_are_not_here_cannot_be_passed_on(card: OrderItem) -> None:
    VirtualCode.objects.all().delete()
    assert "cannot be asked to send them again" in refused(card, clerk())
    assert not Letter.objects.filter(kind="resent").exists()


def test_whoever_may_see_the_codes_may_have_them_sent_again_and_nobody_else(
    world: World, card: OrderItem
) -> None:
    colleague, viewer = world.new_seat(Role.BUYER), world.new_seat(Role.VIEWER)
    stranger = world.new_seat(Role.OWNER, world.new_company(points=1))
    for who in (colleague, viewer, stranger):
        assert "Your role" in refused(card, Actor.in_seat(who))
    for group in ("finance", "auditor", "fulfillment"):
        assert "Your role" in refused(card, Actor.person(staff(group)))
    owner = world.new_seat(Role.OWNER)
    resend(card, Actor.in_seat(AccountManager.objects.select_related("user").get(pk=owner.pk)))
    assert f"Asked by {owner.user}" in story(card)


def test_bad_addresses_no_reason_and_too_many_requests_are_refused_in_sentences(
    card: OrderItem,
) -> None:
    by = clerk()
    for email in ("", "ada", "a@b@c.example", f"{'x' * 250}@b.example", "a\n@b.example"):
        assert "valid e-mail" in refused(card, by, email=email)
    assert "Say why" in refused(card, by, reason=" ")
    resend(card, by)
    assert "less than five minutes ago" in refused(card, by, email=NEW)
    hour = timedelta(hours=1)
    for _ in range(resending.MOST_A_DAY - 1):
        Letter.objects.filter(kind="resent").update(created_at=F("created_at") - hour)
        resend(card, by)
    Letter.objects.filter(kind="resent").update(created_at=F("created_at") - hour)
    assert "5 times within a day" in refused(card, by)
    Letter.objects.filter(kind="resent").update(created_at=timezone.now() - timedelta(days=2))
    resend(card, by)


def test_what_was_not_delivered_by_e_mail_is_not_sent_again(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    waiting = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(waiting).pk)
    assert "has not delivered it yet" in refused(line_of(waiting), clerk())
    book = world.place((world.product(), 1))
    assert "not sent by e-mail" in refused(line_of(book), clerk())


# --- The page ------------------------------------------------------------------------------------


def test_support_sends_the_codes_again_from_the_lines_page_and_never_sees_them(
    world: World, card: OrderItem, resends: None, caplog: Any
) -> None:
    client = browser(staff("support"))
    order = reverse("admin:redemption_redemptionorder_change", args=[card.order_id])
    there = reverse("admin:redemption_orderitem_change", args=[card.pk])
    assert f"{there}#resend" in said(client.get(order))
    page = said(client.get(there))
    assert f'value="{OLD}"' in page
    do = reverse("admin:redemption_orderitem_do", args=[card.pk, "resend"])
    wrong = client.post(do, {"email": "nonsense", "reason": "x"})
    assert wrong.status_code == 422
    assert 'value="nonsense"' in said(wrong)
    page = said(client.post(do, {"email": NEW, "reason": "A typo."}, follow=True))
    assert "once more" in page
    again = client.post(do, {"email": NEW, "reason": "A typo."})
    assert again.status_code == 422
    assert "less than five minutes ago" in said(again)
    saga.ask(call().pk)
    code = VirtualCode.objects.get()
    shown = said(client.get(order)) + said(client.get(there)) + caplog.text
    assert "Send again: Done" in shown
    for secret in (code.code, code.pin):
        assert secret not in shown
    assert NEW not in caplog.text
    for group in ("finance", "auditor"):
        other = browser(staff(group))
        assert "I did not get my code" not in said(other.get(there))
        assert other.post(do, {"email": NEW, "reason": "x"}).status_code == 403
