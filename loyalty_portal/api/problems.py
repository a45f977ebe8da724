"""Problems: how the API says that a call did not succeed (RFC 9457), each with a stable code.

Every answer under `/api/` that is no success is one of these. `KINDS` lists the codes; each has a
page, to which the problem's `type` leads.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

CONTENT_TYPE = "application/problem+json"
DOCS = "/api/v1/docs"


class ProblemKind(NamedTuple):
    """One kind of problem: its status, its title, and what the caller can do about it."""

    status: int
    title: Promise
    advice: Promise


KINDS: Mapping[str, ProblemKind] = {
    "malformed": ProblemKind(
        400,
        _("The request cannot be read"),
        _(
            "Send a body that is JSON in UTF-8, without NaN, without a name twice in one "
            "object, and nested at most 32 deep."
        ),
    ),
    "unauthenticated": ProblemKind(
        401,
        _("There is no key or token, or it is not valid"),
        _(
            "Send Authorization: Bearer and an API key, or the access token of a person. A key "
            "stops working when it is revoked, when it expires, when its seat or company is "
            "switched off, and from networks that it does not allow. An owner of your company sees "
            "which it is. A token lasts some minutes: refresh it, or sign in again."
        ),
    ),
    "second_step_required": ProblemKind(
        401,
        _("The second step of the sign-in is missing"),
        _(
            "Send the code of the authenticator app, or a recovery code, with the header "
            "X-Session-Token: its value is meta.session_token."
        ),
    ),
    "credentials_refused": ProblemKind(
        400,
        _("This is not right"),
        _("The answer's detail and errors say what is wrong with what was sent."),
    ),
    "already_signed_in": ProblemKind(
        409,
        _("Somebody is signed in already"),
        _("Sign in without Authorization, or end the session first."),
    ),
    "company_required": ProblemKind(
        400,
        _("For which company?"),
        _(
            "You have a seat in several companies. Send Portal-Company with the id of one of them; "
            "GET /me lists them."
        ),
    ),
    "no_company": ProblemKind(
        403,
        _("You have no seat there"),
        _(
            "You can act only for a company in which you have a seat; GET /me lists them. A key "
            "acts for its own company only."
        ),
    ),
    "second_factor_required": ProblemKind(
        403,
        _("A second step is needed to sign in"),
        _(
            "Your company requires it, or the programme does of its staff. Set one up in the "
            "portal, and then sign in again."
        ),
    ),
    "confirmation_required": ProblemKind(
        403,
        _("Confirm who you are"),
        _(
            "This needs a sign-in or a confirmation of the last five minutes. Send your password "
            "to /api/auth/reauthenticate or a code to /api/auth/2fa/reauthenticate, then send the "
            "same request again."
        ),
    ),
    "insufficient_scope": ProblemKind(
        403,
        _("The key lacks a scope"),
        _("The answer's detail names the scope. An owner of your company makes a key that has it."),
    ),
    "role_forbids": ProblemKind(
        403,
        _("The role does not include this"),
        _(
            "A person or a key does only what the role of its seat includes. An owner of your "
            "company can give the seat another role."
        ),
    ),
    "order_forbids": ProblemKind(
        403,
        _("This is for others to do with this order"),
        _(
            "Who placed an order cancels it and sees its codes; so does an owner or approver who "
            "is a person. Nobody decides on their own order, or on one by a key that they made."
        ),
    ),
    "not_found": ProblemKind(
        404,
        _("There is nothing here"),
        _(
            "Check the address and the id. What belongs to another company is answered the same "
            "way."
        ),
    ),
    "method_not_allowed": ProblemKind(
        405,
        _("This method is not possible here"),
        _("The answer's Allow header lists the methods of this address."),
    ),
    "too_slow": ProblemKind(
        408,
        _("The request took too long to arrive"),
        _("Nothing was changed. Send the whole body at once, then send the same request again."),
    ),
    "too_large": ProblemKind(
        413,
        _("The request is too large"),
        _("Send at most 2 MiB. Divide the work into several calls."),
    ),
    "address_too_long": ProblemKind(
        414,
        _("The address is too long"),
        _("An address has at most 4,000 characters. Send fewer filters in one call."),
    ),
    "headers_too_large": ProblemKind(
        431,
        _("The headers are too large"),
        _("Send at most 100 headers, each of less than 8 KB."),
    ),
    "unsupported_media_type": ProblemKind(
        415, _("The body is not JSON"), _("Send Content-Type: application/json.")
    ),
    "idempotency_key_missing": ProblemKind(
        400,
        _("There is no usable Idempotency-Key"),
        _(
            "Send the header Idempotency-Key with 1 to 255 visible ASCII characters: a new one for "
            "each thing that you want done, the same one whenever you repeat that call."
        ),
    ),
    "idempotency_mismatch": ProblemKind(
        422,
        _("This Idempotency-Key belongs to another call"),
        _("The key was sent before with another address or body. Take a new one for a new call."),
    ),
    "idempotency_in_progress": ProblemKind(
        409,
        _("The same call is still running"),
        _("Send the same request again after as many seconds as Retry-After says."),
    ),
    "points_changed": ProblemKind(
        409,
        _("The order costs another number of points now"),
        _(
            "Nothing was ordered. Ask for a preview, and send the order with its total_points as "
            "expected_points."
        ),
    ),
    "order_refused": ProblemKind(
        409,
        _("This is not possible with the order"),
        _("The answer's detail says why. Nothing was changed."),
    ),
    "over_limit": ProblemKind(
        409,
        _("The order is over a limit of points"),
        _(
            "Nothing was changed. The answer's detail says what is left of the seat's month or the "
            "company's quarter, and when it renews; a preview tells it before. An owner of your "
            "company can raise the limit."
        ),
    ),
    "member_refused": ProblemKind(
        409,
        _("This is not possible with the member"),
        _("The answer's detail says why. Nothing was changed."),
    ),
    "endpoint_refused": ProblemKind(
        409,
        _("This is not possible with the endpoint"),
        _("The answer's detail says why. Nothing was changed."),
    ),
    "address_refused": ProblemKind(
        409,
        _("This is not possible with the address book"),
        _("The answer's detail says why. Nothing was changed."),
    ),
    "precondition_failed": ProblemKind(
        412,
        _("Somebody else changed it meanwhile"),
        _("Nothing was changed. Get it again, and send what you want with its new ETag."),
    ),
    "order_held": ProblemKind(
        503,
        _("Nothing can be ordered at the moment"),
        _(
            "The answer's detail says why. Nothing was ordered. Send the same request again after "
            "as many seconds as Retry-After says."
        ),
    ),
    "order_too_busy": ProblemKind(
        503,
        _("The order is changing at this moment"),
        _(
            "Others take the same products, or change the same order, at this moment. Nothing was "
            "changed. Send the same request again, with the same Idempotency-Key, after as many "
            "seconds as Retry-After says."
        ),
    ),
    "invalid": ProblemKind(
        422,
        _("Something in the request is not valid"),
        _(
            "The member errors lists each mistake, with a pointer to its place. Unknown fields "
            "and parameters count as mistakes."
        ),
    ),
    "invalid_cursor": ProblemKind(
        422,
        _("This is no place in this list"),
        _(
            "Take the address in next as it is. A cursor is for one company and one set of "
            "filters; begin again without it."
        ),
    ),
    "too_many_requests": ProblemKind(
        429,
        _("Too many requests"),
        _("Wait as many seconds as the Retry-After header says, then send the same request again."),
    ),
    "internal": ProblemKind(
        500,
        _("The portal made a mistake"),
        _(
            "Send the same request again later. If it goes on, tell the programme's staff the "
            "request_id."
        ),
    ),
    "no_answer": ProblemKind(
        502,
        _("The portal did not answer"),
        _(
            "It is not known whether the request was done. Send the same request again after as "
            "many seconds as Retry-After says, an order with the same Idempotency-Key: it is never "
            "placed twice."
        ),
    ),
    "busy": ProblemKind(
        503,
        _("The portal is busy"),
        _(
            "Nothing was changed. Send the same request again after as many seconds as "
            "Retry-After says."
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a request. `pointer` leads to its place in `part`: body, query, path, header
    (RFC 6901).
    """

    part: str
    pointer: str
    code: str
    detail: str


