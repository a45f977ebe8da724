"""What happens around each operation: who calls, what they may, and how its result is sent."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from django.utils.translation import gettext as _
from pydantic import BaseModel

from loyalty_portal.api.limits import count
from loyalty_portal.api.problems import ApiProblemError, Mistake
from loyalty_portal.api.shapes import PageTold
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.rates import Rate

View = TypeVar("View", bound=Callable[..., Any])
COMPANY_HEADER = "Portal-Company"  # the id of the company for which a person calls


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCaller:
    """Who calls: the actor, the scopes that their key has, and for whom calls are counted.

    `lacks` is the problem of whoever acts for no company, "" for all others. `is_confirmed`: a key,
    or a person who said a moment ago who they are.
    """

    actor: Actor
    scopes: frozenset[str]
    counted_as: UUID
    lacks: str = ""
    is_confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Leaving:
    """When an operation was said to go away (RFC 9745), and from when on it may be gone (RFC 8594):
    a year later at the earliest.
    """

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.until - self.since < timedelta(days=365):
            raise ValueError("An operation goes away a year after it was said.")

    @property
    def headers(self) -> dict[str, str]:
        since, until = int(self.since.timestamp()), http_date(self.until.timestamp())
        return {"Deprecation": f"@{since}", "Sunset": until}


@dataclass(frozen=True, slots=True)
class AccessRule:
    """What a call of an operation needs: a scope ("": none), and a role that passes `may`.
    `problems` are further problems that the operation answers, by their codes, and `rate` how often
    a seat may call it. `tagged`: what it tells has an ETag, so it heeds If-None-Match when it
    reads, and If-Match when it changes something. `personal`: whoever acts for no company may call
    it too. `confirmed`: people must have said a moment ago who they are. `leaves`: when it
    goes away; None: it stays.
    """

    scope: str
    may: Callable[[Actor], bool] | None
    problems: tuple[str, ...]
    rate: Rate | None
    tagged: bool
    personal: bool
    confirmed: bool
    leaves: Leaving | None


@dataclass(frozen=True, slots=True)
class ApiResult:
    """The result of an operation with headers besides its body, and another status than 200.
    `made` is the id of what it made, where that is kept for ever (accounts/access/once.py); `kept`
    False: the body has a secret, and is not kept for repeated calls.
    """

    body: BaseModel
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    made: UUID | None = None
    kept: bool = True


def allowed(
    scope: str,
    *,
    may: Callable[[Actor], bool] | None = None,
    problems: tuple[str, ...] = (),
    rate: Rate | None = None,
    tagged: bool = False,
    personal: bool = False,
    confirmed: bool = False,
    leaves: Leaving | None = None,
) -> Callable[[View], View]:
    """Say what a call of this operation needs. Each operation says it; "" is no scope."""
    rule = AccessRule(scope, may, problems, rate, tagged, personal, confirmed, leaves)

    def mark(view: View) -> View:
        view.access_rule = rule  # type: ignore[attr-defined]
        return view

    return mark


def keyed(view: View) -> View:
    """Mark an operation that is done once for each Idempotency-Key (accounts/access/once.py)."""
    view.is_keyed = True  # type: ignore[attr-defined]
    return view


def is_keyed(view: Callable[..., Any]) -> bool:
    """Whether the operation needs an Idempotency-Key."""
    return getattr(view, "is_keyed", False)


def answering(view: Callable[..., Any]) -> Callable[..., HttpResponseBase]:
    """Decorate an operation: check what the caller may and that no parameter is unknown, then send
    the result as JSON.
    """
    rule: AccessRule = view.access_rule  # type: ignore[attr-defined]
    single, several = _parameters(view)

    @wraps(view)
    def answer(request: Any, **given: Any) -> HttpResponseBase:
        _must_be_allowed(request.auth, rule)
        if rule.rate and (seat := request.auth.actor.seat):
            count(request, rule.rate, str(seat.pk))
        _must_be_known(request, single, several)
        response = _response(view(request, **given))
        for name, value in rule.leaves.headers.items() if rule.leaves else ():
            response[name] = value
        return response

    return answer


def _parameters(view: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the query's parameters that are sent once, and of those that may repeat."""
    models = [
        model
        for model in view._ninja_operation.models  # noqa: SLF001 - ninja has no public name for it
        if model.__ninja_param_source__ == "query"
    ]
    names = {name for model in models for name in model.__ninja_flatten_map__}
    several = {name for model in models for name in model.__ninja_collection_fields__}
    return frozenset(names - several), frozenset(several)


def must_have_scope(caller: ApiCaller, scope: str) -> None:
    """Raise the problem `insufficient_scope` when the caller's key does not have this scope."""
    if scope not in caller.scopes:
        told = _("The key does not have the scope %(scope)s.") % {"scope": scope}
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise ApiProblemError("insufficient_scope", told, headers={"WWW-Authenticate": challenge})


def _must_be_allowed(caller: ApiCaller, rule: AccessRule) -> None:
    if caller.lacks and not rule.personal:
        raise ApiProblemError(caller.lacks)
    if rule.scope:
        must_have_scope(caller, rule.scope)
    if rule.may and not rule.may(caller.actor):
        raise ApiProblemError("role_forbids")
    if rule.confirmed and not caller.is_confirmed:
        raise ApiProblemError("confirmation_required")


def _must_be_known(request: HttpRequest, single: frozenset[str], several: frozenset[str]) -> None:
    """Refuse parameters that the operation does not have, or has once, or that no text can hold."""
    errors = []
    for name, values in request.GET.lists():
        if name not in single | several:
            errors.append(_mistake(name, "unknown_parameter", _("There is no such parameter.")))
        elif name in single and len(values) > 1:
            errors.append(_mistake(name, "repeated", _("Send this parameter once.")))
        elif any("\0" in value for value in values):
            errors.append(_mistake(name, "not_text", _("This has characters that no text has.")))
    if errors:
        raise ApiProblemError("invalid", errors=errors)


def _mistake(name: str, code: str, detail: str) -> Mistake:
    return Mistake("query", "/" + name.replace("~", "~0").replace("/", "~1"), code, detail)


def _response(result: Any) -> HttpResponseBase:
    if isinstance(result, HttpResponseBase):
        return result
    if isinstance(result, PageTold) and result.next:
        result = ApiResult(result, {"Link": f'<{result.next}>; rel="next"'})
    return result_response(result if isinstance(result, ApiResult) else ApiResult(result))


def result_response(result: ApiResult) -> HttpResponse:
    """The result of an operation as JSON."""
    return HttpResponse(
        result.body.model_dump_json().encode(),
        status=result.status,
        content_type="application/json",
        headers=dict(result.headers),
    )


def tag_of(told: BaseModel) -> str:
    """An ETag that changes with whatever is told of something."""
    return f'"{hashlib.sha256(told.model_dump_json().encode()).hexdigest()[:20]}"'


def must_match(request: HttpRequest, tag: str) -> None:
    """Raise the problem `precondition_failed` when the caller knows another version (If-Match)."""
    known = request.headers.get("If-Match", "")
    tags = {each.strip() for each in known.split(",")} - {""}
    if tags and not tags & {tag, "*"}:
        raise ApiProblemError("precondition_failed")


def unchanged(request: HttpRequest, tag: str) -> HttpResponse | None:
    """The answer 304 when the caller has seen what has this ETag; None when they have not."""
    seen = request.headers.get("If-None-Match", "")
    tags = {each.strip().removeprefix("W/") for each in seen.split(",")}
    if tag in tags or "*" in tags:
        return HttpResponse(status=304, headers={"ETag": tag})
    return None
