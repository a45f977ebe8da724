"""Sets how many points a seat may order in a month, and a company in a quarter.

What was ordered is counted where orders are (redemption/checkout/limits.py). A limit that is
lowered takes nothing back: it holds for what is placed or approved from then on.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import AccountManager, Company
from accounts.permissions import may_set_limits
from accounts.seats.company_rules import tell_limit
from accounts.seats.services import SeatRefusedError, as_now
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor

LARGEST_LIMIT = 1_000_000_000_000  # points


def set_monthly_limit(*, seat: AccountManager, points: int | None, by: Actor) -> None:
    """Set the points that a seat may order in a calendar month; None: as many as it likes.

    Raises SeatRefusedError with a sentence. The trail keeps both numbers, and all
    owners are told.
    """
    _checked(points)
    with transaction.atomic():
        # The company first, as everybody does who locks both (docs/architecture.md, Locks).
        company = Company.objects.select_for_update(no_key=True).get(pk=seat.company_id)
        _must(as_now(by), company)
        held = AccountManager.objects.select_for_update(no_key=True, of=("self",)).get(pk=seat.pk)
        before = held.monthly_limit
        if _written(held, "monthly_limit", points, by):
            tell_limit(company=company, seat=held, before=before, after=points, by=by)
    seat.monthly_limit = points


def set_quarterly_budget(*, company: Company, points: int | None, by: Actor) -> None:
    """Set the points that a company may order in a calendar quarter; None: as many as it likes.

    Raises SeatRefusedError with a sentence. The trail keeps both numbers, and all
    owners are told.
    """
    _checked(points)
    with transaction.atomic():
        held = Company.objects.select_for_update(no_key=True).get(pk=company.pk)
        _must(as_now(by), held)
        before = held.quarterly_budget
        if _written(held, "quarterly_budget", points, by):
            tell_limit(company=held, seat=None, before=before, after=points, by=by)
    company.quarterly_budget = points


def _written(row: Any, name: str, points: int | None, by: Actor) -> bool:
    """Whether the row had another number before."""
    before = getattr(row, name)
    if before == points:
        return False
    setattr(row, name, points)
    row.save(update_fields=[name])
    kind = TrailKind.LIMIT
    record(kind, by=by, about=row, what=name, facts={"before": before, "points": points})
    return True


def _checked(points: int | None) -> None:
    if points is not None and not 0 <= points <= LARGEST_LIMIT:
        raise SeatRefusedError(_("Enter a whole number of points, or leave it empty."))


def _must(by: Actor, company: Company) -> None:
    if not may_set_limits(by, company):
        raise SeatRefusedError(_("You have no permission for this."))
