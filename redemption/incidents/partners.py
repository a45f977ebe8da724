"""Watches the partners on a schedule: an incident is open while one is down or rejects our
credentials.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.models import KnownBalance
from fulfillment import partner as fulfillment
from fulfillment.models import Fulfillment, PartnerCall
from loyalty_portal.fastpath.sql import Prepared
from loyalty_portal.partners.answers import NO_TOKEN, UNAUTHORIZED
from loyalty_portal.partners.breaker import REJECTIONS, down_since, rejects_us
from redemption.incidents.services import raise_incident, settle_incident
from redemption.models import IncidentCase, LoyaltyTransaction
from redemption.states import IncidentKind

# Rows that wait for a repeat because the partner rejected our credentials (Answer.rejects_us).
_REJECTED = Q(
    Q(answer_status=401) | Q(answer_status=403, answer_code=UNAUTHORIZED) | Q(answer_code=NO_TOKEN),
    status__in=["UNKNOWN", "SENT"],
    next_attempt_at__isnull=False,
)


def watch_partners() -> int:
    """Raise or resolve the incidents about partners. Returns how many are down or reject us.

    A closed breaker proves nothing, since it closes after some time. Only a recorded answer shows
    that the partner is back.
    """
    return sum(_watch(name, trouble) for name in _ANSWERED for trouble in _TROUBLES)


def who_rejects_us(partners: Collection[str]) -> set[str]:
    """Which of these partners reject our credentials, as far as is known. One query.

    An open incident says so too, with or without a cache, until the partner accepts them again.
    """
    told = {
        partner
        for case in _CREDENTIAL_CASES()
        if (partner := case[0].partition(":")[2]) in partners
    }
    return {partner for partner in partners if rejects_us(partner)} | told


def _watch(partner: str, trouble: "_Trouble") -> bool:
    key = f"{trouble.prefix}:{partner}"
    if trouble.is_there(partner):
        raise_incident(
            kind=trouble.kind,
            key=key,
            what=trouble.what() % {"partner": partner},
            facts={"partner": partner},
        )
        return True
    seen_at = IncidentCase.objects.unended().filter(key=key).values_list("seen_at", flat=True)
    if any(_ANSWERED[partner](moment) for moment in seen_at):
        settle_incident(key=key, why=trouble.over())
    return False


def _is_down(partner: str) -> bool:
    return down_since(partner) is not None


def _rejects_us(partner: str) -> bool:
    """Whether it rejects us: by its last answers to open work, in the database, or by the count in
    the cache.
    """
    waiting = _CALLS[partner].objects.filter(_REJECTED)
    tries = waiting.aggregate(number=Sum("attempts", default=0))["number"]
    return tries >= REJECTIONS or rejects_us(partner)


@dataclass(frozen=True, slots=True)
class _Trouble:
    kind: IncidentKind
    prefix: str  # the prefix of the incident's key
    is_there: Callable[[str], bool]
    what: Callable[[], str]
    over: Callable[[], str]


_CREDENTIALS = _Trouble(
    IncidentKind.CREDENTIALS,
    "partner-credentials",
    _rejects_us,
    lambda: _("The %(partner)s partner does not accept our credentials."),
    lambda: _("The partner accepts our credentials again."),
)
_CREDENTIAL_CASES = Prepared(
    lambda: (
        IncidentCase.objects.unended()
        .filter(key__in=[f"{_CREDENTIALS.prefix}:{partner}" for partner in _CALLS])
        .order_by()
        .values_list("key")
    )
)
_TROUBLES = (
    _Trouble(
        IncidentKind.PARTNER_DOWN,
        "partner-down",
        _is_down,
        lambda: _("The %(partner)s partner does not answer."),
        lambda: _("The partner answers again."),
    ),
    _CREDENTIALS,
)


def _loyalty_answered(since: datetime) -> bool:
    told = KnownBalance.objects.filter(fetched_at__gt=since)
    return _answered(LoyaltyTransaction.objects.all(), told, since)


def _fulfillment_answered(since: datetime) -> bool:
    told = Fulfillment.objects.filter(told_at__gt=since)
    return _answered(PartnerCall.objects.all(), told, since)


def _answered(calls: QuerySet[Any], told: QuerySet[Any], since: datetime) -> bool:
    """Whether the partner has answered since. While calls wait, an answer to a question does not
    prove that calls are worked.
    """
    if calls.filter(settled_at__gt=since).exists():
        return True
    return told.exists() and not calls.filter(status="UNKNOWN").exists()


_CALLS: dict[str, Any] = {loyalty.PARTNER: LoyaltyTransaction, fulfillment.PARTNER: PartnerCall}
_ANSWERED = {loyalty.PARTNER: _loyalty_answered, fulfillment.PARTNER: _fulfillment_answered}
