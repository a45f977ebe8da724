"""Completes the OpenAPI document that ninja makes: problems, the scheme, scopes, examples."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.utils import translation
from ninja.openapi.schema import OpenAPISchema

from loyalty_portal.api.calls import COMPANY_HEADER, AccessRule, is_keyed
from loyalty_portal.api.examples import Examples, problem_examples
from loyalty_portal.api.problems import CONTENT_TYPE, KINDS

SCHEME = "bearerAuth"
# Every operation may answer these, and each that takes a body those.
_ALWAYS = (
    *("malformed", "address_too_long", "headers_too_large"),
    *("unauthenticated", "second_factor_required", "no_company"),
    *("invalid", "too_many_requests", "internal", "no_answer", "busy"),
)
_OF_BODIES = ("too_slow", "too_large", "unsupported_media_type")

_TEXT = {"type": "string"}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a call did not succeed (RFC 9457). `code` is stable, `detail` for people.",
    "required": ["type", "title", "status", "detail", "code", "request_id", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": {"type": "string", "x-extensible-enum": list(KINDS)},
        "request_id": _TEXT,
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Mistake"}},
    },
}
_IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The same for each try of one call, another for each call.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
    "example": "purchase-4711",
}
# What an operation may answer besides, when it is done once for each of those.
_OF_KEYS = ("idempotency_key_missing", "idempotency_mismatch", "idempotency_in_progress")
_COMPANY: dict[str, Any] = {
    "name": COMPANY_HEADER,
    "in": "header",
    "required": False,
    "description": "The company for which a person with several calls. A key needs none.",
    "schema": {"type": "string", "format": "uuid"},
}
_ETAG = {"ETag": {"description": "Changes with what is told.", "schema": _TEXT}}
_LOCATION = {"Location": {"description": "The address of what was made.", "schema": _TEXT}}
_LINK = {"Link": {"description": 'The next page (RFC 8288, rel="next"), if any.', "schema": _TEXT}}
_KNOWN: dict[str, Any] = {"in": "header", "required": False, "schema": _TEXT}
_IF_NONE_MATCH = _KNOWN | {
    "name": "If-None-Match",
    "description": "The ETag of an answer that the caller has: 304 while it would be the same.",
}
_IF_MATCH = _KNOWN | {
    "name": "If-Match",
    "description": "The ETag that the caller knows: nothing is done when it is another now.",
}
_MISTAKE: dict[str, Any] = {
    "type": "object",
    "title": "Mistake",
    "description": "One mistake in a request; `pointer` leads to its place in `part` (RFC 6901).",
    "required": ["part", "pointer", "code", "detail"],
    "properties": {
        "part": {"type": "string", "x-extensible-enum": ["body", "query", "path", "header"]},
        "pointer": _TEXT,
        "code": _TEXT,
        "detail": _TEXT,
    },
}


def completed(document: OpenAPISchema, api: Any) -> OpenAPISchema:
    """The document with what holds for all operations, and what each says about its access.

    Raises NoExampleError for a field without an example.
    """
    components = document["components"]
    components["schemas"] |= {"Problem": _PROBLEM, "Mistake": _MISTAKE}
    components["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": (
                "An API key, `lrp_(live|test)_[0-9A-Za-z]{36}`, or the access token of a person."
            ),
        }
    }
    with translation.override("en"):  # whoever reads it first
        components["examples"] = problem_examples()
    views = views_of(api)
    examples = Examples(components["schemas"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            view = views[operation["operationId"]]
            _complete(operation, view, reads=method == "get", has_ids="{" in path)
            _give_examples(operation, examples)
    for kind, named in _referred(document).items():
        components[kind] = {name: components[kind][name] for name in sorted(named)}
    return document


def _referred(document: OpenAPISchema) -> dict[str, set[str]]:
    """The names of the components that operations refer to, and those in turn, by their kind."""
    found: dict[str, set[str]] = {}
    waiting: list[Any] = [document["paths"]]
    for part in waiting:
        text = json.dumps(part, default=str)
        for kind, name in re.findall(r'"#/components/(\w+)/([^"]+)"', text):
            if name not in found.setdefault(kind, set()):
                found[kind].add(name)
                waiting.append(document["components"][kind][name])
    return found


def views_of(api: Any) -> dict[str, Callable[..., Any]]:
    """The functions of all operations, by the operations' ids."""
    return {
        operation.operation_id: operation.view_func
        for router in api._get_bound_routers()  # noqa: SLF001 - ninja's document is made so too
        for path_view in router.path_operations.values()
        for operation in path_view.operations
    }


def _complete(
    operation: dict[str, Any], view: Callable[..., Any], *, reads: bool, has_ids: bool
) -> None:
    """Say of an operation how it is called, and all that it may answer."""
    rule: AccessRule = view.access_rule  # type: ignore[attr-defined]
    operation["security"] = [{SCHEME: []}]
    if rule.scope:
        operation["x-scope"] = rule.scope
        operation["description"] = f"{operation['description']}\n\nScope: `{rule.scope}`."
    if rule.leaves:
        operation |= {"deprecated": True, "x-sunset": rule.leaves.until.date().isoformat()}
    operation["parameters"].append(_COMPANY)
    if is_keyed(view):
        operation["parameters"].append(_IDEMPOTENCY_KEY)
    if rule.tagged:
        operation["parameters"].append(_IF_NONE_MATCH if reads else _IF_MATCH)
    codes = [*_ALWAYS, *rule.problems]
    codes += _OF_KEYS * is_keyed(view) + _OF_BODIES * ("requestBody" in operation)
    codes += ["insufficient_scope"] * bool(rule.scope) + ["role_forbids"] * bool(rule.may)
    codes += ["company_required"] * (not rule.personal)
    codes += ["confirmation_required"] * rule.confirmed
    codes += ["not_found"] * has_ids + ["precondition_failed"] * (rule.tagged and not reads)
    answers = {int(status): answer for status, answer in operation["responses"].items()}
    has_pages = any(each["name"] == "after" for each in operation["parameters"])
    for status, answer in answers.items():
        headers = _ETAG if rule.tagged and "content" in answer else {}
        headers = headers | (_LOCATION if status == 201 else {}) | (_LINK if has_pages else {})
        if headers:
            answer["headers"] = headers
    if rule.tagged and reads:
        answers[304] = {"description": "It is as the caller knows it.", "headers": _ETAG}
    answers |= dict(_problems(codes))
    operation["responses"] = {str(status): answers[status] for status in sorted(answers)}


def _problems(codes: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The answers of these problems by their status, each code with its example."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    for status, named in by_status.items():
        told = ", ".join(f"`{code}`" for code in named)
        content = {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in named},
        }
        yield status, {"description": f"A problem: {told}.", "content": {CONTENT_TYPE: content}}


def _give_examples(operation: dict[str, Any], examples: Examples) -> None:
    """Give an example to the body, to what is answered, and to what the address names."""
    where = operation["operationId"]
    for each in (operation.get("requestBody", {}), *operation["responses"].values()):
        for content in each.get("content", {}).values():
            if "examples" not in content:
                content["example"] = examples.of(content["schema"], where)
    for parameter in operation["parameters"]:
        parameter.pop("examples", None)  # ninja gives the schema's list, which is none of its kind
        if parameter["in"] == "path":
            parameter["example"] = examples.of(parameter["schema"], f"{where}, {parameter['name']}")
