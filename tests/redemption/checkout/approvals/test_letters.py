"""Letters about approvals: asked, reminded, and told."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import AccountManager, Company, PersonLetter
from accounts.seats import letters as people
from accounts.seats.stand_ins import name_stand_in
from catalog.models import Product
from loyalty_portal.data.actor import Actor
from redemption.checkout.approvals.asking import APPROVAL_TIME, remind_approvers
from redemption.checkout.approvals.deciding import approve, expire_approvals, reject
from redemption.checkout.bulk import approving, services
from redemption.checkout.bulk.approving import expire_bulks, remind_of_bulks
from redemption.messages.notifications import compose
from redemption.models import Bulk, BulkPart, BulkStatus, Letter, LetterKind, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.saga.steps import RedemptionError
from tests.accounts.access.making import new_key
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import placed
from tests.redemption.orders.approvals.test_stand_ins import today

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create(
        name="Northwind", balance=100_000, approval_threshold=100, time_zone="Europe/Berlin"
    )


@pytest.fixture
def grace(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, approver=True, user__name="Grace")


@pytest.fixture
def buyer(company: Company) -> AccountManager:
    return SeatFactory.create(company=company, user__name="Ada")


@pytest.fixture
def tent() -> Product:
    return ProductFactory.create(name="Tent", points_cost=400, in_stock=50)


def to(kind: str) -> set[str]:
    return set(Letter.objects.filter(kind=kind).values_list("to", flat=True))


def pass_time(**time: float) -> None:
    RedemptionOrder.objects.update(approve_by=F("approve_by") - timedelta(**time))
    Bulk.objects.update(approve_by=F("approve_by") - timedelta(**time))


# --- Orders --------------------------------------------------------------------------------


def test_everybody_who_may_decide_is_asked_at_once(
    company: Company, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    owner = SeatFactory.create(company=company, owner=True)
    deputy = SeatFactory.create(company=company, viewer=True, user__name="Dora")
    day = today(company)
    by = Actor.in_seat(grace)
    name_stand_in(approver=grace, deputy=deputy, first=day, last=day, by=by)
    SeatFactory.create(company=company)  # another buyer
    SeatFactory.create(company=company, approver=True, inactive=True)
    SeatFactory.create(approver=True)  # of another company
    new_key(company, by=owner, role="approver")
    placed(buyer, (tent, 1))
    assert to("approval_asked") == {grace.email, owner.email, deputy.email}
    Letter.objects.all().delete()
    placed(grace, (tent, 1))  # her own: neither she nor who stands in for her alone
    assert to("approval_asked") == {owner.email}


def test_an_order_that_needs_no_approval_asks_nobody(
    company: Company, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    company.approval_threshold = 1_000
    company.save()
    placed(buyer, (tent, 1))
    assert not Letter.objects.exists()


def test_reminders_come_after_a_day_and_before_the_end_and_each_once(
    grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    placed(buyer, (tent, 1))
    kinds = [LetterKind.APPROVAL_REMINDED, LetterKind.APPROVAL_ENDING]
    counts = []
    for hours in (23, 2, 1, 30, 5, 1):
        pass_time(hours=hours)
        remind_approvers()
        remind_approvers()
        counts.append([Letter.objects.filter(kind=kind).count() for kind in kinds])
    assert counts == [[0, 0], [1, 0], [1, 0], [1, 0], [1, 1], [1, 1]]


def test_who_was_late_is_reminded_of_the_end_only(
    grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    placed(buyer, (tent, 1))
    pass_time(hours=70)
    assert remind_approvers() == 1
    assert to("approval_reminded") == set()
    assert to("approval_ending") == {grace.email}


def test_nobody_is_reminded_of_what_waits_no_more_or_of_nobody(
    grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    decided = placed(buyer, (tent, 1))
    alone = placed(grace, (tent, 1))  # nobody may decide on it
    approve(order=decided, by=Actor.in_seat(grace))
    pass_time(hours=30)
    before = RedemptionOrder.objects.get(pk=alone.pk).pulse
    assert remind_approvers() == 0
    assert RedemptionOrder.objects.get(pk=alone.pk).pulse == before
    pass_time(hours=60)
    assert remind_approvers() == 0


def test_the_buyer_is_told_of_a_yes_a_no_and_the_end(
    grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    yes, no, late, withdrawn = (placed(buyer, (tent, 1)) for _each in range(4))
    by = Actor.in_seat(grace)
    approve(order=yes, by=by)
    reject(order=no, by=by, reason="Not in this quarter")
    cancel(order=withdrawn, by=Actor.in_seat(buyer), reason="")
    pass_time(hours=73)
    assert expire_approvals() == 1
    told = {
        letter.kind: compose(letter).body
        for letter in Letter.objects.filter(to=buyer.email).order_by("created_at")
    }
    assert set(told) == {"approved", "rejected", "expired"}
    assert "Grace approved your order. Its points are taken now" in told["approved"]
    assert "Grace did not approve your order. The reason: Not in this quarter" in told["rejected"]
    assert "Nobody decided on your order until" in told["expired"]
    assert late.get_absolute_url() in told["expired"]


def test_letters_are_in_the_readers_language_and_time(
    company: Company, grace: AccountManager, buyer: AccountManager, tent: Product
) -> None:
    grace.user.language, grace.user.time_zone = "de", "Asia/Tokyo"
    grace.user.save()
    english = SeatFactory.create(company=company, owner=True)
    placed(buyer, (tent, 1), reference="Raffle", note="For the winner")
    german = compose(Letter.objects.get(to=grace.email))
    assert "wartet auf Ihre Freigabe" in german.subject
    assert "JST" in german.body
    other = compose(Letter.objects.get(to=english.email))
    assert "waits for your approval" in other.subject
    for part in (other.body, str(other.alternatives[0][0])):
        for fact in ("Ada", "400 points of Northwind", "Tent", "Raffle", "For the winner"):
            assert fact in part
        assert "More than 100 points need approval" in part
        assert "CET" in part or "CEST" in part


# --- Files of orders -----------------------------------------------------------------------


@pytest.fixture
def bulk(buyer: AccountManager, grace: AccountManager) -> Bulk:
    bulk = Bulk.objects.create(seat=buyer, name="gifts.csv", status=BulkStatus.READY)
    for number in (1, 2):
        BulkPart.objects.create(bulk=bulk, number=number, lines=1, points=500)
    buyer_acts = Actor.in_seat(buyer)
    assert services.confirm(bulk=bulk, seen_points=1_000, by=buyer_acts, ask=approving.ask)
    bulk.refresh_from_db()
    return bulk


def of_bulk() -> list[tuple[str, str]]:
    rows = PersonLetter.objects.filter(kind="bulk").order_by("created_at", "id")
    return [(letter.facts["change"], letter.to) for letter in rows]


def bodies() -> list[str]:
    rows = PersonLetter.objects.filter(kind="bulk").order_by("created_at", "id")
    return [str(people.compose(letter).body) for letter in rows]


def test_a_file_asks_reminds_and_ends_by_itself(
    bulk: Bulk, grace: AccountManager, buyer: AccountManager
) -> None:
    assert of_bulk() == [("asked", grace.email)]
    for hours in (25, 36, 12):
        pass_time(hours=hours)
        remind_of_bulks()
        remind_of_bulks()
        expire_bulks()
    assert [change for change, _to in of_bulk()] == ["asked", "reminded", "ending", "expired"]
    assert of_bulk()[-1] == ("expired", buyer.email)
    bulk.refresh_from_db()
    assert bulk.status == BulkStatus.READY
    assert bulk.problem.startswith("Nobody decided in time")
    asked, *_others, expired = bodies()
    assert "Ada wants to place the orders of the file “gifts.csv”: 2 orders for 1,000" in asked
    assert "Nobody decided on the file “gifts.csv” until" in expired
    # It can be placed once more, and is asked for anew.
    by = Actor.in_seat(buyer)
    services.confirm(bulk=bulk, seen_points=1_000, by=by, ask=approving.ask)
    assert of_bulk()[-1] == ("asked", grace.email)
    bulk.refresh_from_db()
    assert (bulk.status, bulk.reminders) == (BulkStatus.WAITING, 0)
    assert bulk.approve_by
    assert bulk.approve_by > timezone.now() + APPROVAL_TIME / 2


def test_who_gave_a_file_is_told_and_a_second_answer_reads_who_was_first(
    bulk: Bulk, grace: AccountManager, buyer: AccountManager, company: Company
) -> None:
    owner = SeatFactory.create(company=company, owner=True, user__name="Olga")
    stale = Bulk.objects.select_related("seat__user", "seat__company").get(pk=bulk.pk)
    approving.approve(bulk=bulk, by=Actor.in_seat(grace))
    assert of_bulk()[-1] == ("approved", buyer.email)
    assert "Grace approved the file “gifts.csv”." in bodies()[-1]
    for act in (
        lambda: approving.approve(bulk=stale, by=Actor.in_seat(owner)),
        lambda: approving.reject(bulk=stale, by=Actor.in_seat(owner), reason="No"),
    ):
        with pytest.raises(RedemptionError, match="Grace approved it, "):
            act()


def test_a_no_to_a_file_says_why(bulk: Bulk, grace: AccountManager, buyer: AccountManager) -> None:
    by: Any = Actor.in_seat(grace)
    with pytest.raises(RedemptionError, match="Give a reason"):
        approving.reject(bulk=bulk, by=by, reason=" ")
    approving.reject(bulk=bulk, by=by, reason="Too many")
    assert of_bulk()[-1] == ("rejected", buyer.email)
    assert "Too many" in bodies()[-1]
    with pytest.raises(RedemptionError, match="Grace did not approve it"):
        approving.approve(bulk=bulk, by=by)
