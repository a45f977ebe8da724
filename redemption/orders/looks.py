"""When an order that needs attention was last looked at, and by when it will be again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, Min

from redemption.models import (
    IncidentCase,
    IncidentEvent,
    OrderMessageKind,
    RedemptionOrder,
)
from redemption.states import OPEN_TRANSACTION


@dataclass(frozen=True, slots=True)
class StaffLooks:
    """`last`: when a person of the programme last did something about it; None: nobody has yet.
    `by`: until when somebody looks (again). `asks`: when the portal asks a partner again by itself;
    None when it does not.
    """

    last: datetime | None
    by: datetime | None
    asks: datetime | None


def looks_at(order: RedemptionOrder) -> StaffLooks | None:
    """The looks at an order; None for one that needs no attention. Makes no query for these."""
    if not order.needs_attention:
        return None
    cases = IncidentCase.objects.filter(order=order, ended_at=None).aggregate(
        began=Min("created_at"), snoozed=Max("incident__snoozed_until")
    )
    by_people = IncidentEvent.objects.filter(incident__cases__order=order, by__isnull=False)
    answers = order.messages.exclude(kind=OrderMessageKind.QUESTION)
    moments = [
        rows.aggregate(last=Max("at"))["last"] for rows in (by_people, order.staff_notes, answers)
    ]
    last = max((moment for moment in moments if moment), default=None)
    asks = order.transactions.filter(status__in=OPEN_TRANSACTION)
    since = last or cases["began"]
    again = since + timedelta(hours=settings.ATTENTION_HOURS) if since else None
    return StaffLooks(
        last=last,
        by=max((moment for moment in (again, cases["snoozed"]) if moment), default=None),
        asks=asks.aggregate(next=Min("next_attempt_at"))["next"],
    )
