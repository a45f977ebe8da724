"""Spans of one process: which there are, and what stands in them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from accounts.models import Company
from loyalty_portal.configuration.observability import otlp, traces
from loyalty_portal.configuration.observability.origin import NOBODY, Origin, belonging_to
from loyalty_portal.fastpath.sql import Prepared
from redemption.models import Alert, Letter
from tests.loyalty_portal.configuration.observability.receiver import Receiver
from tests.redemption.world import World
from tests.support.daemons import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
CLICK = f"00-{'a' * 32}-{'b' * 16}-01"


class Kept(InMemorySpanExporter):
    """The spans that have ended."""

    def named(self, beginning: str) -> list[Any]:
        spans = self.get_finished_spans()
        return [span for span in spans if span.name.startswith(beginning)]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Traces, of which all that begin here are kept in memory."""
    spans = Kept()
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(1)))
    provider.add_span_processor(SimpleSpanProcessor(spans))
    # replaced: nothing switches traces off again in a process
    monkeypatch.setattr(traces, "_tracing", otlp.Otlp(provider))
    yield spans
    provider.shutdown()


def test_each_statement_is_a_span_whatever_cursor_runs_it(kept: Kept) -> None:
    find = Prepared(lambda name: Company.objects.filter(name=name), "a name")
    with traces.continuing(NOBODY, "work"):
        assert list(Company.objects.filter(name="Hidden & Sons")) == []
        assert find("Hidden & Sons") == []
        with connection.cursor() as cursor:
            cursor.executemany("SELECT %s", [("Hidden & Sons",)])
            cursor.execute("SELECT 1 UNION ALL SELECT 2")
            assert sorted(row[0] for row in cursor) == [1, 2]
            assert cursor.rowcount == 2
    [work] = kept.named("work")
    assert len(kept.named(f"SELECT {Company._meta.db_table}")) == 2
    assert len(kept.named("SELECT")) == 4
    for span in kept.named("SELECT"):
        assert span.parent.span_id == work.context.span_id
        assert span.attributes["db.system.name"] == "postgresql"
    assert "Hidden" not in repr([span.to_json() for span in kept.get_finished_spans()])


def test_outside_of_a_kept_trace_there_is_none(kept: Kept) -> None:
    assert Company.objects.count() == 0
    with traces.continuing(Origin(traceparent=CLICK[:-2] + "00"), "work"):
        assert Company.objects.count() == 0
        assert traces.traceparent().startswith(CLICK[:35])
    assert kept.get_finished_spans() == ()


def test_a_row_keeps_where_it_comes_from(kept: Kept) -> None:
    with belonging_to("click-0001"), traces.request_span(CLICK):
        alert = Alert()
        here = traces.traceparent()
    assert (alert.request_id, alert.traceparent) == ("click-0001", here)
    assert here.startswith(CLICK[:35])
    assert (Alert().request_id, Alert().traceparent) == (None, None)


def test_a_row_that_is_gone_comes_from_nobody() -> None:
    assert Letter.objects.origin_of("00000000-0000-0000-0000-000000000000") == NOBODY


def test_a_call_to_a_partner_is_a_span_without_ids(world: World, kept: Kept) -> None:
    from redemption.saga.transactions import settle_transaction  # noqa: PLC0415

    order = world.place((world.virtual(), 1))
    debit = world.debit(order)
    with traces.continuing(Origin("click-0001", CLICK), "work"):
        settle_transaction(debit.pk)
    [call] = kept.named("POST /")
    assert f"{call.context.trace_id:032x}" == "a" * 32
    assert call.attributes["portal.partner"] == "loyalty"
    assert order.order_number not in repr([span.to_json() for span in kept.get_finished_spans()])


def test_a_request_that_breaks_is_a_failed_span(kept: Kept) -> None:
    Client().get("/accounts/login/", headers={"traceparent": CLICK})
    [span] = kept.named("GET account_login")
    assert f"{span.context.trace_id:032x}" == "a" * 32
    assert span.status.is_unset
    assert span.attributes["http.response.status_code"] == 200


@pytest.mark.urls("tests.house.test_refusals")
def test_the_page_of_a_broken_request_names_request_and_trace(kept: Kept) -> None:
    browser = Client(raise_request_exception=False)
    page = browser.get("/broken/", headers={"traceparent": CLICK, "X-Request-Id": "click-0001"})
    assert page.status_code == 500
    assert "click-0001" in page.content.decode()
    assert "a" * 32 in page.content.decode()
    [span] = kept.named("GET ")
    assert not span.status.is_ok


@pytest.mark.django_db(transaction=False)
def test_what_is_started_sends_its_spans(settings: Any) -> None:
    with Receiver() as receiver:
        settings.OTEL_ENDPOINT, settings.OTEL_SAMPLED = receiver.url, 1.0
        with otlp.started("web").entry("request", "server", CLICK):
            pass
        [seen] = eventually(lambda: receiver.of("a" * 32), "the span arrives")
    assert (seen.process, seen.name, seen.parent_id) == ("web", "request", "b" * 16)


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    """redis-py imports parts of OpenTelemetry by itself where it is installed; not these."""
    look = (
        "import sys, django; django.setup(); import loyalty_portal.wsgi, loyalty_portal.celery;"
        "from loyalty_portal.configuration.observability import traces; traces.start('web');"
        "print([name for name in sys.modules if name.startswith("
        "('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'sentry_sdk', 'google.protobuf'))])"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "loyalty_portal.settings"}
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
