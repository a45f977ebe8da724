"""Reads the queue of the desk."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from fulfillment.models import Channel, Fulfillment
from fulfillment.states import TO_SEND

SOON = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class QueueByAge:
    """The numbers of parcels to be sent: past the promised date, within a day of it, and later."""

    late: int
    soon: int
    later: int


def desk() -> QuerySet[Fulfillment]:
    """All fulfillments of the desk, the most urgent promise first."""
    return Fulfillment.objects.filter(channel=Channel.DESK).order_by("promised_by", "id")


def waiting() -> QuerySet[Fulfillment]:
    """Fulfillments that are still to be sent."""
    return desk().filter(status__in=TO_SEND)


def queue_by_age() -> QueueByAge:
    """The counts of the queue, in one query."""
    now = timezone.now()
    late, soon = Q(promised_by__lt=now), Q(promised_by__gte=now, promised_by__lt=now + SOON)
    counts = waiting().aggregate(late=Count("pk", late), soon=Count("pk", soon), all=Count("pk"))
    later = counts["all"] - counts["late"] - counts["soon"]
    return QueueByAge(late=counts["late"], soon=counts["soon"], later=later)
