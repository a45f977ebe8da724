"""The demo's data looks as if two months had passed, here and at the partner."""

import io
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db.models import Count, F, Sum
from django.test import Client, override_settings
from django.utils import timezone

from accounts.access.factors.codes import code_now
from accounts.models import AccountManager, Company, Role, User
from catalog.models import Category, Product, ProductType, StockStatus
from fulfillment.models import Fulfillment, FulfillmentEvent, Shipment, VirtualCode
from inventory.models import MovementKind, StockMovement
from operations.demo.partners import SandboxControlError
from operations.demo.people import (
    APP_SECRET,
    COMPANIES,
    PASSWORD,
    PRIYA,
    STAFF,
    SUPERUSER,
    sign_ins,
)
from operations.demo.services import is_seeded, seed
from redemption.models import (
    Letter,
    LoyaltyTransaction,
    OrderEvent,
    OrderItem,
    RedemptionOrder,
    WebhookDelivery,
    WebhookEndpoint,
)
from redemption.states import LineStatus, OrderStatus, TransactionStatus
from redemption.webhooks_out.signing import message
from tests.loyalty_portal.api.calls import Calls
from tests.support.module_data import shared_data
from tests.support.sandbox_process import SandboxProcess

pytestmark = pytest.mark.django_db


class PulledPlugError(Exception):
    """Interrupts the first seeding."""


