"""Answers everything under `/api/` before sessions, cookies and pages are looked at.

The API reads no cookie, so it needs no CSRF token, and whatever goes wrong here is a problem
(problems.py) and no page.
"""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import (
    get_supported_language_variant,
    parse_accept_lang_header,
)

from loyalty_portal.api.calls import COMPANY_HEADER
from loyalty_portal.api.limits import say_limits
from loyalty_portal.api.portal_api import answer_error
from loyalty_portal.api.problems import ApiProblemError, problem_response
from loyalty_portal.configuration.observability.origin import request_id
from loyalty_portal.http.where import happening_at

BEGINS = "/api/"
_BODIES = frozenset({"POST", "PUT", "PATCH"})
# Why the web worker passes a call on that did not come whole, or whose head cannot be read, by the
# status (http/web_worker.py: REFUSED). Whatever else it is, it is no HTTP.
_REFUSED = {
    408: "too_slow",
    413: "too_large",
    414: "address_too_long",
    431: "headers_too_large",
}


def straight_in(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that answers calls of the API itself, and passes all other requests on."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(BEGINS):
            return get_response(request)
        return _answer_call(request)

    return answer


def _answer_call(request: HttpRequest) -> HttpResponseBase:
    request.request_id = request_id()  # type: ignore[attr-defined]
    with (
        happening_at(request),
        translation.override(asked_language(request) or settings.LANGUAGE_CODE),
    ):
        response = _dispatched(request)
        response.headers.setdefault("Content-Language", translation.get_language())
    say_limits(request, response)
    response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
    patch_vary_headers(response, ("Authorization", "Accept-Language", COMPANY_HEADER))
    return response


def asked_language(request: HttpRequest) -> str:
    """The first of our languages for which the caller asks; "" when they ask for none."""
    for code, _weight in parse_accept_lang_header(request.headers.get("Accept-Language", "")):
        try:
            return get_supported_language_variant(code)
        except LookupError:
            continue
    return ""


def _dispatched(request: HttpRequest) -> HttpResponseBase:
    method = request.method
    try:
        _must_be_readable(request)
        found = request.resolver_match = resolve(request.path_info)
        if method == "HEAD":
            request.method = "GET"
        response: HttpResponse = found.func(request, *found.args, **found.kwargs)
    except DisallowedHost:
        return problem_response(request, ApiProblemError("malformed"))
    except Resolver404:
        return problem_response(request, ApiProblemError("not_found"))
    except Exception as error:  # noqa: BLE001 - each becomes a problem, and what is ours is logged
        return answer_error(request, error)
    finally:
        request.method = method
    if response.status_code == 405:
        return _other_methods(request, response)
    if method == "HEAD":
        response["Content-Length"] = str(len(response.content))
        response.content = b""
    return response


def _must_be_readable(request: HttpRequest) -> None:
    """Refuse a request by its head, before its body is read."""
    if refused := request.META.get("portal.refused"):
        why = _REFUSED.get(refused, "malformed")
        raise ApiProblemError(why, headers={"Connection": "close"})
    request.get_host()
    if "\0" in request.path_info:
        raise Resolver404
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise ApiProblemError("too_large")
    has_body = length not in {"", "0"}
    if request.method in _BODIES and has_body and request.content_type != "application/json":
        raise ApiProblemError("unsupported_media_type")


def _other_methods(request: HttpRequest, refused: HttpResponseBase) -> HttpResponse:
    """The answer to a method that the address does not have: OPTIONS lists those that it has."""
    methods = {each.strip() for each in refused.get("Allow", "").split(",")} - {""}
    methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    allow = {"Allow": ", ".join(sorted(methods))}
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers=allow)
    return problem_response(request, ApiProblemError("method_not_allowed", headers=allow))
