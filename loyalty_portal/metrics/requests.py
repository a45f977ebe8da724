"""Counts requests by the name of their route."""

import time
from collections.abc import Callable

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.processes import WEB, metrics_port
from loyalty_portal.metrics.figures import REQUEST_SECONDS, REQUESTS, count, took

NO_ROUTE = "none"  # an address that does not exist, a file, or what a middleware answered itself
OTHER = "other"
# Pairs of a route and a status that one process tells apart; further ones are OTHER.
MOST_PAIRS = 150
# Routes whose time is told on its own; those with a namespace by it, all others together.
_TIMED = frozenset({"home", "checkout", "fulfillment_webhook"})
_PROBES = frozenset({"/healthz", "/readyz"})

_pairs: set[tuple[str, str]] = set()


def counted(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, the first of all: counts each request but probes, and how long it took."""
    if not metrics_port(Environment(), WEB):
        raise MiddlewareNotUsed
    for status in ("2xx", "5xx"):  # told from the start, so that their absence means something
        REQUESTS.labels(NO_ROUTE, status)

    def answer(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = get_response(request)
        if request.path_info not in _PROBES:
            seconds = time.perf_counter() - began
            route = route_of(request)
            count(REQUESTS, *_pair(route, f"{response.status_code // 100}xx"))
            took(REQUEST_SECONDS, seconds, _timed_as(route, request.method or ""))
        return response

    return answer


def route_of(request: HttpRequest) -> str:
    """The name of the request's route. All of the admin has one."""
    match = request.resolver_match
    if match is None:
        return NO_ROUTE
    return "admin" if match.namespaces[:1] == ["admin"] else match.view_name


def _pair(route: str, status: str) -> tuple[str, str]:
    pair = (route, status)
    if pair not in _pairs:
        if len(_pairs) >= MOST_PAIRS:
            return OTHER, status
        _pairs.add(pair)
    return pair


def _timed_as(route: str, method: str) -> str:
    """Placing an order is "checkout"; its page is not."""
    if route == "checkout" and method != "POST":
        return "checkout page"
    if ":" in route:
        return route.partition(":")[0]
    return route if route in _TIMED or route in {"admin", NO_ROUTE} else OTHER
