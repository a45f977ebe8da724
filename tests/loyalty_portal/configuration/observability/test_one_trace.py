"""One click, in the logs and in the traces of all processes, as somebody outside sees it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import User
from fulfillment.models import VirtualCode
from redemption.models import LoyaltyTransaction, RedemptionOrder
from tests.loyalty_portal.configuration.observability.receiver import Receiver, Seen
from tests.redemption.world import World
from tests.support.daemons import Daemon
from tests.support.stack import Databases, Stack
from tests.support.stack_fixtures import in_use
from tests.support.staff import browser, staff
from tests.support.visitor import RECIPIENT, Visitor
from tests.support.waiting import eventually

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def _traced(
    databases: Databases, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with Stack(
        tmp_path_factory.mktemp("traced"),
        databases.create(),
        LOG_FORMAT="ecs",
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
        OTEL_TRACES_SAMPLER_ARG="1",
    ) as running:
        yield running


@pytest.fixture
def stack(_traced: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    yield from in_use(_traced, django_db_blocker)


def lines(*processes: Daemon) -> list[dict[str, Any]]:
    """All that the processes have said in ECS."""
    texts = [process.log.read_text(errors="replace") for process in processes]
    rows = [row for text in texts for row in text.splitlines() if row.startswith("{")]
    return [json.loads(row) for row in rows]


def of_request(request_id: str, *processes: Daemon) -> list[dict[str, Any]]:
    return [line for line in lines(*processes) if line.get("http.request.id") == request_id]


def placed(visitor: Visitor, product: str) -> tuple[str, RedemptionOrder]:
    """Place an order with an id of its own for the click. Returns the id and the order."""
    visitor.put_in_cart(product)
    form = visitor.checkout()
    request_id = f"click-{secrets.token_hex(8)}"
    visitor._browser.headers["X-Request-Id"] = request_id
    answer = visitor.send(form)
    del visitor._browser.headers["X-Request-Id"]
    assert answer.headers["X-Request-Id"] == request_id
    number = answer.headers["location"].split("/")[2]
    return request_id, RedemptionOrder.objects.get(order_number=number)


def call_of(receiver: Receiver, trace_id: str, name: str) -> Seen:
    """The first span of that name, once it has arrived."""
    found = eventually(
        lambda: [span for span in receiver.of(trace_id) if span.name == name],
        f"{name} has arrived",
    )
    return found[0]


def path_of(spans: list[Seen], last: Seen) -> list[tuple[str, str]]:
    """The spans from the root to `last`, as process and kind."""
    by_id = {span.span_id: span for span in spans}
    path = [last]
    while path[-1].parent_id:
        path.append(by_id[path[-1].parent_id])
    return [(span.process, span.kind) for span in path[::-1]]


def trace_of(order: RedemptionOrder) -> str:
    debit = LoyaltyTransaction.objects.get(order=order)
    assert debit.traceparent
    assert len(debit.traceparent) == 55
    return debit.traceparent[3:35]


def test_one_trace_from_the_click_over_celery_to_the_partner(
    stack: Stack, shop: World, visitor: Visitor, receiver: Receiver
) -> None:
    stack.sweeper.kill()
    request_id, order = placed(visitor, shop.virtual().get_absolute_url())
    stack.ends(order.order_number)
    trace_id = trace_of(order)

    debit = call_of(receiver, trace_id, "POST /debit")
    fulfill = call_of(receiver, trace_id, "POST /fulfillments")
    click = call_of(receiver, trace_id, "POST checkout")
    spans = receiver.of(trace_id)
    assert path_of(spans, debit) == [
        ("web", "server"), ("worker", "consumer"), ("worker", "client"),
    ]  # fmt: skip
    assert {span.process for span in path_to(spans, fulfill)} >= {"web", "worker"}
    assert click.facts["http.route"] == "checkout"
    assert click.facts["portal.request_id"] == request_id
    statements = [span for span in spans if "db.query.text" in span.facts]
    assert [span for span in statements if span.process == "web"], "the click's own SQL"
    assert [span for span in statements if span.process == "worker"]
    # what must not be in any span
    text = repr(receiver.spans)
    for personal in (*RECIPIENT.values(), order.order_number, visitor_session(visitor)):
        if len(personal) > 2:
            assert personal not in text, personal

    eventually(lambda: of_request(request_id, stack.worker), "the worker's lines are written")
    told = of_request(request_id, stack.web, stack.worker)
    assert {line["trace.id"] for line in told} == {trace_id}
    assert any(line.get("portal.route") == "checkout" for line in told)
    assert any(line["message"] == "partner call" for line in told)
    assert LoyaltyTransaction.objects.get(order=order).request_id == request_id


def path_to(spans: list[Seen], last: Seen) -> list[Seen]:
    by_id = {span.span_id: span for span in spans}
    path = [last]
    while path[-1].parent_id in by_id:
        path.append(by_id[path[-1].parent_id])
    return path


def visitor_session(visitor: Visitor) -> str:
    return str(visitor._browser.cookies["sessionid"])


def test_another_trace_over_the_sweeper_alone_without_redis(
    stack: Stack, shop: World, visitor: Visitor, receiver: Receiver
) -> None:
    stack.worker.kill()
    stack.redis.kill()
    request_id, order = placed(visitor, shop.virtual().get_absolute_url())
    stack.ends(order.order_number)
    trace_id = trace_of(order)

    debit = call_of(receiver, trace_id, "POST /debit")
    call_of(receiver, trace_id, "POST checkout")
    spans = receiver.of(trace_id)
    assert path_of(spans, debit) == [
        ("web", "server"), ("sweeper", "consumer"), ("sweeper", "client"),
    ]  # fmt: skip
    assert [span for span in spans if span.process == "sweeper" and "db.query.text" in span.facts]
    told = of_request(request_id, stack.sweeper)
    assert any(line["message"] == "partner call" for line in told)
    assert {line["trace.id"] for line in told} == {trace_id}


def test_the_back_office_shows_the_order_s_trace(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    request_id, order = placed(visitor, shop.virtual().get_absolute_url())
    page = browser(staff("support")).get(f"/admin/redemption/redemptionorder/{order.pk}/change/")
    assert request_id in page.content.decode()
    assert trace_of(order) in page.content.decode()


@pytest.mark.parametrize(
    "rubbish", ["00-" + "0" * 32 + "-" + "1" * 16 + "-01", "x" * 4_000, "01-é", ""]
)
def test_a_traceparent_of_rubbish_begins_a_trace_of_its_own(
    stack: Stack, visitor: Visitor, rubbish: str
) -> None:
    request_id = f"click-{secrets.token_hex(8)}"
    answer = visitor._browser.get(
        "/", headers={b"traceparent": rubbish.encode(), b"X-Request-Id": request_id.encode()}
    )
    assert answer.status_code == 200
    [line] = eventually(lambda: of_request(request_id, stack.web), "its line is written")
    assert re.fullmatch(r"[0-9a-f]{32}", line["trace.id"])
    assert line["trace.id"] not in {"0" * 32, rubbish[3:35]}


def test_a_traceparent_that_is_one_is_continued_and_heeded(
    stack: Stack, visitor: Visitor, receiver: Receiver
) -> None:
    kept, dropped = secrets.token_hex(16), secrets.token_hex(16)
    for trace_id, flags in ((dropped, "00"), (kept, "01")):
        header = f"00-{trace_id}-{'a' * 16}-{flags}"
        assert visitor._browser.get("/", headers={"traceparent": header}).status_code == 200
    eventually(lambda: receiver.of(kept), "the sampled one arrives")
    assert receiver.of(dropped) == []


def test_a_receiver_that_hangs_delays_nobody(
    stack: Stack, shop: World, visitor: Visitor, receiver: Receiver
) -> None:
    """All requests are answered while nothing that was sent has been."""
    receiver.hanging.set()
    receiver.asked.clear()
    try:
        visitor.get("/")
        assert receiver.asked.wait(40)
        _request_id, order = placed(visitor, shop.virtual().get_absolute_url())
        stack.ends(order.order_number)
    finally:
        receiver.hanging.clear()
        receiver._go_on.set()
        receiver._go_on = type(receiver._go_on)()


def test_a_receiver_that_is_away_delays_nobody_and_gets_what_comes_later(
    stack: Stack, shop: World, visitor: Visitor, receiver: Receiver
) -> None:
    with receiver.away():
        _request_id, order = placed(visitor, shop.virtual().get_absolute_url())
        stack.ends(order.order_number)
    trace_id = secrets.token_hex(16)

    def arrives() -> bool:
        header = f"00-{trace_id}-{'a' * 16}-01"
        assert visitor._browser.get("/", headers={"traceparent": header}).status_code == 200
        return bool(receiver.of(trace_id))

    eventually(arrives, "spans arrive again", pause=1)


def test_no_line_has_anything_personal_or_secret(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    book, card = shop.product(), shop.virtual()
    number = visitor.redeem(book.get_absolute_url(), card.get_absolute_url())
    eventually(
        lambda: VirtualCode.objects.filter(fulfillment__reference__in=items(number)).exists(),
        "the code has come",
    )
    visitor.get("/catalog/?q=wheelchair")
    visitor._browser.get("/invitations/s3cret-of-a-link/")
    visitor._browser.get("/for-you/s3cret-of-a-link/")
    visitor._browser.get("/nowhere/kim@elsewhere.example/")
    codes = [text for code in VirtualCode.objects.all() for text in (code.code, code.pin, code.url)]
    people = list(User.objects.values_list("email", flat=True))
    tokens = [str(visitor_session(visitor)), stack.web.environment["LOYALTY_OAUTH_CLIENT_SECRET"]]
    never = [
        *filter(None, codes),
        *people,
        *tokens,
        *RECIPIENT.values(),
        "wheelchair",
        "s3cret-of-a-link",
    ]
    text = "\n".join(each.log.read_text() for each in (stack.web, stack.worker, stack.sweeper))
    assert '"portal.route":"catalog:list"' in text
    for word in never:
        if len(word) > 2:
            assert word not in text, word
    assert not re.findall(r"[\w.+-]+@[\w-]+\.\w+", text)


def items(number: str) -> list[Any]:
    order = RedemptionOrder.objects.get(order_number=number)
    return list(order.items.values_list("pk", flat=True))
