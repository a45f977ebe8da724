"""Checks the data: due work, expired leases, stuck orders, and sums that do not agree."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, DurationField, ExpressionWrapper, F, Min, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Company
from catalog.models import StockStatus
from inventory import selectors
from loyalty_portal.queue.pause import is_paused
from operations.doctor.findings import Finding, State, by_age, counted, fine, spoken
from redemption.invariants.checks import check_deadlines, check_stock
from redemption.models import (
    Callback,
    CallbackState,
    Incident,
    LoyaltyTransaction,
    RedemptionOrder,
    RunOutcome,
)
from redemption.points.reconciliation.selectors import latest_runs
from redemption.saga.queues import queues
from redemption.states import OPEN_TRANSACTION, Severity

SHOWN = 10  # companies or products that one finding names
DUE_LOOK, DUE_BAD = timedelta(minutes=1), timedelta(minutes=10)  # a sweeper runs every 2 s
LEASE_LOOK = timedelta(minutes=5)
UNSETTLED_LOOK, UNSETTLED_BAD = timedelta(minutes=15), timedelta(days=1)
RECONCILED_LOOK = timedelta(hours=36)  # reconciliation runs every night

_NONE = timedelta(0)
PAUSED = "; waits for the end of the pause"


def _age(moment: Any) -> Any:
    return ExpressionWrapper(Now() - moment, output_field=DurationField())


def due_work() -> Iterator[Finding]:
    for kind, work in queues().items():
        due = work.rows.due().aggregate(number=Count("pk"), age=_age(Min("next_attempt_at")))
        subject, age = f"Due {kind}", due["age"] or _NONE
        if not due["number"]:
            yield fine(subject, "none")
            continue
        says = f"{due['number']:,}, the oldest for {spoken(age)}"
        if is_paused():
            yield fine(subject, f"{says}{PAUSED}")
            continue
        state = by_age(age, look=DUE_LOOK, bad=DUE_BAD)
        do = "" if state == State.OK else "Does `manage.py sweep` run? See its log, and start it."
        yield Finding(subject, state, says, do)


def leases() -> Iterator[Finding]:
    running = expired = 0
    oldest = _NONE
    for work in queues().values():
        # Ignore leases of finished rows.
        open_rows = work.rows.filter(lease_until__isnull=False, next_attempt_at__isnull=False)
        held = open_rows.aggregate(
            running=Count("pk", Q(lease_until__gt=Now())),
            expired=Count("pk", Q(lease_until__lte=Now())),
            age=_age(Min("lease_until")),
        )
        running += held["running"]
        expired += held["expired"]
        oldest = max(oldest, held["age"] or _NONE)
    says = f"{running:,} running, {expired:,} ended without a result"
    if is_paused():
        yield fine("Leases", f"{says}{PAUSED if running + expired else ''}")
    elif oldest > LEASE_LOOK:
        do = "A process died at its work and nobody took it up: see that the sweeper runs."
        yield Finding("Leases", State.LOOK, f"{says}, the oldest for {spoken(oldest)}", do)
    else:
        yield fine("Leases", says)


def orders() -> Iterator[Finding]:
    flagged = RedemptionOrder.objects.filter(needs_attention=True).count()
    if flagged:
        says = f"{counted(flagged, 'order needs', 'orders need')} a person"
        yield Finding("Stuck orders", State.LOOK, says, "See the overview of the admin portal.")
    else:
        yield fine("Stuck orders", "none needs a person")
    unmarked = check_deadlines()
    if unmarked and is_paused():
        yield fine("Overdue orders", f"{len(unmarked):,} to be marked{PAUSED}")
    elif unmarked:
        shown = ", ".join(sorted({each.subject for each in unmarked})[:SHOWN])
        do = "The sweeper marks them: does it run?"
        says = f"{len(unmarked):,} past their deadline, and not even marked: {shown}"
        yield Finding("Overdue orders", State.BAD, says, do)
    else:
        yield fine("Overdue orders", "all are marked")


def incidents() -> Iterator[Finding]:
    found = Incident.objects.unresolved().order_by("-severity")
    numbers = dict(found.values_list("severity").annotate(Count("pk")).order_by("-severity"))
    if not numbers:
        yield fine("Incidents", "none is open")
        return
    told = ", ".join(
        f"{number:,} {Severity(severity).name.lower()}" for severity, number in numbers.items()
    )
    state = State.BAD if Severity.CRITICAL in numbers else State.LOOK
    do = "Open them in the admin portal, the worst first; each says what to do."
    yield Finding("Incidents", state, f"open: {told}", do)


def parked() -> Iterator[Finding]:
    aside = {kind: work.rows.put_aside().count() for kind, work in queues().items()}
    told = ", ".join(f"{number:,} {kind}" for kind, number in aside.items() if number)
    if told:
        do = "Each has an incident; once it is mended, have it tried again there."
        says = f"our own program failed at {told} again and again"
        yield Finding("Rows put aside", State.BAD, says, do)
    else:
        yield fine("Rows put aside", "none")
    waiting = Callback.objects.filter(state=CallbackState.PARKED).count()
    if waiting:
        says = f"{counted(waiting, 'callback')} about a delivery that we do not know (yet)"
        yield Finding(
            "Parked callbacks", State.LOOK, says, "See the callbacks in the admin portal."
        )
    else:
        yield fine("Parked callbacks", "none")


def stock() -> Iterator[Finding]:
    found = check_stock()
    if not found:
        yield fine("Stock", "adds up")
        return
    shown = ", ".join(sorted({each.subject for each in found})[:SHOWN])
    do = "Count these products and enter the counts. If it comes back, tell the developers."
    yield Finding("Stock", State.BAD, f"does not add up: {shown}", do)


def short_stock() -> Iterator[Finding]:
    """Tells what is short; staff see it in the admin portal, so it is nothing for operators."""
    rows = selectors.short_stock()
    out = rows.filter(product__stock_status=StockStatus.OUT).count()
    told = counted(out, "active product is", "active products are")
    yield fine("Low stock", f"{told} out, {rows.count() - out:,} low")


def unsettled_points() -> Iterator[Finding]:
    rows = (
        LoyaltyTransaction.objects.filter(status__in=OPEN_TRANSACTION)
        .values(name=F("company__name"))
        .annotate(
            taking=Sum("points_amount", filter=~Q(transaction_type="CREDIT"), default=0),
            owed=Sum("points_amount", filter=Q(transaction_type="CREDIT"), default=0),
            age=_age(Min("created_at")),
        )
        .order_by("-age")
    )
    if not rows:
        yield fine("Unsettled points", "none")
    for row in rows[:SHOWN]:
        state = by_age(row["age"], look=UNSETTLED_LOOK, bad=UNSETTLED_BAD)
        do = "" if state == State.OK else "See its transactions in the admin portal, unclear ones."
        says = (
            f"{row['name']}: {row['taking']:,} being taken, {row['owed']:,} being given back, "
            f"the oldest for {spoken(row['age'])}"
        )
        yield Finding("Unsettled points", state, says, do)
    if len(rows) > SHOWN:
        yield fine("Unsettled points", f"and {len(rows) - SHOWN:,} more companies, younger ones")


def reconciliations() -> Iterator[Finding]:
    companies = list(latest_runs())
    fresh = [each for each in companies if _reconciled(each) is None]
    if fresh or not companies:
        dates = [each.last_finished for each in fresh]  # type: ignore[attr-defined]
        last = f", the last {spoken(timezone.now() - max(dates))} ago" if dates else ""
        says = f"{counted(len(fresh), 'company agrees', 'companies agree')}{last}"
        yield fine("Reconciliation", says)
    wrong = [(each, told) for each in companies if (told := _reconciled(each))]
    for company, (state, says, do) in sorted(wrong, key=lambda row: row[1][0])[:SHOWN]:
        yield Finding("Reconciliation", state, f"{company.name}: {says}", do)
    if len(wrong) > SHOWN:
        states = [told[0] for _company, told in wrong]
        worst = State.BAD if State.BAD in states else State.LOOK
        do = "See the reconciliation in the admin portal."
        says = f"and {len(wrong) - SHOWN:,} more companies"
        yield Finding("Reconciliation", worst, says, do)


def _reconciled(company: Company) -> tuple[State, str, str] | None:
    """What is wrong with a company of `latest_runs()`; None when nothing is."""
    outcome: str | None = getattr(company, "last_outcome", None)
    finished: datetime | None = getattr(company, "last_finished", None)
    again = "Run `manage.py reconcile`."
    if not settings.LOYALTY_API_STATEMENT:
        again = "Upload the partner's file in the admin portal."
    if outcome is None or finished is None:
        return State.LOOK, "was never compared with the partner", again
    if outcome == RunOutcome.FAILED:
        return State.BAD, "the last comparison could not be made", f"The run says why. {again}"
    if outcome == RunOutcome.DIFFERS:
        do = "Its incidents say what. Compare again when they are settled."
        return State.BAD, "differs from the partner's statement", do
    gap: datetime | None = getattr(company, "gap_from", None)
    if gap is not None:
        return State.LOOK, f"some days from {gap:%Y-%m-%d %H:%M} UTC on were never compared", again
    age = timezone.now() - finished
    if age > RECONCILED_LOOK:
        do = again if is_paused() else f"Does the scheduler run? {again}"
        return State.LOOK, f"last compared {spoken(age)} ago", do
    return None
