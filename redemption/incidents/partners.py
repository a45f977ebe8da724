"""A partner that is down, by the clock: an incident from when it is noticed until it answers."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.models import KnownBalance
from fulfillment import partner as fulfillment
from fulfillment.models import Fulfillment, PartnerCall
from loyalty_portal.partner_breaker import down_since
from redemption.incidents.services import raise_incident, settle_incident
from redemption.models import Incident, LoyaltyTransaction
from redemption.states import IncidentKind


def watch_partners() -> int:
    """Raise or resolve the incidents about partners; how many are down.

    That the breaker closed proves nothing, it does so by itself: an answer that was written down
    does, to whatever was asked.
    """
    return sum(_watch(name, answered) for name, answered in _ANSWERED.items())


def _watch(partner: str, answered: Callable[[datetime], bool]) -> bool:
    key = f"partner-down:{partner}"
    if down_since(partner) is not None:
        raise_incident(
            kind=IncidentKind.PARTNER_DOWN,
            key=key,
            what=_("The %(partner)s partner does not answer.") % {"partner": partner},
            facts={"partner": partner},
        )
        return True
    seen_at = Incident.objects.unresolved().filter(key=key).values_list("seen_at", flat=True)
    if any(answered(moment) for moment in seen_at):
        settle_incident(key=key, why=_("The partner answers again."))
    return False


def _loyalty_answered(since: datetime) -> bool:
    told = KnownBalance.objects.filter(fetched_at__gt=since)
    return _answered(LoyaltyTransaction.objects.all(), told, since)


def _fulfillment_answered(since: datetime) -> bool:
    told = Fulfillment.objects.filter(told_at__gt=since)
    return _answered(PartnerCall.objects.all(), told, since)


def _answered(calls: QuerySet[Any], told: QuerySet[Any], since: datetime) -> bool:
    """A question that was answered proves that somebody is there; while calls wait, not that
    they are worked."""
    if calls.filter(settled_at__gt=since).exists():
        return True
    return told.exists() and not calls.filter(status="UNKNOWN").exists()


_ANSWERED = {loyalty.PARTNER: _loyalty_answered, fulfillment.PARTNER: _fulfillment_answered}
