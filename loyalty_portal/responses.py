"""Answers of our own."""

from urllib.parse import parse_qs, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect


class SeeOther(HttpResponseRedirect):
    """After a POST: look there, with a GET."""

    status_code = 303


def say_where(request: HttpRequest, response: HttpResponse, target: str) -> None:
    """The address bar follows a list. Each filter can be undone with "back", a keystroke cannot."""
    before = parse_qs(urlsplit(request.headers.get("HX-Current-URL", "")).query).get("q", [""])[0]
    typing = before != request.GET.get("q", "")
    response["HX-Replace-Url" if typing else "HX-Push-Url"] = target
