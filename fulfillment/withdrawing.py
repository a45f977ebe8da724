"""Withdraws fulfillments that were not sent yet, and asks the partner to cancel others."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from fulfillment.models import CallKind, Fulfillment, FulfillmentEvent, PartnerCall
from fulfillment.news import News, news_of, tell_all
from fulfillment.states import CallStatus, FulfillmentStatus, Withdrawal
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import ENDED
from loyalty_portal.data.lifecycle import transition_all


class Withdrawn(NamedTuple):
    """What became of withdrawing one fulfillment, and the units that it was about."""

    how: Withdrawal
    units: int


@transaction.atomic
def withdraw(
    *, references: Sequence[uuid.UUID], by: Actor, reason: str, along: Sequence[News] = ()
) -> dict[uuid.UUID, Withdrawn]:
    """Cancel what can be cancelled, by reference; Fulfillment.withdrawal says what that is.

    The partner is asked to cancel what it has already, and its answer decides (saga.md, rule 9).
    `along`: news of the caller's own about the same order, passed on with the news of these.
    """
    held = Fulfillment.objects.filter(reference__in=references).held()
    calls = _calls_of(PartnerCall.objects.select_for_update().filter(fulfillment__in=held))
    results = {
        each.reference: Withdrawn(each.progress.withdrawal(calls[each.pk]), each.open_quantity)
        for each in held
    }
    now = [each for each in held if results[each.reference].how == Withdrawal.NOW]
    unsent = [call for each in now for call in calls[each.pk]]
    transition_all(unsent, CallStatus.WITHDRAWN, by=by, reason=reason, **ENDED)
    _cancel(now, by=by, reason=reason, along=along)
    ask = [
        PartnerCall(fulfillment=each, kind=CallKind.CANCEL, key=f"cancel:{each.id}")
        for each in held
        if results[each.reference].how == Withdrawal.ASK
    ]
    PartnerCall.objects.bulk_create(ask)
    FulfillmentEvent.objects.bulk_create(
        call.event("", call.status, by=by, reason=reason) for call in ask
    )
    return results


def _calls_of(calls: Iterable[PartnerCall]) -> Mapping[uuid.UUID, list[PartnerCall]]:
    """The calls by fulfillment id; [] for a fulfillment without calls."""
    found: dict[uuid.UUID, list[PartnerCall]] = defaultdict(list)
    for call in calls:
        found[call.fulfillment_id].append(call)
    return found


def _is_hinted(held: Fulfillment) -> bool:
    return bool(held.hints)


def _cancel(held: Sequence[Fulfillment], *, by: Actor, reason: str, along: Sequence[News]) -> None:
    """End fulfillments that were not sent yet, and pass the news on together."""
    units = {each.pk: each.open_quantity for each in held}
    for _hinted, rows in groupby(sorted(held, key=_is_hinted), key=_is_hinted):
        alike = list(rows)
        transition_all(
            alike,
            FulfillmentStatus.CANCELLED,
            by=by,
            reason=reason,
            quantity_failed=F("quantity") - Greatest("quantity_shipped", "quantity_delivered"),
            settled_at=timezone.now(),
            **alike[0].settled_work(),
        )
    news = [news_of(each, lost=units[each.pk], reason=reason, by=by) for each in held]
    if news or along:
        tell_all([*news, *along])
