"""No page of the back office asks the database more than twelve questions.

All of a request are counted: those for its session, the person and their permissions, too. Only
savepoints are not, which stand for the transactions of production. A page that asks more is asked
for again and counted the second time, as in everyday work: the figures of the menu, which are the
same for all pages and people, are asked for once in 15 seconds, and read from the cache otherwise.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from redemption.models import Decision, Letter, OrderMessage, OrderNote
from redemption.saga.steps import flag, locked
from redemption.states import IncidentKind, Verdict
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.operations.test_permission_matrix import one_of_everything
from tests.redemption.factories import shipped
from tests.support.admin_pages import admin_pages
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db

MOST = 12


def somebody_who_may_do_all() -> User:
    """Not a superuser, whose permissions nobody asks for."""
    person, group = staff(), Group.objects.create(name="everything")
    group.permissions.set(Permission.objects.all())
    person.groups.add(group)
    return person


@pytest.fixture
def menu_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: so that no figure of the menu is asked for again while a slow machine tests
    monkeypatch.setattr("loyalty_portal.admin_site.counts.SECONDS", 3_600)


def an_order_with_everything() -> None:
    """The newest order: several lines at the desk and at the partner, a letter, a note, a question,
    an incident, and a proposal that waits for a second person.
    """
    seat, things = SeatFactory.create(), [ProductFactory.create(in_stock=9) for _each in "ab"]
    order = confirmed_order(
        *((thing, 3) for thing in things), (ProductFactory.create(virtual=True), 2), seat=seat
    )
    shipped(order)
    debit = order.transactions.get()
    flag(locked(order.pk), "Nobody knows.", kind=IncidentKind.HORIZON, about=debit)
    Letter.objects.create(order=order, kind="confirmed", key="two", to="ada@northwind.example")
    by = staff("support")
    OrderNote.objects.create(order=order, text="Called.", by=by)
    OrderMessage.objects.create(order=order, kind="QUESTION", text="When?", by=seat.user)
    [line, *_others] = order.items.filter(product__product_type="VIRTUAL")
    Decision.objects.create(
        item=line, verdict=Verdict.CREDIT_UNITS, units=1, evidence="Told.", proposed_by=by
    )


@pytest.mark.usefixtures("menu_counted")
def test_each_page_asks_at_most_twelve_questions(settings: Any) -> None:
    settings.FASTPATH = True  # plain Django asks for each list of a page by itself
    one_of_everything()
    an_order_with_everything()
    person = somebody_who_may_do_all()
    client = browser(person)
    over = {}
    for name, page in admin_pages(person).items():
        told = questions(name, page, client)
        if len(told) > MOST:
            told = questions(name, page, client)
        if len(told) > MOST:
            over[name] = (len(told), told)
    assert not over


def questions(name: str, page: Callable[[Client], Any], client: Client) -> list[str]:
    """What the page asks the database."""
    with CaptureQueriesContext(connection) as asked:
        answer = page(client)
    assert answer.status_code in {200, 302, 303}, name
    told = [str(each["sql"]) for each in asked.captured_queries]
    return [each for each in told if "SAVEPOINT" not in each]
