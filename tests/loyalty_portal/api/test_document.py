"""The OpenAPI document: valid, committed as it is, and version 1 only grows."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from openapi_spec_validator import OpenAPIV31SpecValidator

from loyalty_portal.api.growth import taken_away

Change = Callable[[dict[str, Any]], Any]
FILE = settings.BASE_DIR / "docs/api/openapi-v1.json"


def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def test_the_committed_document_is_the_apis_and_valid() -> None:
    call_command("api_schema", "--check")
    document = committed()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    ids = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(ids) == len(set(ids))


def operation(document: dict[str, Any], path: str, method: str = "get") -> Any:
    return document["paths"][f"/api/v1{path}"][method]


def schema(document: dict[str, Any], name: str) -> Any:
    return document["components"]["schemas"][name]


BREAKS: list[tuple[str, Change]] = [
    ("GET /api/v1/me is gone.", lambda d: d["paths"].pop("/api/v1/me")),
    ("POST /api/v1/orders is gone.", lambda d: d["paths"]["/api/v1/orders"].pop("post")),
    ("parameter limit is gone.", lambda d: operation(d, "/orders")["parameters"].pop(0)),
    (
        "parameter status is needed now.",
        lambda d: operation(d, "/orders")["parameters"][2].update(required=True),
    ),
    ("→ 200/email is gone.", lambda d: schema(d, "MeTold")["properties"].pop("email")),
    ("→ 200/email may be missing.", lambda d: schema(d, "MeTold")["required"].remove("email")),
    ("body/note is gone.", lambda d: schema(d, "OrderEntered")["properties"].pop("note")),
    ("body/note is needed now.", lambda d: schema(d, "OrderEntered")["required"].append("note")),
    (
        "body/lines/sku is another kind of value.",
        lambda d: schema(d, "LineEntered")["properties"]["sku"].update(type="integer"),
    ),
    (
        "→ 200/status does not know EXPIRED any more.",
        lambda d: schema(d, "OrderTold")["properties"]["status"]["x-extensible-enum"].remove(
            "EXPIRED"
        ),
    ),
    (
        "→ 200/data/status does not know UNKNOWN any more.",
        lambda d: schema(d, "TransactionTold")["properties"]["status"]["x-extensible-enum"].remove(
            "UNKNOWN"
        ),
    ),
]


@pytest.mark.parametrize(("told", "change"), BREAKS, ids=[told for told, _change in BREAKS])
def test_what_is_taken_away_is_found(told: str, change: Change) -> None:
    old, new = committed(), committed()
    change(new)
    assert any(told in each for each in taken_away(old, new)), taken_away(old, new)


def test_what_is_added_takes_nothing_away() -> None:
    old, new = committed(), committed()
    new["paths"]["/api/v1/news"] = copy.deepcopy(new["paths"]["/api/v1/me"])
    schema(new, "MeTold")["properties"]["nickname"] = {"type": "string"}
    schema(new, "OrderEntered")["properties"]["nickname"] = {"type": "string", "default": ""}
    schema(new, "OrderTold")["properties"]["status"]["x-extensible-enum"].append("PAUSED")
    operation(new, "/orders")["parameters"].append(
        {"in": "query", "name": "sku", "required": False, "schema": {"type": "string"}}
    )
    assert taken_away(old, new) == []
