"""Limits of calls: of each caller, of each company over all its callers, and of costly operations.

A refusal is the problem `too_many_requests` with Retry-After. Each answer says how much is left
(RateLimit headers of draft-ietf-httpapi-ratelimit-headers-10), unless Redis is away: then each
process counts for itself, and nobody knows the sum.
"""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from loyalty_portal.api.problems import ApiProblemError
from loyalty_portal.data.actor import Actor, Seat
from loyalty_portal.http.rates import Rate, Taken, take

BURST = 6  # parts of a minute's calls that may come at once: one sixth


def count_call(request: HttpRequest, by: Actor, counted_as: UUID) -> None:
    """Count a call of this caller, and of their company. Raises ApiProblemError."""
    for rate, who in (
        (_rate("key", settings.API_RATE_KEY), counted_as),
        (_of_company(by.seat), by.seat.company_id if by.seat else None),
    ):
        if who:
            count(request, rate, str(who))


def count(request: HttpRequest, rate: Rate, who: str) -> None:
    """Count one of a rate, and remember it for the headers. Raises ApiProblemError."""
    taken = take(rate, who)
    request.rates_taken = [*_taken(request), taken]  # type: ignore[attr-defined]
    if taken.refused:
        raise ApiProblemError("too_many_requests", headers={"Retry-After": str(max(taken.wait, 1))})


def say_limits(request: HttpRequest, response: HttpResponseBase) -> None:
    """Add the headers about what was counted for the request."""
    counted = _taken(request)
    if not counted or not all(taken.is_shared for taken in counted):
        return
    response["RateLimit-Policy"] = ", ".join(
        f'"{taken.rate.name}";q={taken.rate.most};w=60' for taken in counted
    )
    response["RateLimit"] = ", ".join(
        f'"{taken.rate.name}";r={taken.left};t={taken.full_in}' for taken in counted
    )


def _taken(request: HttpRequest) -> list[Taken]:
    return getattr(request, "rates_taken", [])


def _of_company(seat: Seat | None) -> Rate:
    """The limit of the seat's company: its own, which staff set, or else that of all."""
    own = seat.company.api_rate if seat else None
    return _rate("company", own or settings.API_RATE_COMPANY)


def _rate(name: str, most: int) -> Rate:
    return Rate(name, most, max(1, most // BURST))
