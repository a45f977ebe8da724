"""Finds who makes a call of the API, by the key in its Authorization header.

settings.API_CALLER names `caller_of`, which the API's frame calls before each operation.
"""

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils import translation

from accounts.access.keys import NoSuchKeyError, verify
from accounts.models import AccountManager, ApiKey
from accounts.readers import reader_of
from loyalty_portal.api.calls import ApiCaller
from loyalty_portal.api.problems import ApiProblemError
from loyalty_portal.api.straight_in import asked_language
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.client_address import client_address, client_network
from loyalty_portal.http.limits import Limit

# Calls without a valid key, from one network.
BY_STRANGERS = Limit("api-strangers", most=60, seconds=60)


@dataclass(frozen=True, slots=True)
class KeyCaller(ApiCaller):
    """A company's own system: its seat, and the key that it sent."""

    seat: AccountManager
    key: ApiKey


class ApiRequest(HttpRequest):
    """The request that operations receive."""

    auth: KeyCaller
    request_id: str


def caller_of(request: HttpRequest) -> KeyCaller:
    """Who calls. From here on the answer is in their language: the one that the request asks for,
    or else their company's. Raises ApiProblemError.
    """
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise _refused(request, "Bearer")
    try:
        key = verify(secret.strip(), address=client_address(request))
    except NoSuchKeyError:
        raise _refused(request, 'Bearer error="invalid_token"') from None
    seat = key.seat
    reader = reader_of(seat.user, seat.company, language=asked_language(request))
    translation.activate(reader.language)
    return KeyCaller(Actor.in_seat(seat), frozenset(key.scopes), seat, key)


def _refused(request: HttpRequest, challenge: str) -> ApiProblemError:
    """The problem of a call without a valid key. A network that goes on with such calls waits."""
    if not BY_STRANGERS.take(client_network(request)):
        wait = {"Retry-After": str(BY_STRANGERS.seconds)}
        return ApiProblemError("too_many_requests", headers=wait)
    return ApiProblemError("unauthenticated", headers={"WWW-Authenticate": challenge})
