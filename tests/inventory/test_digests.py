"""The letter about low stock: in the morning, once a day and person, and only when there is news."""

import smtplib
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, programme_zone
from catalog.models import Product
from inventory import services as stock
from inventory.digests import write_digests
from inventory.marks import set_rule
from inventory.models import LowStockRule, StockDigest
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.data.zones import local_day, local_moment
from redemption.saga.stock_watch import watch_stock
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.inventory.test_low_stock import redeemed
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon_at_the_programme(settings: Any) -> None:
    """Its clocks show noon now, so no test depends on the hour at which it runs."""
    ahead = 12 - timezone.now().hour
    settings.TIME_ZONE = f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


@pytest.fixture
def wim() -> User:
    return staff("warehouse")


class Broken(EmailBackend):
    """A mail server that refuses everything."""

    def send_messages(self, messages: Any) -> int:  # noqa: ARG002 - Django's signature
        raise smtplib.SMTPServerDisconnected


def today() -> date:
    return local_day(timezone.now(), programme_zone())


def at(clock: time) -> datetime:
    return local_moment(today(), clock, programme_zone())


def written() -> int:
    return write_digests(now=at(time(8)))


def a_day_goes_by() -> None:
    StockDigest.objects.update(day=F("day") - timedelta(days=1), next_attempt_at=None)


def posted() -> list[str]:
    """The texts of the letters that the sweeper sends now."""
    mail.outbox.clear()
    call_command("sweep", "--once", verbosity=0)
    return [str(letter.body) for letter in mail.outbox]


def low(sku: str, in_stock: int = 3) -> Product:
    return ProductFactory.create(sku=sku, in_stock=in_stock)


def test_it_names_what_is_out_or_low_or_runs_out_soon_and_nothing_else(wim: User) -> None:
    low("OUT-1", 0)
    low("LOW-1", 4)
    redeemed(low("SOON-1", 80), 60, days_ago=3)  # 20 left, two a day
    redeemed(low("LATER-1", 200), 60, days_ago=3)
    low("MANY-1", 500)
    ProductFactory.create(sku="CODE-1", virtual=True)
    off = low("OFF-1", 0)
    Product.objects.filter(pk=off.pk).update(is_active=False)
    free = low("FREE-1", 2)
    stock.stop_counting(product=free, reason="x", by=SYSTEM)

    assert written() == 1
    [body] = posted()
    [letter] = mail.outbox
    assert letter.to == [wim.email]
    assert letter.subject == "3 products are to be ordered again"
    assert [sku for sku in ("OUT-1", "LOW-1", "SOON-1") if sku not in body] == []
    others = ("LATER-1", "MANY-1", "CODE-1", "OFF-1", "FREE-1")
    assert [sku for sku in others if sku in body] == []
    assert body.index("OUT-1") < body.index("LOW-1") < body.index("SOON-1")
    assert "20 pieces left, runs out in 9 days" in body
    assert reverse("admin:inventory_inventory_changelist") in body
    html = str(letter.alternatives[0][0])  # type: ignore[attr-defined]
    assert "SOON-1" in html
    assert posted() == []


def test_it_comes_in_the_morning_of_the_programme_and_once(wim: User) -> None:
    low("LOW-1")
    assert write_digests(now=at(time(6, 59))) == 0
    assert not StockDigest.objects.exists()
    assert write_digests(now=at(time(7))) == 1
    low("LOW-2")
    assert write_digests(now=at(time(13))) == 0
    assert len(posted()) == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        StockDigest.objects.create(person=wim, day=today())


def test_nothing_comes_when_nothing_changed_but_the_number_of_pieces(wim: User) -> None:
    product = low("LOW-1", 4)
    assert written() == 1
    assert len(posted()) == 1
    a_day_goes_by()
    stock.adjust(product=product, change=-1, reason="broken", by=SYSTEM)
    assert written() == 0
    assert posted() == []
    a_day_goes_by()
    low("LOW-2")
    assert written() == 1
    [body] = posted()
    assert "LOW-1" in body
    assert "LOW-2" in body


def test_what_was_in_order_and_is_low_again_is_news(wim: User) -> None:
    product = low("LOW-1", 4)
    assert written() == 1
    posted()
    a_day_goes_by()
    stock.receive(product=product, quantity=90, reason="Note", by=SYSTEM)
    assert written() == 0, "nobody is told that all is well"
    a_day_goes_by()
    stock.adjust(product=product, change=-90, reason="broken", by=SYSTEM)
    assert written() == 1


def test_a_letter_that_could_not_be_sent_told_nothing(wim: User, settings: Any) -> None:
    usual = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Broken"
    low("LOW-1")
    assert written() == 1
    assert posted() == []
    assert StockDigest.objects.get().problem == "SMTPServerDisconnected"
    settings.EMAIL_BACKEND = usual
    StockDigest.objects.update(day=F("day") - timedelta(days=1), next_attempt_at=Now())
    assert written() == 1
    assert len(posted()) == 1, "that of yesterday is not sent any more"
    assert StockDigest.objects.get(problem="Not needed").sent_at is None


def test_only_people_who_are_still_in_the_warehouse_are_told(wim: User) -> None:
    for group in ("catalogue", "finance", "auditor"):
        staff(group)
    gone, off = staff("warehouse"), staff("warehouse")
    User.objects.filter(pk=off.pk).update(is_active=False)
    low("LOW-1")
    assert written() == 2
    gone.groups.remove(Group.objects.get(name="warehouse"))
    posted()
    assert [letter.to for letter in mail.outbox] == [[wim.email]]


def test_it_is_read_in_the_language_of_each_person(wim: User) -> None:
    anna = staff("warehouse")
    User.objects.filter(pk=anna.pk).update(language="de")
    redeemed(low("SOON-1", 80), 60, days_ago=3)
    assert written() == 2
    posted()
    told = {letter.to[0]: (letter.subject, str(letter.body)) for letter in mail.outbox}
    assert "in 9 days" in told[wim.email][1]
    assert told[wim.email][0] == "1 product is to be ordered again"
    assert "in 9 Tagen" in told[anna.email][1]
    assert told[anna.email][0] == "1 Produkt ist nachzubestellen"


def test_a_rule_says_how_many_days_ahead_its_products_are_told(wim: User) -> None:
    toys = CategoryFactory.create(name="Toys")
    redeemed(ProductFactory.create(sku="TOY-1", category=toys, in_stock=80), 60, days_ago=3)
    page = reverse("admin:inventory_lowstockrule_add")
    client = browser(wim)
    given = {"category": str(toys.pk), "low_stock_at": "2", "days_ahead": "5"}
    assert client.post(page, given).status_code == 302
    assert LowStockRule.objects.get().days_ahead == 5
    assert written() == 0
    StockDigest.objects.all().delete()
    set_rule(category=toys, low_stock_at=2, days_ahead=9)
    assert written() == 1


def test_a_long_letter_names_fifty_and_counts_the_others(wim: User) -> None:
    for number in range(53):
        low(f"LOW-{number:02}", number % 5 + 1)
    assert written() == 1
    [body] = posted()
    assert body.count("LOW-") == 50
    assert "and 3 more products" in body


def test_the_clock_writes_it(wim: User) -> None:
    low("LOW-1")
    watch_stock()
    assert StockDigest.objects.get().person == wim