@pytest.fixture(scope="module")
def demo(sandbox: SandboxProcess, django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A demo seeded in two runs, the first interrupted. The output of the second."""

    def cut_off(line: str) -> None:
        if line.startswith("50 of"):
            raise PulledPlugError

    with shared_data(sandbox, django_db_blocker):
        with pytest.raises(PulledPlugError):
            seed(say=cut_off)
        assert not is_seeded()
        assert RedemptionOrder.objects.count() == 50
        printed = io.StringIO()
        with override_settings(DEBUG=True, WEBHOOK_ALLOWED_NETWORKS=["127.0.0.0/8"]):
            call_command("seed_demo", stdout=printed)
        yield printed.getvalue()


def test_what_was_cut_off_is_finished(demo: str) -> None:
    assert "going on with it" in demo
    assert is_seeded()
    assert RedemptionOrder.objects.count() == 260
    assert RedemptionOrder.objects.values("token").distinct().count() == 260


def test_everything_holds_and_the_partners_ledger_agrees(
    demo: str, sandbox: SandboxProcess
) -> None:
    assert "all invariants hold" in demo
    balances = {
        account["account_id"]: account["balance"]
        for account in sandbox.control("GET", "/accounts")["accounts"]
    }
    moved = LoyaltyTransaction.objects.filter(external_transaction_id__gt="")
    for data in COMPANIES:
        sums = Counter(
            dict(
                moved.filter(company__loyalty_account_id=data.account_id)
                .values_list("transaction_type")
                .annotate(Sum("points_amount"))
            )
        )
        unanswered = LoyaltyTransaction.objects.filter(
            company__loyalty_account_id=data.account_id,
            transaction_type="DEBIT",
            status=TransactionStatus.NEEDS_REVIEW,
        ).aggregate(points=Sum("points_amount", default=0))["points"]
        spent = sums["DEBIT"] + unanswered - sums["CREDIT"]
        assert balances[data.account_id] == data.points - spent


def test_there_are_orders_and_lines_in_every_status(demo: str) -> None:
    statuses = Counter(RedemptionOrder.objects.values_list("status", flat=True))
    assert set(statuses) == set(OrderStatus)
    assert statuses[OrderStatus.COMPLETED] > 120
    assert set(OrderItem.objects.values_list("fulfillment_status", flat=True)) == set(LineStatus)
    points = set(LoyaltyTransaction.objects.values_list("transaction_type", "status"))
    assert points >= {
        ("DEBIT", "SUCCEEDED"), ("DEBIT", "REFUSED"), ("DEBIT", "NEEDS_REVIEW"),
        ("CREDIT", "SUCCEEDED"), ("CREDIT", "NEEDS_REVIEW"),
    }  # fmt: skip
    reasons = set(
        RedemptionOrder.objects.filter(needs_attention=True).values_list(
            "attention_reason", flat=True
        )
    )
    assert len(reasons) == 4, reasons


def test_some_lines_came_in_parts_and_some_were_given_back_in_part(demo: str) -> None:
    parcels = Fulfillment.objects.annotate(parcels=Count("shipments"))
    assert parcels.filter(parcels=2).exists()
    in_part = OrderItem.objects.filter(quantity_delivered__gt=0, quantity_refunded__gt=0)
    assert in_part.exclude(fulfillment_status=LineStatus.RETURNED).exists()


def test_the_orders_are_spread_over_two_months_and_their_stories_over_days(demo: str) -> None:
    now = timezone.now()
    placed = RedemptionOrder.objects.dates("created_at", "day")
    assert len(placed) > 35
    assert placed[0] < (now - timedelta(days=50)).date()
    assert not RedemptionOrder.objects.filter(created_at__gt=now).exists()
    slow = Shipment.objects.filter(delivered_at__gt=F("shipped_at") + timedelta(hours=12))
    assert slow.count() > 150
    for events in (OrderEvent, FulfillmentEvent):
        assert not events.objects.filter(at__gt=now).exists()
    early = OrderEvent.objects.filter(at__lt=F("order__created_at") - timedelta(milliseconds=50))
    assert not early.exists()
    received = StockMovement.objects.filter(kind=MovementKind.RECEIVED, reason="First delivery")
    assert received.latest("created_at").created_at.date() < placed[0]


def test_the_partner_booked_each_movement_when_we_did(demo: str, sandbox: SandboxProcess) -> None:
    booked = {entry["transaction_id"]: entry for entry in sandbox.ledger()["entries"]}
    settled = LoyaltyTransaction.objects.filter(status=TransactionStatus.SUCCEEDED)
    for ours in settled:
        theirs = datetime.fromisoformat(booked[ours.external_transaction_id]["created_at"])
        assert ours.settled_at
        assert abs(ours.settled_at - theirs) < timedelta(seconds=30)


def test_nobody_is_written_to_about_what_never_happened(demo: str) -> None:
    assert Letter.objects.count() > 300
    assert not Letter.objects.filter(sent_at__isnull=True).exists()
    assert mail.outbox == []


def test_codes_are_there_once_and_encrypted(demo: str) -> None:
    codes = [code.code for code in VirtualCode.objects.all()]
    assert len(codes) == len(set(codes)) > 100


def test_every_role_and_every_group_has_somebody(demo: str) -> None:
    assert Company.objects.values("tier_level").distinct().count() == 3
    for company in Company.objects.all():
        assert set(company.seats.values_list("role", flat=True)) == set(Role)
    seats = AccountManager.objects.values("user").annotate(seats=Count("id"))
    assert seats.filter(seats=2).exists()
    for email, (_name, group) in STAFF.items():
        person = User.objects.get(email=email)
        assert (person.is_staff, [each.name for each in person.groups.all()]) == (True, [group])
    assert User.objects.get(email=SUPERUSER[0]).is_superuser


def test_the_catalogue_has_families_tiers_windows_and_shelves_that_are_low_or_empty(
    demo: str,
) -> None:
    assert Product.objects.count() > 280
    assert Category.objects.count() >= 12
    for shown in StockStatus:
        assert Product.objects.filter(stock_status=shown).exists()
    for kind in ProductType:
        assert Product.objects.filter(product_type=kind).count() > 40
    assert not Product.objects.exclude(image_url="").exists()
    assert Product.objects.filter(available_until__lt=timezone.now()).exists()
    assert Product.objects.filter(available_from__gt=timezone.now()).exists()
    assert Product.objects.filter(is_active=False).exists()
    families = Product.objects.filter(family__isnull=False)
    cards = families.filter(is_card=True).values("family").annotate(cards=Count("id"))
    assert cards.count() == families.values("family").distinct().count()
    assert not cards.exclude(cards=1).exists()


def test_who_is_printed_can_sign_in(demo: str) -> None:
    for email, name, what in sign_ins():
        assert re.search(rf"{re.escape(email)} +{name} +{re.escape(what)}", demo)
        assert User.objects.get(email=email).is_active
    assert len(re.findall("staff: finance", demo)) == 2  # two people decide about points
    for email in (PRIYA, "finance@meridian.example", "ledger@meridian.example", SUPERUSER[0]):
        assert Client().login(username=email, password=PASSWORD)
    client = Client()
    client.post("/accounts/login/", {"login": SUPERUSER[0], "password": PASSWORD})
    client.post("/accounts/2fa/authenticate/", {"code": code_now(APP_SECRET)})
    assert client.get("/admin/").status_code == 200
    assert APP_SECRET in demo


def test_the_first_company_has_a_key_that_is_printed_and_an_endpoint_that_verifies(
    demo: str,
) -> None:
    (secret,) = re.findall(r"lrp_live_[0-9A-Za-z]{36}", demo)
    told = Calls(secret).get("/me").json()
    assert told["companies"][0]["name"] == COMPANIES[0].name
    endpoint = WebhookEndpoint.objects.get(company__loyalty_account_id=COMPANIES[0].account_id)
    sent, headers = message(WebhookDelivery.objects.create(endpoint=endpoint))
    answer = httpx.post(endpoint.url, content=sent, headers=headers)
    assert answer.status_code == 204
    assert httpx.post(endpoint.url, content=sent + b" ", headers=headers).status_code == 401


def test_a_second_run_changes_nothing_and_says_so(demo: str, settings: Any) -> None:
    settings.DEBUG = True

    def everything() -> tuple[object, ...]:
        return (
            list(RedemptionOrder.objects.order_by("pk").values_list("pk", "status", "created_at")),
            list(Product.objects.order_by("pk").values_list("pk", "stock_status", "updated_at")),
            OrderEvent.objects.count(),
            StockMovement.objects.count(),
            User.objects.count(),
        )

    before, printed = everything(), io.StringIO()
    call_command("seed_demo", stdout=printed)
    assert everything() == before
    assert "nothing was changed" in printed.getvalue()
    assert PASSWORD in printed.getvalue()


# --- Refusals ------------------------------------------------------------------------------


def test_it_makes_no_public_passwords_in_production(settings: Any) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG=true only"):
        call_command("seed_demo")


def test_it_says_when_the_sandbox_does_not_answer(demo: str, settings: Any) -> None:
    User.objects.filter(email=SUPERUSER[0]).delete()
    settings.DEBUG = True
    settings.LOYALTY_API_URL = "http://127.0.0.1:9/loyalty"
    with pytest.raises(CommandError, match=r"does not answer at http://127.0.0.1:9/control/"):
        call_command("seed_demo")


def test_it_does_not_mix_with_a_ledger_of_other_orders(demo: str) -> None:
    User.objects.filter(email=SUPERUSER[0]).delete()
    Company.objects.update(loyalty_account_id=F("id"))
    with pytest.raises(SandboxControlError, match="movements of Northwind Logistics"):
        seed(say=print)


def test_it_says_when_the_ledger_was_emptied_below_its_orders(demo: str, settings: Any) -> None:
    User.objects.filter(email=SUPERUSER[0]).delete()
    with SandboxProcess.start() as other:
        settings.LOYALTY_API_URL = other.loyalty_url
        with pytest.raises(SandboxControlError, match="does not know the account of Northwind"):
            seed(say=print)


@pytest.mark.long
def test_copies_of_its_orders_hold_what_must_hold(demo: str) -> None:
    printed = io.StringIO()
    with override_settings(DEBUG=True):
        call_command("seed_scale", products=400, orders=600, stdout=printed)
    assert "all invariants hold" in printed.getvalue()
    assert RedemptionOrder.objects.count() == 600
    assert Product.objects.count() >= 400
    numbers = RedemptionOrder.objects.values("order_number").distinct()
    assert numbers.count() == 600
    copied = RedemptionOrder.objects.exclude(
        company__loyalty_account_id__in=[data.account_id for data in COMPANIES]
    )
    assert copied.earliest("created_at").created_at < timezone.now() - timedelta(days=600)
    codes = VirtualCode.objects.filter(fulfillment__label__in=copied.values("order_number"))
    assert codes.count() > 50
    assert all(code.can_be_read() for code in codes[:50])
    # No key, address or number of an order that was copied is left in its copies.
    ours = User.objects.filter(seats__company__in=copied.values("company"))
    assert set(copied.values_list("account_manager__user", flat=True)) <= {user.pk for user in ours}
    letters = Letter.objects.filter(order__in=copied).values_list("to", flat=True)
    assert not set(letters) & {mail for data in COMPANIES for mail in data.people}


@pytest.mark.long
def test_copies_need_the_demo_and_are_made_once(demo: str) -> None:
    with override_settings(DEBUG=False), pytest.raises(CommandError, match="DEBUG=true"):
        call_command("seed_scale", products=10, orders=10)
    with override_settings(DEBUG=True):
        call_command("seed_scale", products=10, orders=300, stdout=io.StringIO())
        with pytest.raises(CommandError, match="other companies"):
            call_command("seed_scale", products=10, orders=400, stdout=io.StringIO())
