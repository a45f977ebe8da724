"""Checks the sandbox's answers against the published contracts; shares no code with it."""

from __future__ import annotations

import functools
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.support.sandbox_process import ROOT


@functools.cache
def _document(name: str) -> dict[str, Any]:
    text = (ROOT / "docs" / "contracts" / f"{name}.yaml").read_text("utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


@functools.cache
def _validator(name: str, pointer: str) -> Draft202012Validator:
    resource = DRAFT202012.create_resource(_document(name))
    registry: Registry[Any] = Registry().with_resource("urn:contract", resource)
    return Draft202012Validator(
        {"$ref": f"urn:contract#{pointer}"}, registry=registry, format_checker=FormatChecker()
    )


def assert_matches(name: str, schema: str, body: object) -> None:
    """`schema` is the name of a component, or a JSON pointer into the document."""
    pointer = schema if schema.startswith("/") else f"/components/schemas/{schema}"
    _validator(name, pointer).validate(body)


def assert_problem(response: Any, status: int, code: str) -> None:
    """The httpx response must be the contract's Problem with this status and code."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert_matches("loyalty-api", "Problem", response.json())
    assert response.json()["status"] == status


STATEMENT = "/paths/~1transactions~1{accountId}/get/responses/200/content/application~1json/schema"
FOUND = "/paths/~1fulfillments/get/responses/200/content/application~1json/schema"
EVENT = "/webhooks/fulfillment/post/requestBody/content/application~1json/schema"
