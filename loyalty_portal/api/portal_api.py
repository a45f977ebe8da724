"""The API's frame around django-ninja: strict requests, problems for each refusal, the document."""

import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from loyalty_portal.api.calls import answering
from loyalty_portal.api.document import completed
from loyalty_portal.api.parser import StrictParser
from loyalty_portal.api.problems import ApiProblemError, Mistake, problem_response
from loyalty_portal.data.trouble import RETRY_AFTER, is_trouble

logger = logging.getLogger(__name__)

LICENSE = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}

# What pydantic's errors mean, in the caller's language, by their type.
_MISTAKES: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "missing": lambda _ctx: _("This is missing."),
    "extra_forbidden": lambda _ctx: _("There is no such field."),
    "int_type": lambda _ctx: _("This must be a whole number."),
    "int_parsing": lambda _ctx: _("This must be a whole number."),
    "int_from_float": lambda _ctx: _("This must be a whole number."),
    "string_type": lambda _ctx: _("This must be a text."),
    "bool_type": lambda _ctx: _("This must be true or false."),
    "list_type": lambda _ctx: _("This must be a list."),
    "model_type": lambda _ctx: _("This must be an object."),
    "model_attributes_type": lambda _ctx: _("This must be an object."),
    "uuid_parsing": lambda _ctx: _("This must be a UUID."),
    "timezone_aware": lambda _ctx: _("Give the time with its offset, such as 2026-11-27T09:00Z."),
    "time": lambda _ctx: _("Give the time with its offset, such as 2026-11-27T09:00Z."),
    "date": lambda _ctx: _("Give the day as YYYY-MM-DD."),
    "date_from_datetime_parsing": lambda _ctx: _("There is no such day."),
    "not_text": lambda _ctx: _("This has characters that no text has."),
    "enum": lambda ctx: _("This must be one of: %(expected)s.") % ctx,
    "literal_error": lambda ctx: _("This must be one of: %(expected)s.") % ctx,
    "greater_than_equal": lambda ctx: _("This must be at least %(ge)s.") % ctx,
    "less_than_equal": lambda ctx: _("This must be at most %(le)s.") % ctx,
    "string_too_short": lambda ctx: _("This needs at least %(min_length)s characters.") % ctx,
    "string_too_long": lambda ctx: _("This has more than %(max_length)s characters.") % ctx,
    "too_long": lambda ctx: _("This list has more than %(max_length)s entries.") % ctx,
    "too_short": lambda ctx: _("This list needs at least %(min_length)s entries.") % ctx,
}
# What pydantic calls any value whose length is checked after a validator of ours: only texts are.
_CHECKED_TEXT = "Value"


class PortalAPI(NinjaAPI):
    """A version of the API. Rooms' routers are added to it by name, so that it imports none."""

    def __init__(self, *, title: str, version: str, description: str, auth: Any) -> None:
        super().__init__(
            title=title,
            version=version,
            description=description,
            auth=auth,
            docs_url=None,
            parser=StrictParser(),
            servers=[{"url": settings.PORTAL_URL}],
            urls_namespace="api",
            openapi_extra={"info": {"license": LICENSE}},
        )
        self.add_decorator(answering)

    def set_default_exception_handlers(self) -> None:
        """Answer each exception by a problem."""
        self.add_exception_handler(Exception, answer_error)

    @cached_property
    def document(self) -> OpenAPISchema:
        """The OpenAPI document, which is the same for everybody."""
        return completed(super().get_openapi_schema(), self)

    def get_openapi_schema(self, **_given: Any) -> OpenAPISchema:
        return self.document


def answer_error(request: HttpRequest, error: Any) -> HttpResponse:
    """The problem that an exception is. What nobody expected is logged and a 500."""
    problem = _problem_of(error)
    if problem is None:
        logger.error("a call of the API failed", exc_info=error)
        problem = ApiProblemError("internal")
    return problem_response(request, problem)


def _problem_of(error: BaseException) -> ApiProblemError | None:
    if isinstance(error, ApiProblemError):
        return error
    if isinstance(error, ValidationError):
        return ApiProblemError("invalid", errors=[_mistake(each) for each in error.errors])
    if isinstance(error, HttpError) and isinstance(error.__cause__, ApiProblemError):
        return error.__cause__
    if is_trouble(error):
        return ApiProblemError("busy", headers={"Retry-After": str(RETRY_AFTER)})
    for kind, code in _CODES:
        if isinstance(error, kind):
            return ApiProblemError(code)
    return None


# The first that fits counts.
_CODES: tuple[tuple[type[BaseException], str], ...] = (
    (Http404, "not_found"),
    (PermissionDenied, "role_forbids"),
    (RequestDataTooBig, "too_large"),
    (SuspiciousOperation, "malformed"),
    (HttpError, "malformed"),
)


def _mistake(error: dict[str, Any]) -> Mistake:
    """What pydantic found, as the API says it. In a body the pointer leads to its place there."""
    part, *path = error["loc"]
    if part == "body" or (part == "query" and len(path) > 1):
        path = path[1:]  # the name of the operation's argument
    code, ctx = error["type"], error.get("ctx", {})
    if ctx.get("field_type") == _CHECKED_TEXT:
        code = f"string_{code}"
    told = _MISTAKES.get(code)
    detail = told(ctx) if told else _("This is not valid.")
    return Mistake(str(part), "".join(f"/{_escaped(each)}" for each in path), code, detail)


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
