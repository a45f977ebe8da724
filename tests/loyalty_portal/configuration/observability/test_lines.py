"""What a line of the log looks like, and what never stands in one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from loyalty_portal.configuration.logs import (
    FORMATS,
    EcsLines,
    JsonLines,
    RefusalsInOneLine,
    formatter,
)
from loyalty_portal.configuration.observability.origin import belonging_to

TEMPLATES = Path(__file__).resolve().parents[4] / "deploy/logs"


def line(style: type[JsonLines], message: str = "done", **given: Any) -> dict[str, Any]:
    """The line of one record, given as `logger.info(message, extra=given)`."""
    return _told(style, message, None, given)


def line_of_error(style: type[JsonLines], error: Exception) -> dict[str, Any]:
    try:
        raise error
    except type(error) as raised:
        return _told(style, "failed", raised, {})


def _told(
    style: type[JsonLines], message: str, error: Exception | None, given: dict[str, Any]
) -> dict[str, Any]:
    about = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger("room").makeRecord(
        "room", logging.INFO, __file__, 1, message, (), about, extra=given
    )
    RefusalsInOneLine().filter(record)
    text = style().format(record)
    assert "\n" not in text
    told: dict[str, Any] = json.loads(text)
    return told


def test_a_line_in_the_names_of_ecs() -> None:
    with belonging_to("click-0001"):
        told = line(EcsLines, method="GET", route="order", status=200, duration_ms=2.5, seat="s")
    moment = told.pop("@timestamp")
    assert (len(moment), moment[-1]) == (24, "Z")
    assert told.pop("process.pid") > 0
    assert told == {
        "log.level": "info",
        "message": "done",
        "ecs.version": "8.11.0",
        "service.name": "loyalty-portal",
        "log.logger": "room",
        "http.request.id": "click-0001",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "event.duration": 2_500_000,
        "portal.route": "order",
        "portal.seat": "s",
    }


def test_an_error_in_the_names_of_ecs() -> None:
    told = line_of_error(EcsLines, ValueError("not a number"))
    assert (told["error.type"], told["error.message"]) == ("ValueError", "not a number")
    assert "line_of_error" in told["error.stack_trace"]


def test_a_line_in_json() -> None:
    with belonging_to("click-0001"):
        told = line(JsonLines, duration_ms=2.5, route="order")
    assert told.pop("timestamp")
    assert told == {
        "event": "done",
        "level": "info",
        "logger": "room",
        "request_id": "click-0001",
        "duration_ms": 2.5,
        "route": "order",
    }
    assert line_of_error(JsonLines, ValueError("x"))["exception"][0]["exc_type"] == "ValueError"


@pytest.mark.parametrize("style", FORMATS)
def test_no_address_and_no_value_of_a_refused_row_or_statement(style: str) -> None:
    row = 'duplicate key\nDETAIL:  Failing row contains (7, "Ada Byron", Invalidenstr. 43).\nCONTEXT: x'
    statement = "no such column\nLINE 1: UPDATE a SET name = 'Ada Byron', x = 1\n      ^"
    for refused in (row, statement):
        text = written(style, "it failed", ValueError(refused))
        assert refused.partition("\n")[0] in text
        assert not any(word in text for word in ("Ada", "Invalidenstr"))
    told = written(style, "told ada.byron+x@northwind.example of it")
    assert "told -" in told
    assert "northwind" not in told


def written(style: str, message: str, error: Exception | None = None) -> str:
    """The text of a line in one of FORMATS."""
    about = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("room", logging.ERROR, __file__, 1, message, (), about)
    return formatter(style).format(record)


@pytest.mark.parametrize("style", [JsonLines, EcsLines])
def test_a_request_is_told_by_its_route_and_never_by_its_path(style: type[JsonLines]) -> None:
    request = RequestFactory().get("/orders/PO-SECRET/?q=wheelchair")
    record = logging.getLogger("django.request").makeRecord(
        "django.request", logging.WARNING, __file__, 1, "%s: %s", ("Not Found", request.path),
        None, extra={"request": request, "status_code": 404},
    )  # fmt: skip
    RefusalsInOneLine().filter(record)
    text = style().format(record)
    assert "Not Found: -" in text
    assert not any(word in text for word in ("SECRET", "wheelchair"))


@pytest.mark.parametrize("odd", ["half a \ud83d", 2**70, {1: object()}, {(1, 2): 3}])
def test_what_json_does_not_know_is_told_all_the_same(odd: object) -> None:
    assert line(JsonLines, odd=odd)["event"] == "done"


@pytest.mark.parametrize("name", ["index-template.json", "index-template-opensearch.json"])
def test_the_index_knows_each_name_of_a_line(name: str) -> None:
    known = json.loads((TEMPLATES / name).read_text())["template"]["mappings"]["properties"]
    with belonging_to("click-0001"):
        told = line(EcsLines, method="GET", route="order", status=200, duration_ms=2.5, seat="s")
    told |= line_of_error(EcsLines, ValueError("x"))
    assert told.keys() <= known.keys()
    # dots are objects there, so no name may be another's beginning
    assert not [one for one in known for other in known if other.startswith(f"{one}.")]