class ApiProblemError(Exception):
    """A refusal of a call, which operations and what they call raise. `detail` is for people, and
    `more` are further members.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[Mistake] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or code)
        self.code, self.detail = code, detail
        self.errors, self.headers = list(errors), dict(headers or {})
        self.more = dict(more or {})


@contextmanager
def refused_as(code: str, *refusals: type[Exception]) -> Iterator[None]:
    """Answer what a service refuses by a problem, with the service's sentence as its detail."""
    try:
        yield
    except refusals as why:
        raise ApiProblemError(code, str(why)) from why


def problem_response(request: HttpRequest, problem: ApiProblemError) -> HttpResponse:
    """The answer for a problem, in the language that is active."""
    kind = KINDS[problem.code]
    body: dict[str, Any] = {
        "type": problem_address(problem.code),
        "title": str(kind.title),
        "status": kind.status,
        "detail": problem.detail or str(kind.advice),
        "code": problem.code,
        "request_id": getattr(request, "request_id", None),
        "errors": [asdict(error) for error in problem.errors],
        **problem.more,
    }
    answer = HttpResponse(orjson.dumps(body), status=kind.status, content_type=CONTENT_TYPE)
    for name, value in problem.headers.items():
        answer[name] = value
    return answer


def problem_address(code: str) -> str:
    """The address of the page about a kind of problem."""
    return f"{settings.PORTAL_URL}{DOCS}/problems/{code}"
