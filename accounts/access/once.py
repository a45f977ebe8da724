"""Does each call with an Idempotency-Key once, whatever the network does.

docs/decisions/0058-one-call-one-order.md has the reasons. The row of a call is committed before its
work. A repeated call gets the first answer; one that comes while the first is running is told to
wait; one whose process died is done by the next.
"""

import hashlib
import math
import re
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any

import orjson
from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from accounts.access.bearer import ApiRequest
from accounts.models import AccountManager, KeyedApiCall
from loyalty_portal.api.calls import ApiResult, keyed, result_response
from loyalty_portal.api.problems import ApiProblemError
from loyalty_portal.fastpath.sql import insert_unknown
from loyalty_portal.fastpath.updates import update

HEADER = "Idempotency-Key"
KEPT = timedelta(days=7)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyedRequest(ApiRequest):
    """The request of an operation that is done once. `call_token` is the same for each try.
    `is_repeated`: an earlier one was answered, and its answer is not kept.
    """

    call_token: uuid.UUID
    is_repeated: bool


def once(*, together: bool) -> Callable[[Callable[..., ApiResult]], Callable[..., HttpResponse]]:
    """Decorate an operation that changes something. What it refuses, and errors, are not kept.

    `together`: its work and its answer are committed as one. Without it the operation commits by
    itself, and must find by `request.call_token` what an earlier try made.
    """

    def decorated(view: Callable[..., ApiResult]) -> Callable[..., HttpResponse]:
        @keyed
        @wraps(view)
        def answer(request: Any, **given: Any) -> HttpResponse:
            key = request.headers.get(HEADER, "")
            if not _KEY.fullmatch(key):
                raise ApiProblemError("idempotency_key_missing")
            seat = request.auth.seat
            call = _begun(seat, _hash(key.encode()), _fingerprint(request))
            request.call_token = uuid.uuid5(seat.pk, key)
            request.is_repeated = call.status is not None
            if call.status is None:
                response = _done(call, lambda: view(request, **given), together=together)
            else:
                response = _replayed(call) if call.answer else _retold(view(request, **given))
            if response.status_code == HTTPStatus.CREATED:
                made = orjson.loads(response.content)["id"]
                response["Location"] = f"{request.path}/{made}"
            return response

        return answer

    return decorated


def forget_old() -> int:
    """Delete calls that are older than KEPT; of those that made something only the answer. Returns
    how many were deleted.

    One whose process died stays: what it may have made is not known here, and without its row the
    same key with another body would get that.
    """
    old = KeyedApiCall.objects.filter(created_at__lt=timezone.now() - KEPT, lease_until=None)
    old.filter(made__isnull=False).exclude(answer="").update(answer="")
    deleted, _by_model = old.filter(made=None).delete()
    return deleted


def _begun(seat: AccountManager, key_hash: str, call_hash: str) -> KeyedApiCall:
    """The row of a call: a new one or one that was left, both ours to do now, or one that is done.

    Raises ApiProblemError when the key belongs to another call, and while it is being worked on.
    """
    token = uuid.uuid4()
    row = KeyedApiCall(seat=seat, key_hash=key_hash, call_hash=call_hash, lease_token=token)
    if insert_unknown([row]):
        return row
    rows = KeyedApiCall.objects.filter(seat=seat, key_hash=key_hash)
    found = rows.first()
    if found is None:  # the first one was refused just now
        raise _running()
    if found.call_hash != call_hash:
        raise ApiProblemError("idempotency_mismatch")
    if found.status is None:
        lease = {"lease_token": token, "lease_until": Now() + KeyedApiCall.LEASE}
        if not rows.filter(status=None, lease_until__lte=Now()).update(**lease):
            raise _running(_lease_left(rows))
        found.lease_token = token
    return found


def _done(call: KeyedApiCall, work: Callable[[], ApiResult], *, together: bool) -> HttpResponse:
    """Do the work of a call that is ours, and keep its answer."""
    try:
        with transaction.atomic() if together else nullcontext():
            result = work()
            response = result_response(result)
            answered = {
                "status": response.status_code,
                "answer": response.content.decode() if result.kept else "",
                "made": result.made,
                "lease_until": None,
                "lease_token": None,
            }
            held = {"pk": call.pk, "lease_token": call.lease_token}
            kept = update(KeyedApiCall, held, answered)
            if together and not kept:  # another process took it over
                raise _running()
    except (ApiProblemError, Http404):
        _held(call).delete()
        raise
    except Exception:
        # It may have been done all the same, so the row stays, and the next try takes it over.
        _held(call).update(lease_until=Now())
        raise
    return response


def _held(call: KeyedApiCall) -> QuerySet[KeyedApiCall]:
    """The row while it is ours."""
    return KeyedApiCall.objects.filter(pk=call.pk, lease_token=call.lease_token)


def _replayed(call: KeyedApiCall) -> HttpResponse:
    return _as_replayed(
        HttpResponse(call.answer, status=call.status, content_type="application/json")
    )


def _retold(result: ApiResult) -> HttpResponse:
    """The answer of a call whose first answer is forgotten: what it made, as it is now."""
    return _as_replayed(result_response(result))


def _as_replayed(response: HttpResponse) -> HttpResponse:
    response["Idempotent-Replayed"] = "true"
    return response


def _lease_left(rows: QuerySet[KeyedApiCall]) -> int:
    """Whole seconds until a running call can be taken over; 0 when it has ended meanwhile."""
    left = ExpressionWrapper(F("lease_until") - Now(), output_field=DurationField())
    lease = rows.values_list(left, flat=True).first()
    return math.ceil(lease.total_seconds()) if lease else 0


def _running(lease_left: int = 0) -> ApiProblemError:
    """A call is running. Its process may have died, so whoever waits for its lease waits long
    enough.
    """
    headers = {"Retry-After": str(max(1, lease_left))}
    return ApiProblemError("idempotency_in_progress", headers=headers)


def _fingerprint(request: HttpRequest) -> str:
    return _hash(b"\n".join([str(request.method).encode(), request.path.encode(), request.body]))


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
