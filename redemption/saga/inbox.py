"""The inbox of callbacks: each is stored, answered, and processed later.

A repeated callback counts once. A callback never settles a delivery by itself.
"""

import uuid

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fulfillment.partner import Event, MalformedEventError, Report, parse_event
from fulfillment.virtual.hints import take_hint
from fulfillment.virtual.services import find_by_reference
from loyalty_portal.data.leases import backoff
from loyalty_portal.data.trouble import retried
from redemption.incidents.services import raise_incident
from redemption.models import Callback, CallbackState
from redemption.states import IncidentKind

LEASE = 30.0  # seconds; processing makes no call
PARKING_TRIES = 12  # about half a day, in which an unknown reference may become known


def store(*, webhook_id: str, raw: bytes, event: Event) -> Callback | None:
    """Store a verified callback; None when it is in the inbox already."""
    callback = Callback(
        webhook_id=webhook_id,
        event_type=event.type,
        reference=event.report.reference,
        body=raw.decode(),
    )
    Callback.objects.bulk_create([callback], ignore_conflicts=True)
    return callback if Callback.objects.filter(pk=callback.pk).exists() else None


def process(callback_id: uuid.UUID) -> uuid.UUID | None:
    """Process one due callback. Returns the id of the fulfillment that it is about, None if
    unknown.
    """
    token = Callback.objects.lease(callback_id, seconds=LEASE)
    if token is None:
        return None
    callback = Callback.objects.get(pk=callback_id)
    try:
        report = parse_event((callback.body or "").encode()).report
    except MalformedEventError as error:
        _puzzle(callback, token, str(error))
        return None
    return retried(lambda: _hear(callback, token, report))


@transaction.atomic
def _hear(callback: Callback, token: uuid.UUID, report: Report) -> uuid.UUID | None:
    held = find_by_reference(report.reference)
    if held is None:
        _park(callback, token)
        return None
    if _end(callback, token, CallbackState.PROCESSED):
        take_hint(held=held, report=report)
    return held.pk


def _end(callback: Callback, token: uuid.UUID, state: CallbackState, problem: str = "") -> bool:
    return Callback.objects.release(
        callback.pk,
        token,
        retry_in=None,
        state=state,
        problem=problem[:255],
        processed_at=timezone.now(),
    )


@transaction.atomic
def _puzzle(callback: Callback, token: uuid.UUID, problem: str) -> None:
    if _end(callback, token, CallbackState.PUZZLING, problem=problem):
        raise_incident(
            kind=IncidentKind.PUZZLING_CALLBACK,
            key=f"puzzling_callback:{callback.pk}",
            what=problem,
            facts={"callback": str(callback.pk)},
        )


def _park(callback: Callback, token: uuid.UUID) -> None:
    """Try again later: the callback may have come before the answer to our own request. After some
    time a person must look.
    """
    if callback.attempts >= PARKING_TRIES:
        _puzzle(callback, token, _("No delivery of ours has this reference."))
    else:
        wait = backoff(callback.attempts, cap=3600.0)
        Callback.objects.release(callback.pk, token, retry_in=wait, state=CallbackState.PARKED)
