"""Responses and decorators that several rooms use."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods


class SeeOther(HttpResponseRedirect):
    """A redirect after a POST (303), which browsers follow with a GET."""

    status_code = 303


def attachment(content: bytes | str, content_type: str, name: str) -> HttpResponse:
    """A response that a browser saves under this name."""
    disposition = content_disposition_header(True, name) or "attachment"
    headers = {"Content-Disposition": disposition}
    return HttpResponse(content, content_type=content_type, headers=headers)


def private_by_default(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that forbids caching for every response that does not set its own cache rules.

    All pages are personal. After signing out, "back" must not show one.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return answer


def form_only(page: str, *named: str) -> Callable[..., Callable[..., HttpResponse]]:
    """Decorate a view that only accepts POST from a form.

    The view's address stays in the browser after a refused form. A GET of it redirects to `page`,
    with the arguments that `named` lists.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @require_http_methods(["GET", "HEAD", "POST"])
        @wraps(view)
        def checked(request: HttpRequest, **given: Any) -> HttpResponse:
            if request.method != "POST":
                return SeeOther(resolve_url(page, **{name: given[name] for name in named}))
            return view(request, **given)

        return checked

    return decorate


def say_where(request: HttpRequest, response: HttpResponse, target: str) -> None:
    """Update the address bar to `target` after HTMX changed a list.

    A chosen filter adds a history entry, so "back" undoes it; typing replaces the entry.
    """
    before = parse_qs(urlsplit(request.headers.get("HX-Current-URL", "")).query).get("q", [""])[0]
    typing = before != request.GET.get("q", "")
    response["HX-Replace-Url" if typing else "HX-Push-Url"] = target
