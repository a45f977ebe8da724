"""Calls of the API over the whole stack of Django, and what answers must look like."""

import functools
import json
import re
from typing import Any

from django.conf import settings
from django.test import Client
from jsonschema import Draft202012Validator

from accounts.access.keys import NewKey
from loyalty_portal.api.v1 import api

V1 = "/api/v1"


class Calls:
    """Calls the API with one key; `secret` "" sends none."""

    def __init__(self, key: NewKey | str) -> None:
        self.secret = key if isinstance(key, str) else key.secret
        self._client = Client(raise_request_exception=False)

    def get(self, path: str, query: Any = None, **headers: str) -> Any:
        return self.call("get", path, query, **headers)

    def call(self, method: str, path: str, data: Any = None, **headers: str) -> Any:
        if self.secret:
            headers = {"authorization": f"Bearer {self.secret}", **headers}
        where = path if path.startswith("/api") else V1 + path
        given: dict[str, Any] = {"headers": headers}
        if method not in {"get", "head"}:
            given["content_type"] = headers.get("content-type", "application/json")
        answer = getattr(self._client, method)(where, data, **given)
        must_be_documented(method, where, answer)
        return answer

    def every(self, path: str, query: dict[str, Any] | None = None) -> list[Any]:
        """All rows of a list, page by page."""
        found, answer = [], self.get(path, query or {})
        while True:
            page = answer.json()
            found += page["data"]
            if page["next"] is None:
                return found
            answer = self.get(page["next"])


def code(answer: Any) -> str:
    """The code of a problem, which is checked to be one."""
    assert answer["Content-Type"] == "application/problem+json", answer.content[:200]
    problem = answer.json()
    assert must_fit({"$ref": "#/components/schemas/Problem"}, problem) == []
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer["X-Request-Id"]
    assert problem["detail"]
    assert problem["type"] == f"{settings.PORTAL_URL}{V1}/docs/problems/{problem['code']}"
    assert ("WWW-Authenticate" in answer) or answer.status_code != 401
    return str(problem["code"])


def must_be_documented(method: str, path: str, answer: Any) -> None:
    """Check that the document names this status of this operation, and the code of a problem."""
    methods = _methods(path.partition("?")[0])
    if method not in methods:
        return
    told = methods[method]["responses"].get(str(answer.status_code))
    assert told, f"{method} {path} answers {answer.status_code}, which the document does not name"
    if answer.status_code >= 400:
        [content] = told["content"].values()
        assert answer.json()["code"] in content["examples"], (method, path, answer.json()["code"])


def _methods(path: str) -> dict[str, Any]:
    """The operations of the document at an address, by their methods."""
    for pattern, methods in _addresses():
        if pattern.fullmatch(path):
            return methods
    return {}


@functools.cache
def _addresses() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [
        (re.compile(re.sub(r"{\w+}", "[^/]+", path)), methods)
        for path, methods in api.document["paths"].items()
    ]


def must_fit(schema: dict[str, Any], value: Any) -> list[str]:
    """What of a value the document does not allow."""
    return [error.message for error in _validator(json.dumps(schema)).iter_errors(value)]


@functools.cache
def _validator(schema: str) -> Draft202012Validator:
    """A validator for a schema of the document, as JSON."""
    components = json.loads(json.dumps(api.document["components"], default=str))
    return Draft202012Validator({**json.loads(schema), "components": components})


def answer_of(operation_id: str) -> dict[str, Any]:
    """The schema of what an operation answers when it succeeds."""
    for methods in api.document["paths"].values():
        for operation in methods.values():
            if operation["operationId"] == operation_id:
                [answer] = [said for key, said in operation["responses"].items() if key < "300"]
                return dict(answer["content"]["application/json"]["schema"])
    raise LookupError(operation_id)
