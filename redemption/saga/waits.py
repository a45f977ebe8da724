"""Begins and ends the waits of lines. The caller holds the lock of their order.

waiting.py works the waits that are due.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.postgres.functions import TransactionNow
from django.db.models import Q
from django.db.models.functions import Now

from fulfillment.news import News
from loyalty_portal.data.leases import ENDED
from redemption.models import LineWait, OrderItem, RecipientAsk
from redemption.states import LineStatus, WaitsFor

# How long a recipient may take to answer, from the moment at which the points were taken.
ANSWER_TIME = timedelta(days=14)


def begin(items: Sequence[OrderItem]) -> None:
    """Keep lines waiting whose points have just been taken."""
    until = TransactionNow() + ANSWER_TIME  # the same moment in both statements
    asked = [item.pk for item in items if item.waits_for == WaitsFor.RECIPIENT]
    if asked:
        OrderItem.objects.filter(pk__in=asked).update(waits_until=until)
        RecipientAsk.objects.filter(order=items[0].order_id).update(next_attempt_at=Now())
    LineWait.objects.bulk_create(
        LineWait(
            item=item,
            next_attempt_at=until if item.waits_for == WaitsFor.RECIPIENT else item.waits_until,
        )
        for item in items
    )


def end(items: Sequence[OrderItem]) -> None:
    """End the waits of lines. Deadlines count from `waits_until`, so it is now for lines that were
    answered or cancelled early. A chosen date stays in `waits_until`, so that the invariant check
    detects a line that was sent too early.
    """
    keys = [item.pk for item in items]
    LineWait.objects.filter(pk__in=keys).update(**ENDED, ended_at=Now())
    early = OrderItem.objects.filter(pk__in=keys, waits_until__gt=Now())
    sent = Q(waits_for=WaitsFor.DATE, fulfillment_status=LineStatus.WAITING)
    early.exclude(sent).update(waits_until=Now())


def news_of_end(item: OrderItem, **why: Any) -> News:
    """The news that a waiting line ends and its points go back. `why`: its reason, and by whom."""
    return News(
        reference=item.pk,
        was=LineStatus.WAITING,
        status=LineStatus.CANCELLED,
        lost=item.quantity,
        **why,
    )
