"""Outages of what the portal runs on: Redis, the worker, the partners, PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import AccountManager
from redemption.models import LoyaltyTransaction
from redemption.states import OrderStatus
from tests.redemption.world import World
from tests.support.stack import Databases, Stack
from tests.support.visitor import Visitor, order_number
from tests.support.waiting import eventually

COMPLETED = OrderStatus.COMPLETED
QUEUES = ("loyalty", "fulfillment", "notifications")


def redeem_some(shop: World, visitor: Visitor, count: int = 4) -> list[str]:
    path = shop.virtual().get_absolute_url()
    return [visitor.redeem(path) for _each in range(count)]


def test_redis_flushed_with_work_queued(stack: Stack, shop: World, visitor: Visitor) -> None:
    """The queued tasks are lost, but the sweeper finds the rows; nobody is signed out."""
    stack.sweeper.stop()
    stack.worker.kill()
    numbers = redeem_some(shop, visitor)
    assert stack.redis.queued("loyalty") >= len(numbers)

    stack.redis.flush()
    stack.worker.start()
    stack.sweeper.start()

    assert stack.ends(*numbers) == [COMPLETED] * len(numbers)
    assert visitor.get(f"/orders/{numbers[0]}/").status_code == 200
    assert not stack.violations()


def test_redis_absent_from_the_start(stack: Stack, shop: World, visitor: Visitor) -> None:
    """Pages are shown, orders are placed, and the sweeper alone finishes them."""
    for process in (stack.worker, stack.sweeper, stack.web, stack.redis):
        process.kill()
    stack.web.start()
    stack.sweeper.start()

    for path in ("/", "/catalog/", "/cart/", "/orders/"):
        assert visitor.get(path).status_code == 200
    numbers = redeem_some(shop, visitor, count=2)

    assert stack.ends(*numbers) == [COMPLETED] * len(numbers)
    assert not stack.violations()


def test_redis_frozen_in_the_middle(stack: Stack, shop: World, visitor: Visitor) -> None:
    """No page waits until Redis answers again: at most a second each for cache and broker."""
    path = shop.virtual().get_absolute_url()
    visitor.put_in_cart(path)
    form = visitor.checkout()
    visitor.loses_patience_after(10.0)
    stack.redis.pause()

    placed = visitor.follow(visitor.send(form))
    number = placed.url.path.split("/")[2]
    numbers = [number, *redeem_some(shop, visitor, count=1)]

    assert stack.ends(*numbers) == [COMPLETED] * len(numbers)
    assert not stack.violations()


def test_redis_restarted_under_the_worker(stack: Stack, shop: World, visitor: Visitor) -> None:
    """The worker reconnects by itself. No sweeper runs that could do the work."""
    stack.sweeper.stop()
    stack.redis.kill()
    stack.redis.start()
    stack.web.kill()
    stack.web.start()
    numbers = redeem_some(shop, visitor, count=2)
    assert stack.ends(*numbers) == [COMPLETED] * len(numbers)
    assert not stack.violations()


def test_worker_absent(stack: Stack, shop: World, visitor: Visitor) -> None:
    stack.worker.kill()
    numbers = redeem_some(shop, visitor)
    assert stack.ends(*numbers) == [COMPLETED] * len(numbers)
    assert not stack.violations()


def test_sweeper_absent(stack: Stack, shop: World, visitor: Visitor) -> None:
    """Without faults the worker alone does everything."""
    stack.sweeper.stop()
    numbers = redeem_some(shop, visitor)
    assert stack.ends(*numbers) == [COMPLETED] * len(numbers)
    assert not stack.violations()


def test_partners_absent(stack: Stack, shop: World, visitor: Visitor) -> None:
    """Orders are accepted, and continue when the partners are back."""
    path = shop.virtual().get_absolute_url()
    visitor.put_in_cart(path)
    form = visitor.checkout()
    stack.sandbox.kill()

    number = order_number(visitor.send(form))
    assert visitor.get("/").status_code == 200
    debits = LoyaltyTransaction.objects.filter(order__order_number=number, status="UNKNOWN")
    eventually(debits.exists, "the debit was tried")
    stack.sandbox.launch()

    assert stack.ends(number) == [COMPLETED]
    assert not stack.violations()


def test_postgresql_away_is_a_line_a_try_and_no_traceback(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """Sweeper and worker retry less and less often, log one line for each try, and then
    continue.
    """
    stack.news()
    said: list[str] = []

    def heard(times: int, words: str) -> bool:
        said.append(stack.sweeper.news())
        return "\n".join(said).count(words) >= times

    with stack.database_away():
        eventually(lambda: heard(3, "the database does not serve"), "it has looked three times")
    number = visitor.redeem(shop.virtual().get_absolute_url())
    assert stack.ends(number) == [COMPLETED]
    eventually(lambda: heard(1, "the database serves again"), "the sweeper goes on")
    lines = "\n".join([*said, stack.worker.news()])
    assert "Traceback" not in lines
    assert lines.count("the database does not serve") <= 5


def test_a_page_that_postgresql_cannot_serve_is_a_few_lines_and_no_traceback(
    tmp_path: Path,
    databases: Databases,
    django_db_blocker: DjangoDbBlocker,
    client_for: Callable[[AccountManager], Client],
) -> None:
    asked = ["/catalog/", "/orders/", "/checkout/"] * 3
    errors = "loyalty_portal.local.demo_settings"  # its error pages are production's
    with (
        django_db_blocker.unblock(),
        Stack(tmp_path, databases.create(), settings=errors) as stack,
        stack.as_default(),
    ):
        session = client_for(World(stack.sandbox).seat).cookies["sessionid"].value
        visitor = stack.visitor(sessionid=session)
        assert visitor.status("/catalog/") == 200
        stack.web.news()
        with stack.database_away():
            assert [visitor.status(path) for path in asked] == [503] * len(asked)
        assert visitor.status("/catalog/") == 200
        pages = stack.web.news()
    assert "Traceback" not in pages
    assert "error=OperationalError" in pages
    assert len(pages.splitlines()) <= 4 * len(asked)


def test_connections_to_postgresql_cut_again_and_again(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """One connection is cut during a call, so its answer is not recorded and the call is
    repeated.
    """
    path = shop.virtual().get_absolute_url()
    stack.sandbox.fault("debit", "delay", seconds=1.0)
    numbers = [visitor.redeem(path)]
    eventually(
        lambda: stack.sandbox.calls(operation="debit", reference=numbers[0], outcome="running"),
        "the debit is asked for",
    )
    for _time in range(4):
        assert stack.cut_connections()
        numbers.append(visitor.redeem(path))
    stack.cut_connections()

    assert stack.ends(*numbers) == [COMPLETED] * len(numbers)
    assert not stack.violations()
