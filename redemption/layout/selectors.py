"""Reads what every page of the portal shows: points to spend, and what waits for the person."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountManager, KnownBalance, User
from accounts.permissions import may_approve
from accounts.services import FRESH_SECONDS
from loyalty_portal.fastpath.sql import prepared_cursor

OLD = timedelta(seconds=60)  # from this age on, a figure says how old it is

# One question for the header of every page; each part is answered by a small or partial index.
# Points that moved after the balance was asked for are in neither figure, so they are added up
# too. A transaction that moved is rarely a day older than that.
_COUNTS = """
SELECT
    (SELECT count(*) FROM redemption_cartline WHERE cart_id = %(seat)s),
    (SELECT COALESCE(sum(points_amount), 0) FROM loyalty_transaction
     WHERE company_id = %(company)s AND transaction_type = 'DEBIT'
       AND status IN ('INTENDED', 'SENT', 'UNKNOWN', 'NEEDS_REVIEW')),
    (SELECT COALESCE(sum(points_amount), 0) FROM loyalty_transaction
     WHERE company_id = %(company)s AND transaction_type <> 'CREDIT'
       AND status IN ('UNKNOWN', 'NEEDS_REVIEW')),
    (SELECT COALESCE(sum(CASE transaction_type WHEN 'CREDIT' THEN -points_amount
                              ELSE points_amount END), 0) FROM loyalty_transaction
     WHERE company_id = %(company)s AND status = 'SUCCEEDED' AND settled_at > %(asked_at)s
       AND created_at > %(asked_at)s - interval '1 day'),
    (SELECT COALESCE(sum(total_points), 0) FROM redemption_order
     WHERE company_id = %(company)s AND status = 'AWAITING_APPROVAL'),
    (SELECT count(*) FROM redemption_order o JOIN account_manager a ON a.id = o.account_manager_id
     WHERE o.company_id = %(company)s AND o.status = 'AWAITING_APPROVAL'
       AND a.user_id <> %(user)s)
"""


@dataclass(frozen=True, slots=True)
class Header:
    """The figures in the header of every page. Points are None while the partner has never given a
    balance.

    `in_flight`: points of debits that are not settled; of these, `unclear` were sent without a
    clear answer. `awaiting`: points of orders that are waiting for approval.
    """

    known: KnownBalance | None
    cart_count: int
    in_flight: int
    unclear: int
    moved: int  # since the partner was asked; not in its figure yet
    awaiting: int
    approvals_count: int
    asked: bool = False

    @property
    def being_taken(self) -> int:
        """Points of debits that are not settled yet."""
        return self.in_flight - self.unclear

    @property
    def spendable(self) -> int | None:
        """Points that a new order may cost; never below 0."""
        if self.known is None:
            return None
        return max(0, self.known.points - self.in_flight - self.moved)

    @property
    def balance_age(self) -> datetime | None:
        """When the partner was asked for the figure."""
        return self.known.fetched_at if self.known else None

    @property
    def failed(self) -> bool:
        """Whether the partner did not answer when it was last asked."""
        known = self.known
        return bool(known and known.failed_at and known.failed_at > known.fetched_at)

    @property
    def stale(self) -> bool:
        """Whether the figure is so old that the page must say its age."""
        known = self.known
        return self.failed or (known is not None and timezone.now() - known.fetched_at > OLD)

    @property
    def needs_refresh(self) -> bool:
        """Whether the page should ask for a newer figure. The answer to that never asks again."""
        if self.asked or self.known is None:
            return not self.asked
        last = max(self.known.fetched_at, self.known.failed_at or self.known.fetched_at)
        return timezone.now() - last > timedelta(seconds=FRESH_SECONDS)


def header_of(seat: AccountManager, *, known: KnownBalance | None, asked: bool = False) -> Header:
    """Read the header in one query. `asked`: the partner has just been asked, and the page must not
    ask again.
    """
    asked_at = known.fetched_at if known else timezone.now()
    ids: dict[str, UUID | datetime] = {
        "seat": seat.pk,
        "company": seat.company_id,
        "user": seat.user_id,
        "asked_at": asked_at,
    }
    with prepared_cursor() as cursor:
        cursor.execute(_COUNTS, ids)
        cart_count, in_flight, unclear, moved, awaiting, approvals = cursor.fetchone()
    return Header(
        known=known,
        cart_count=cart_count,
        in_flight=int(in_flight),
        unclear=int(unclear),
        moved=int(moved),
        awaiting=int(awaiting),
        approvals_count=approvals if may_approve(seat) else 0,
        asked=asked,
    )


def told_as(user: User | None, company_id: UUID) -> str:
    """Who did something, as the company reads it: a name, or "the programme" for its staff."""
    if user is None:
        return _("the portal")
    if user.is_staff and not AccountManager.objects.filter(company=company_id, user=user).exists():
        return _("the programme (support)")
    return str(user)
