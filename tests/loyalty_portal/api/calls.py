"""Calls of the API over the whole stack of Django, and what answers must look like."""

import functools
import json
from typing import Any

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
        return getattr(self._client, method)(where, data, **given)

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
    return str(problem["code"])


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
