"""SQS as the broker: what an order's nudge goes through, and what it must not hold up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import AccountManager
from loyalty_portal.queue.reach import tasks_waiting
from redemption.states import OrderStatus
from tests.production.stores.aws import ACCESS, KEY, PASSWORD, Aws
from tests.production.stores.test_brokers import configured, signed_in, take_over
from tests.redemption.world import World
from tests.support.stack import Databases, Stack
from tests.support.stack_fixtures import in_use
from tests.support.waiting import eventually


def address(aws: Aws) -> str:
    return f"sqs://{KEY}:{PASSWORD}@127.0.0.1:{aws.port}"


@pytest.fixture(scope="module")
def _with_sqs(
    aws: Aws, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("portal")
    with Stack(folder, databases.create(), BROKER_URL=address(aws), **ACCESS) as running:
        yield running


@pytest.fixture
def portal(_with_sqs: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    yield from in_use(_with_sqs, django_db_blocker)


def test_an_orders_nudges_go_through_sqs(
    portal: Stack,
    aws: Aws,
    client_for: Callable[[AccountManager], Client],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No sweeper runs, so only the queue can have moved the order on."""
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    found, problems = configured(address(aws), monkeypatch)
    assert problems == []
    take_over(found, settings)
    portal.sweeper.stop()
    shop = World(portal.sandbox)
    buyer = signed_in(portal, shop, client_for)

    number = buyer.redeem(shop.virtual().get_absolute_url())

    assert portal.ends(number) == [OrderStatus.COMPLETED]
    assert not portal.sweeper.is_running
    eventually(lambda: tasks_waiting(["loyalty"]) == {"loyalty": 0}, "all were taken")
    ready = httpx.get(f"{portal.url}/readyz").json()
    assert ready["parts"]["broker"] == "ok"


def test_orders_are_placed_and_finished_while_sqs_is_frozen(
    portal: Stack, aws: Aws, client_for: Callable[[AccountManager], Client]
) -> None:
    portal.sweeper.start()
    shop = World(portal.sandbox)
    buyer = signed_in(portal, shop, client_for)
    aws.pause()
    try:
        number = buyer.redeem(shop.virtual().get_absolute_url())
        assert portal.ends(number) == [OrderStatus.COMPLETED]  # by the sweeper
        ready = httpx.get(f"{portal.url}/readyz", timeout=30)
        assert ready.json()["parts"]["broker"] == "does not answer"
    finally:
        aws.resume()


def test_without_its_packages_the_start_stops_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    _found, problems = configured("sqs://", monkeypatch)
    assert problems == ["BROKER_URL: sqs:// needs the packages of requirements-aws.txt."]
