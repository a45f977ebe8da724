"""`manage.py reconcile`: compares our transactions with the partner's statements."""

import contextlib
import uuid
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_date, parse_datetime

from accounts.models import Company
from loyalty_portal.audit.services import record_command
from redemption.models import Reconciliation, RunOutcome
from redemption.points.reconciliation.services import ReconciliationError, reconcile

SHOWN = 20  # differences printed for a company; the admin shows all


class Command(BaseCommand):
    help = (
        "Compare our transactions with the partner's statement, each company since its last run. "
        "Says what differs and changes no points; a number that is another's is looked up again. "
        "Ends with 1 when something does not agree."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--company", metavar="NAME", help="one alone: name, account or id")
        parser.add_argument(
            "--since", type=_moment, metavar="DATE", help="a day or time (UTC), such as 2026-11-01"
        )

    def handle(
        self,
        *_args: Any,
        company: str | None,
        since: datetime | None,
        **_options: Any,
    ) -> None:
        found = _companies(company)
        if company and not found:
            raise CommandError(f"There is no company {company!r}.")
        if company and len(found) > 1:
            raise CommandError(f"{len(found)} companies are called {company!r}; give the account.")
        record_command("reconcile")
        outcomes = [self._run(each, since) for each in found]
        wrong = {
            said: outcomes.count(outcome)
            for outcome, said in (
                (RunOutcome.DIFFERS, "with differences"),
                (RunOutcome.FAILED, "not compared"),
            )
            if outcome in outcomes
        }
        total = _counted(len(outcomes), "company", "companies")
        if wrong:
            raise CommandError(
                f"{total}: " + ", ".join(f"{count} {said}" for said, count in wrong.items())
            )
        self.stdout.write(f"{total}: {'agrees' if len(outcomes) == 1 else 'all agree'}.")

    def _run(self, company: Company, since: datetime | None) -> str:
        try:
            run = reconcile(company=company, since=since)
        except ReconciliationError as error:
            self.stderr.write(f"{company}: {error}")
            return RunOutcome.FAILED
        said = f"{company}: {run.since:%Y-%m-%d %H:%M} to {run.until:%Y-%m-%d %H:%M}, "
        if run.outcome == RunOutcome.FAILED:
            self.stderr.write(said + run.problem)
            return run.outcome
        waiting = f", {run.waiting:,} not yet known here" if run.waiting else ""
        self.stdout.write(
            f"{said}{_counted(run.entries, 'entry', 'entries')}, "
            f"{run.points_taken:,} points taken, {run.points_given_back:,} given back, "
            f"{_counted(run.difference_count, 'difference', 'differences')}{waiting}"
        )
        self._show(run)
        return run.outcome

    def _show(self, run: Reconciliation) -> None:
        for difference in run.differences.all()[:SHOWN]:
            self.stdout.write(f"  {difference.get_kind_display()}: {difference.what}")
        if run.difference_count > SHOWN:
            self.stdout.write(f"  … and {run.difference_count - SHOWN:,} more in the admin portal")


def _companies(asked: str | None) -> QuerySet[Company]:
    rows = Company.objects.order_by("name", "pk")
    if asked is None:
        return rows
    named = Q(name__iexact=asked) | Q(loyalty_account_id=asked)
    with contextlib.suppress(ValueError):
        named |= Q(pk=uuid.UUID(asked))
    return rows.filter(named)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None:
        raise ArgumentTypeError(f"{text!r} is not a day such as 2026-11-01")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
