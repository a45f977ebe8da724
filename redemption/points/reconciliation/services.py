"""Compares our transactions with the partner's statement and reports the differences.

It changes no entry. A transaction with another one's number is doubted, so that the saga finds its
own (docs/decisions/0030-exchanged-numbers.md).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import loyalty
from accounts.models import Company
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.ids import uuid7
from loyalty_portal.partners.client import PartnerRefusedError, PartnerUnavailableError
from redemption.incidents.services import raise_incident, settle_incident
from redemption.models import (
    Difference,
    ReconciledDay,
    Reconciliation,
    RunOutcome,
    StatementSource,
)
from redemption.points.doubting import doubt_number
from redemption.points.reconciliation.matching import compare
from redemption.points.reconciliation.selectors import (
    accounts_in,
    companies_in,
    due_since,
    first_asked,
    has_lines_of,
    midnight,
    strangers,
)
from redemption.points.reconciliation.statements import (
    LINES,
    StatementFileError,
    forget,
    keep,
    keep_file,
)
from redemption.points.reconciliation.tally import Tally
from redemption.states import DifferenceKind, IncidentKind

logger = logging.getLogger(__name__)

# Entries and transactions younger than this are left to the next run: they may be in progress, the
# statement may lag, and clocks differ. A file has two sharp ends, so both ends get the margin.
MARGIN = timedelta(minutes=10)
# The statement is read from this much earlier, so that clock differences hide no entry.
READ_BACK = timedelta(days=1)
# A run that is older and not finished belongs to a process that was killed.
ABANDONED = timedelta(hours=2)
NAMED_ACCOUNTS = 5  # of a file that has nothing of the company


class ReconciliationError(Exception):
    """The comparison cannot be made; the message is for the person who started it."""


def reconcile(
    *, company: Company, since: datetime | None = None, by: Actor = SYSTEM
) -> Reconciliation:
    """Compare a company with the partner's statement since a time (None: since the last run).

    A partner that does not answer makes the run FAILED and raises nothing. Raises
    ReconciliationError when there is nothing to compare, or another run of this company is in
    progress.
    """
    if not settings.LOYALTY_API_STATEMENT:
        raise ReconciliationError(
            _("This partner has no statement to ask for. Upload its file in the admin portal.")
        )
    until = timezone.now() - MARGIN
    # Just after midnight the last minutes of yesterday are still to be compared.
    start = since or min(due_since(company), midnight(until - timedelta(microseconds=1)))
    run = _begin(company, start, until, source=StatementSource.API, by=by)
    began = first_asked(company, run.since, run.until) - READ_BACK
    with _kept_honest(run):
        try:
            keep(run.pk, loyalty.statement(company.loyalty_account_id, began))
        except PartnerRefusedError as error:
            _end(run, RunOutcome.FAILED, _("The partner refused: %s") % error.answer.told)
        except PartnerUnavailableError as error:
            _end(run, RunOutcome.FAILED, _("The partner did not answer: %s") % error.answer.told)
        else:
            _compare(run, batch=run.pk, began=began, until=run.until)
        finally:
            forget(run.pk)
    return run


def reconcile_file(
    *, path: Path, company: Company | None, since: datetime, until: datetime, by: Actor
) -> tuple[list[Reconciliation], int]:
    """Compare with a file that has all entries from `since` until `until`.

    `company` None: every company whose account occurs in the file. Returns the runs, one for each
    company, and the number of entries on accounts of no company. Raises StatementFileError when a
    row is wrong or the file has none of the company, and ReconciliationError when the time is too
    recent or a company is being compared already.
    """
    until = min(until, timezone.now() - MARGIN)
    batch = uuid7()
    keep_file(batch, path)
    try:
        if company and not has_lines_of(company, batch):
            raise _of_others(company, accounts_in(batch))
        companies = [company] if company else list(companies_in(batch))
        return [_with_file(each, batch, since, until, by) for each in companies], strangers(batch)
    finally:
        forget(batch)


def _of_others(company: Company, accounts: list[str]) -> StatementFileError:
    """Why the file is not compared: a wrong one would make an incident of each transaction."""
    others = len(accounts) - NAMED_ACCOUNTS
    named = ", ".join(accounts[:NAMED_ACCOUNTS]) + (" …" if others > 0 else "")
    told = ngettext(
        "This file has nothing of %(company)s (account %(account)s). Its account is %(named)s. "
        "Nothing was compared.",
        "This file has nothing of %(company)s (account %(account)s). Its %(n)s accounts are "
        "%(named)s. Nothing was compared.",
        len(accounts),
    )
    facts = {"company": company, "account": company.loyalty_account_id}
    return StatementFileError(told % {**facts, "named": named, "n": len(accounts)}, [], 0)


def _with_file(
    company: Company, batch: UUID, since: datetime, until: datetime, by: Actor
) -> Reconciliation:
    run = _begin(company, since, until, source=StatementSource.FILE, by=by)
    with _kept_honest(run):
        _compare(run, batch=batch, began=run.since + MARGIN, until=run.until - MARGIN)
    return run


def _begin(
    company: Company, since: datetime, until: datetime, *, source: StatementSource, by: Actor
) -> Reconciliation:
    if since >= until:
        raise ReconciliationError(
            _("There is nothing to compare yet: the last %s minutes are left to the next run.")
            % int(MARGIN.total_seconds() // 60)
        )
    rows = Reconciliation.objects.filter(company=company, outcome=RunOutcome.RUNNING)
    rows.filter(started_at__lt=Now() - ABANDONED).update(
        outcome=RunOutcome.FAILED, finished_at=Now(), problem=_("It was stopped in the middle.")
    )
    try:
        with transaction.atomic():
            return Reconciliation.objects.create(
                company=company, since=since, until=until, source=source, by_id=by.user_id
            )
    except IntegrityError:
        raise ReconciliationError(
            _("%s is being compared at this moment; look at the list.") % company
        ) from None


@contextmanager
def _kept_honest(run: Reconciliation) -> Iterator[None]:
    """Mark the run as FAILED if the block raises, so that it does not stay RUNNING."""
    try:
        yield
    except Exception as error:
        _end(run, RunOutcome.FAILED, _("It failed here: %s") % type(error).__name__)
        raise


def _compare(run: Reconciliation, *, batch: UUID, began: datetime, until: datetime) -> None:
    tally = Tally(run, timezone.now())
    facts = {
        "batch": batch,
        "account": run.company.loyalty_account_id,
        "companies": [run.company_id],
        "began": began,
        "since": run.since,
        "until": until,
    }
    with transaction.atomic():
        for verdict in compare(LINES, facts):
            tally.take(verdict)
        tally.flush()
        _write_days(tally.days())
    for difference in run.differences.select_related("order", "transaction").iterator():
        if difference.kind == DifferenceKind.SWAPPED and difference.transaction:
            doubt_number(difference.transaction.pk, difference.entry)
        _raise(run, difference)
    for key in tally.gone():
        settle_incident(key=key, why=_("The partner's statement and our transactions agree again."))
    _end(run, RunOutcome.DIFFERS if run.difference_count else RunOutcome.AGREED)


def _write_days(days: list[ReconciledDay]) -> None:
    ReconciledDay.objects.bulk_create(
        days,
        update_conflicts=True,
        unique_fields=["company", "day"],
        update_fields=[
            "run", "entries", "matched", "waiting", "differences", "points_taken",
            "points_given_back",
        ],
    )  # fmt: skip


def _raise(run: Reconciliation, difference: Difference) -> None:
    """Open an incident for a difference, in its own transaction because there may be thousands.

    All incidents of a run share one alert: one page for each order that a restored backup lost
    would help nobody.
    """
    facts: dict[str, str | int] = {"difference": difference.kind, "entry": difference.entry}
    figures = {"points there": difference.points_there, "points here": difference.points_here}
    facts |= {name: points for name, points in figures.items() if points is not None}
    with transaction.atomic():
        difference.incident = raise_incident(
            kind=IncidentKind.RECONCILIATION,
            key=difference.key,
            what=difference.what,
            order=difference.order,
            transaction=difference.transaction,
            company=run.company,
            facts=facts,
            run=run,
        )
        difference.save(update_fields=["incident"])


def _end(run: Reconciliation, outcome: RunOutcome, problem: str = "") -> None:
    run.outcome, run.problem, run.finished_at = outcome, problem[:255], timezone.now()
    run.save()
    logger.info("reconciliation of company %s: %s", run.company_id, outcome)
