"""Finds who makes a call of the API, by what its Authorization header has: a key (`lrp_…`) of a
company's own system, or the access token of a person.

settings.API_CALLER names `caller_of`, which the API's frame calls before each operation.
"""

from dataclasses import dataclass, field
from uuid import UUID

from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.access import sessions
from accounts.access.factors.second_factor import needs
from accounts.access.keys import NoSuchKeyError, verify
from accounts.access.tokens import session_of
from accounts.models import AccountManager, ApiKey, PersonSession, Scope, User
from accounts.models.readers import reader_of
from accounts.selectors import usable_seats
from loyalty_portal.api.calls import COMPANY_HEADER, ApiCaller
from loyalty_portal.api.problems import ApiProblemError, Mistake
from loyalty_portal.api.straight_in import asked_language
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.client_address import client_address, client_network
from loyalty_portal.http.limits import Limit

# Calls without a valid key or token, from one network.
BY_STRANGERS = Limit("api-strangers", most=60, seconds=60)
KEYS_BEGIN = "lrp_"
ALL_SCOPES = frozenset(Scope.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatCaller(ApiCaller):
    """Who calls: a company's own system by its key, or a person by the token of a session.

    `chosen` is the seat in which they act, and `seats` all that they have. A person with several
    seats who names no company acts in none.
    """

    person: User
    chosen: AccountManager | None
    seats: list[AccountManager] = field(repr=False)
    key: ApiKey | None = None
    session: PersonSession | None = None

    @property
    def seat(self) -> AccountManager:
        """The seat in which they act. An operation that is not personal is called with one only."""
        if self.chosen is None:
            raise LookupError("No seat is chosen")
        return self.chosen


class ApiRequest(HttpRequest):
    """The request that operations receive."""

    auth: SeatCaller
    request_id: str


def caller_of(request: HttpRequest) -> SeatCaller:
    """Who calls. From here on the answer is in their language: the one that the request asks for,
    or else their company's. Raises ApiProblemError.
    """
    scheme, _space, text = request.headers.get("Authorization", "").partition(" ")
    secret = text.strip()
    if scheme.lower() != "bearer" or not secret:
        raise _refused(request, "Bearer")
    by = _by_key if secret.startswith(KEYS_BEGIN) else _by_token
    caller = by(request, secret)
    if caller is None:
        raise _refused(request, 'Bearer error="invalid_token"')
    if caller.chosen:
        request.seat_id = caller.chosen.pk  # type: ignore[attr-defined]  # for its line in the log
    return caller


def _by_key(request: HttpRequest, secret: str) -> SeatCaller | None:
    try:
        key = verify(secret, address=client_address(request))
    except NoSuchKeyError:
        return None
    seat = key.seat
    _read_by(request, seat.user, seat)
    if _company_named(request) not in {None, seat.company_id}:
        raise ApiProblemError("no_company")
    return SeatCaller(
        actor=Actor.in_seat(seat),
        scopes=frozenset(key.scopes),
        counted_as=seat.pk,
        person=seat.user,
        chosen=seat,
        seats=[seat],
        key=key,
    )


def _by_token(request: HttpRequest, token: str) -> SeatCaller | None:
    session = session_of(token)
    if session is None:
        return None
    person = session.user
    seats = usable_seats(person.pk)
    _read_by(request, person, None)
    chosen = _chosen(seats, _company_named(request))
    _read_by(request, person, chosen)
    if needs(person, chosen) and not session.proved_by:
        raise ApiProblemError("second_factor_required")
    return SeatCaller(
        actor=Actor.in_seat(chosen) if chosen else Actor.person(person),
        scopes=ALL_SCOPES,
        counted_as=session.pk,
        lacks="" if chosen else "company_required" if seats else "no_company",
        is_confirmed=sessions.is_confirmed(session),
        person=person,
        chosen=chosen,
        seats=seats,
        session=session,
    )


def _chosen(seats: list[AccountManager], company: UUID | None) -> AccountManager | None:
    """The seat in the company that the call names, or else the only one. Raises ApiProblemError for
    a company without a seat, which may exist or not.
    """
    if company is None:
        return seats[0] if len(seats) == 1 else None
    for seat in seats:
        if seat.company_id == company:
            return seat
    raise ApiProblemError("no_company")


def _company_named(request: HttpRequest) -> UUID | None:
    said = request.headers.get(COMPANY_HEADER)
    if said is None:
        return None
    try:
        return UUID(said)
    except ValueError:
        mistake = Mistake("header", f"/{COMPANY_HEADER}", "uuid_parsing", _("This must be a UUID."))
        raise ApiProblemError("invalid", errors=[mistake]) from None


def _read_by(request: HttpRequest, person: User, seat: AccountManager | None) -> None:
    company = seat.company if seat else None
    reader = reader_of(person, company, language=asked_language(request))
    translation.activate(reader.language)


def _refused(request: HttpRequest, challenge: str) -> ApiProblemError:
    """The problem of a call without a valid key or token. A network that goes on with such calls
    waits.
    """
    if not BY_STRANGERS.take(client_network(request)):
        wait = {"Retry-After": str(BY_STRANGERS.seconds)}
        return ApiProblemError("too_many_requests", headers=wait)
    return ApiProblemError("unauthenticated", headers={"WWW-Authenticate": challenge})
