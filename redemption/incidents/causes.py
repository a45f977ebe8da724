"""Ends cases whose cause is gone: an answer arrived after all, or a line was settled.

The table of all kinds is in docs/decisions/0013-incidents.md.
"""

from typing import Any

from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, UUIDField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from fulfillment.models import Fulfillment, VirtualCode
from redemption.incidents.services import settle_incident
from redemption.models import (
    Alert,
    AlertAction,
    Callback,
    CallbackState,
    Incident,
    IncidentCase,
    OrderItem,
    RunOutcome,
)
from redemption.models.incidents import CaseQuerySet
from redemption.states import (
    SETTLED_LINE,
    DecisionStatus,
    DifferenceKind,
    IncidentKind,
    TransactionStatus,
)

_KNOWN = (TransactionStatus.SUCCEEDED, TransactionStatus.REFUSED)
_WAITS_FOR_AN_ANSWER = (
    IncidentKind.MISMATCH,
    IncidentKind.HORIZON,
    IncidentKind.CREDIT_REFUSED,
    IncidentKind.CREDIT_LATE,
)
_WAITS_FOR_A_LINE = (IncidentKind.MISMATCH, IncidentKind.HORIZON)
# While the line is open. News after its end may turn out to need no remedy, which one person says.
_ABOUT_AN_OPEN_LINE = (*_WAITS_FOR_A_LINE, IncidentKind.CONTRADICTION)


def settle_gone() -> int:
    """End the cases whose cause is gone. Returns how many."""
    gone = [
        (_moved_on(), _("The order has changed its status.")),
        (_answered(), _("The outcome is known now.")),
        (_line_settled(), _("The line is settled now.")),
        (_agreed_after_all(), _("The line is settled by a later answer of the partner.")),
        (_worked(), _("The callback was processed.")),
        (_nothing_waits(), _("The delivery that it names is settled; nothing waits for it.")),
        (_readable(), _("Its codes can be read.")),
        (_has_its_number(), _("The transaction has the number of its entry now.")),
        (_denied(), _("The partner has answered how it ended; the callback changed nothing.")),
    ]
    settled = sum(
        settle_incident(key=key, why=why)
        for cases, why in gone
        for key in cases.values_list("key", flat=True)
    )
    _end_shared_alerts()
    return settled


def undecided(cases: CaseQuerySet) -> CaseQuerySet:
    """Those of `cases` that only a decision of two people, or the partner, may end: about points
    or a line without an outcome, or about a line whose remedy waits for the second person.
    """
    lines = _naming(
        cases.filter(incident__kind__in=_ABOUT_AN_OPEN_LINE), "line", _lines(settled=False)
    )
    proposed = _naming(
        cases, "line", OrderItem.objects.filter(decisions__status=DecisionStatus.PROPOSED)
    )
    number = Q(transaction__status=TransactionStatus.SUCCEEDED) & ~Q(transaction__doubt="")
    points = Q(transaction__status=TransactionStatus.NEEDS_REVIEW) | number
    return cases.filter(points | Q(pk__in=lines.values("pk")) | Q(pk__in=proposed.values("pk")))


def _end_shared_alerts() -> None:
    """End the alert about a reconciliation once all incidents of its run are over."""
    of_the_run = Alert.objects.filter(run=OuterRef("run"))
    begun = Alert.objects.filter(run__isnull=False, action=AlertAction.TRIGGER)
    over = begun.exclude(run__outcome=RunOutcome.RUNNING).filter(
        ~Exists(of_the_run.filter(action=AlertAction.RESOLVE)),
        ~Exists(Incident.objects.unresolved().filter(run=OuterRef("run"))),
    )
    ends = [
        Alert(run_id=run, action=AlertAction.RESOLVE) for run in over.values_list("run", flat=True)
    ]
    Alert.objects.bulk_create(ends, ignore_conflicts=True)


def _open(*kinds: IncidentKind) -> CaseQuerySet:
    return IncidentCase.objects.unended().filter(incident__kind__in=kinds)


def _moved_on() -> CaseQuerySet:
    return _open(IncidentKind.STUCK_ORDER).exclude(order__status=KT("facts__status"))


def _answered() -> CaseQuerySet:
    return _open(*_WAITS_FOR_AN_ANSWER).filter(transaction__status__in=_KNOWN)


def _line_settled() -> CaseQuerySet:
    return _naming(_open(*_WAITS_FOR_A_LINE), "line", _lines(settled=True))


def _agreed_after_all() -> CaseQuerySet:
    """The cases about news that an open line has agreed with since. News after the end of a line
    needs a person.
    """
    cases = _open(IncidentKind.CONTRADICTION).filter(facts__has_key="line was")
    over = [str(status) for status in SETTLED_LINE]
    early = cases.alias(was=KT("facts__line was")).exclude(was__in=over)
    return _naming(early, "line", _lines(settled=True))


def _lines(*, settled: bool) -> QuerySet[OrderItem]:
    over = Q(fulfillment_status__in=SETTLED_LINE)
    return OrderItem.objects.filter(over if settled else ~over)


def _worked() -> CaseQuerySet:
    processed = Callback.objects.filter(state=CallbackState.PROCESSED)
    return _naming(_open(IncidentKind.PUZZLING_CALLBACK), "callback", processed)


def _nothing_waits() -> CaseQuerySet:
    settled = Fulfillment.objects.filter(status__in=SETTLED_LINE)
    named = settled.alias(name=Cast("pk", CharField())).filter(name=OuterRef("reference"))
    return _naming(
        _open(IncidentKind.PUZZLING_CALLBACK), "callback", Callback.objects.filter(Exists(named))
    )


def _readable() -> CaseQuerySet:
    """The cases about codes that became readable or were replaced."""
    cases = _open(IncidentKind.UNREADABLE)
    codes = VirtualCode.objects.valid()
    ended = [
        case.pk
        for case in cases
        if all(
            code.can_be_read() for code in codes.filter(fulfillment__reference=case.facts["line"])
        )
    ]
    return cases.filter(pk__in=ended)


def _denied() -> CaseQuerySet:
    return _naming(_open(IncidentKind.PUZZLING_CALLBACK), "line", _lines(settled=True))


def _has_its_number() -> CaseQuerySet:
    """The cases about a number that the comparison with the statement found at another."""
    swapped = _open(IncidentKind.RECONCILIATION).filter(facts__difference=DifferenceKind.SWAPPED)
    return swapped.alias(entry=KT("facts__entry")).filter(
        transaction__external_transaction_id=F("entry"), transaction__doubt=""
    )


def _naming(cases: CaseQuerySet, fact: str, rows: QuerySet[Any]) -> CaseQuerySet:
    """Those of `cases` whose `fact` is the key of one of `rows`."""
    telling = cases.filter(facts__has_key=fact)
    keyed = telling.alias(named=Cast(KT(f"facts__{fact}"), UUIDField()))
    return keyed.filter(named__in=rows.values("pk"))
