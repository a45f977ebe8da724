"""Completes the OpenAPI document that ninja makes: problems, the scheme, scopes."""

from typing import Any

from ninja.openapi.schema import OpenAPISchema

from loyalty_portal.api.calls import AccessRule, is_keyed
from loyalty_portal.api.problems import CONTENT_TYPE, KINDS

SCHEME = "bearerAuth"
# Every operation may answer these.
_ALWAYS = ("malformed", "unauthenticated", "invalid", "too_many_requests", "internal", "busy")

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
}
# What an operation may answer besides, when it is done once for each of those.
_OF_KEYS = ("idempotency_key_missing", "idempotency_mismatch", "idempotency_in_progress")
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
    """The document with what holds for all operations, and what each says about its access."""
    components = document["components"]
    components["schemas"] |= {"Problem": _PROBLEM, "Mistake": _MISTAKE}
    components["securitySchemes"] = {
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key: `lrp_(live|test)_[0-9A-Za-z]{36}`.",
        }
    }
    views = {
        operation.operation_id: operation.view_func
        for router in api._get_bound_routers()  # noqa: SLF001 - ninja's document is made so too
        for path_view in router.path_operations.values()
        for operation in path_view.operations
    }
    for path, methods in document["paths"].items():
        for operation in methods.values():
            view = views[operation["operationId"]]
            further = _OF_KEYS if is_keyed(view) else ()
            if further:
                operation["parameters"].append(_IDEMPOTENCY_KEY)
            _complete(operation, view.access_rule, further, has_ids="{" in path)
    return document


def _complete(
    operation: dict[str, Any], rule: AccessRule, further: tuple[str, ...], *, has_ids: bool
) -> None:
    operation["security"] = [{SCHEME: []}]
    if rule.scope:
        operation["x-scope"] = rule.scope
        operation["description"] = f"{operation['description']}\n\nScope: `{rule.scope}`."
    codes = [*_ALWAYS, *further, *rule.problems]
    codes += ["insufficient_scope"] * bool(rule.scope) + ["role_forbids"] * bool(rule.may)
    codes += ["not_found"] * has_ids
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    for status, named in sorted(by_status.items()):
        operation["responses"][str(status)] = _answer(named)
    operation["responses"] = {
        str(status): answer for status, answer in operation["responses"].items()
    }


def _answer(codes: list[str]) -> dict[str, Any]:
    told = ", ".join(f"`{code}`" for code in codes)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": f"A problem: {told}.", "content": {CONTENT_TYPE: {"schema": schema}}}
