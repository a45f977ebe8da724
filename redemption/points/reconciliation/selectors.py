"""Reads reconciliations: where the next one starts, and the results by day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Case, Exists, F, Min, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Least
from django.utils import timezone

from accounts.models import Company
from redemption.models import (
    Difference,
    Incident,
    LoyaltyTransaction,
    ReconciledDay,
    Reconciliation,
    RunOutcome,
    StatementLine,
)
from redemption.states import IncidentKind, TransactionStatus

COMPARED = (RunOutcome.AGREED, RunOutcome.DIFFERS)
DAYS_SHOWN = 14


def midnight(moment: datetime) -> datetime:
    """The beginning of the day in UTC; reconciliation uses UTC days."""
    return datetime.combine(moment.astimezone(UTC).date(), time.min, tzinfo=UTC)


def open_incidents(company: Company) -> QuerySet[Incident]:
    """The company's unresolved incidents about differences."""
    return Incident.objects.unresolved().filter(kind=IncidentKind.RECONCILIATION, company=company)


def open_differences(company: Company) -> QuerySet[Difference]:
    """The latest row of each open difference."""
    rows = Difference.objects.filter(incident__in=open_incidents(company))
    return rows.order_by("key", "-pk").distinct("key")


def due_since(company: Company) -> datetime:
    """The start of the next run: the first moment that none has compared, or the oldest open
    difference.

    It is the beginning of a day, so that a day's result always covers the whole day. A company's
    first day is that of its first transaction. Runs that somebody started over later days alone
    leave a gap before them, which the next run compares too.
    """
    made = LoyaltyTransaction.objects.filter(company=company).aggregate(Min("created_at"))
    began = midnight(min(company.created_at, made["created_at__min"] or company.created_at))
    done = Reconciliation.objects.filter(company=company, outcome__in=COMPARED)
    if not done.filter(since__lte=began).exists():
        return began
    ended = _without_next(done).aggregate(first=Min("until"))["first"]
    still = Difference.objects.filter(incident__in=open_incidents(company)).aggregate(Min("at"))
    return midnight(min(ended, still["at__min"] or ended))


def _without_next(runs: QuerySet[Reconciliation]) -> QuerySet[Reconciliation]:
    """Those of the compared runs at whose end no other of the company goes on.

    These are the last one, and one before each gap.
    """
    next_ones = Reconciliation.objects.filter(
        company=OuterRef("company"),
        outcome__in=COMPARED,
        since__lte=OuterRef("until"),
        until__gt=OuterRef("until"),
    )
    return runs.filter(~Exists(next_ones), outcome__in=COMPARED)


def was_compared(transaction: LoyaltyTransaction) -> bool:
    """Whether a run has compared a settled transaction with the statement."""
    runs = Reconciliation.objects.filter(company=transaction.company_id, outcome__in=COMPARED)
    at = transaction.settled_at
    return at is not None and runs.filter(since__lte=at, until__gt=at).exists()


def first_asked(company: Company, since: datetime, until: datetime) -> datetime:
    """The creation time of the oldest transaction that was settled in this time.

    The partner's entry may be as old, because an answer can be lost for hours and a credit retried
    for weeks.
    """
    settled = LoyaltyTransaction.objects.filter(
        company=company,
        status=TransactionStatus.SUCCEEDED,
        settled_at__gte=since,
        settled_at__lt=until,
    )
    first = settled.aggregate(first=Min(Least("created_at", "first_sent_at")))["first"]
    return min(since, first or since)


def companies_in(batch: UUID) -> QuerySet[Company]:
    """The companies whose accounts occur in a statement."""
    accounts = StatementLine.objects.filter(batch=batch).values("account")
    return Company.objects.filter(loyalty_account_id__in=accounts)


def has_lines_of(company: Company, batch: UUID) -> bool:
    """Whether a statement has an entry on the company's account, or one of its transactions."""
    lines = StatementLine.objects.filter(batch=batch)
    booked = LoyaltyTransaction.objects.filter(
        company=company, external_transaction_id=OuterRef("entry")
    )
    on_account = lines.filter(account=company.loyalty_account_id)
    return on_account.exists() or lines.filter(Exists(booked)).exists()


def accounts_in(batch: UUID) -> list[str]:
    """The accounts of a statement, in their order."""
    accounts = StatementLine.objects.filter(batch=batch).order_by("account")
    return list(accounts.values_list("account", flat=True).distinct())


def strangers(batch: UUID) -> int:
    """The number of entries of a statement on accounts that belong to no company."""
    ours = Company.objects.values("loyalty_account_id")
    return StatementLine.objects.filter(batch=batch).exclude(account__in=ours).count()


@dataclass(frozen=True, slots=True)
class CompanyDays:
    """A row of the overview: the result of each day, None for a day without one."""

    company: Company
    days: list[ReconciledDay | None]


def shown_days() -> list[date]:
    """The days of the overview, today first, because a phone shows only the first ones."""
    today = timezone.now().astimezone(UTC).date()
    return [today - timedelta(days=back) for back in range(DAYS_SHOWN)]


def by_company_and_day(companies: QuerySet[Company], days: list[date]) -> list[CompanyDays]:
    """The results by company and day, in two queries for any number of companies, on their
    database.
    """
    rows = ReconciledDay.objects.using(companies.db).filter(company__in=companies, day__in=days)
    found: Mapping[tuple[object, date], ReconciledDay] = {
        (row.company_id, row.day): row for row in rows
    }
    return [
        CompanyDays(company, [found.get((company.pk, day)) for day in days])
        for company in companies
    ]


def latest_runs() -> QuerySet[Company]:
    """Companies with `last_run` (an id), `last_outcome` and `last_finished` of their latest run.

    The outcome is DIFFERS too while a difference of an earlier run is open, which a run over other
    days does not find. `gap_from` is the moment from which some days before the latest run were
    not compared, or None. Those that need a look come first.
    """
    runs = Reconciliation.objects.filter(company=OuterRef("pk"))
    last = runs.exclude(outcome=RunOutcome.RUNNING).order_by("-started_at")[:1]
    differing = Incident.objects.unresolved().filter(kind=IncidentKind.RECONCILIATION)
    ends = runs.filter(outcome__in=COMPARED).order_by("-until")
    before_gap = _without_next(runs).filter(until__lt=OuterRef("last_end")).order_by("until")
    rows = Company.objects.annotate(
        last_run=Subquery(last.values("pk")),
        outcome_of_last=Subquery(last.values("outcome")),
        last_finished=Subquery(last.values("finished_at")),
        last_end=Subquery(ends.values("until")[:1]),
    ).annotate(
        gap_from=Subquery(before_gap.values("until")[:1]),
        last_outcome=Case(
            When(
                Exists(differing.filter(company=OuterRef("pk"))),
                outcome_of_last=RunOutcome.AGREED,
                then=Value(RunOutcome.DIFFERS),
            ),
            default=F("outcome_of_last"),
        ),
    )
    well = Case(When(last_outcome=RunOutcome.AGREED, then=Value(1)), default=Value(0))
    return rows.order_by(well, "name", "pk")
