"""Answers of our own."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.views.decorators.http import require_http_methods


class SeeOther(HttpResponseRedirect):
    """After a POST: look there, with a GET."""

    status_code = 303


def private_by_default(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: no browser and no proxy keeps an answer that does not say that it may be kept.

    All pages are somebody's own: their points, their orders, who works with them. Whoever presses
    "back" after they have signed out finds nothing of it.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return answer


def form_only(page: str, *named: str) -> Callable[..., Callable[..., HttpResponse]]:
    """For a view that a form posts to.

    Its address stays in the browser's bar when a form was refused. Opened from there it leads to
    `page`, which gets the arguments that are `named`, and does nothing.
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
    """The address bar follows a list. Each filter can be undone with "back", a keystroke cannot."""
    before = parse_qs(urlsplit(request.headers.get("HX-Current-URL", "")).query).get("q", [""])[0]
    typing = before != request.GET.get("q", "")
    response["HX-Replace-Url" if typing else "HX-Push-Url"] = target
