"""Reads the orders' and carts' share of the header of every page.

settings.LAYOUT_PROVIDERS names `header_figures`; `accounts.layout` calls it.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from accounts.models import AccountManager
from accounts.permissions import may_approve
from loyalty_portal.fastpath.sql import prepared_cursor

# One query for every page's header, answered by small or partial indexes. It also adds up points
# that moved after the balance was asked for, which neither the balance nor the points in flight
# contain. A transaction that just moved is rarely more than a day old.
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


def header_figures(seat: AccountManager, asked_at: datetime) -> Mapping[str, int]:
    """Points in flight, cart and approvals, as `accounts.layout.Header` names them.

    Makes one query. `asked_at`: when the partner was asked for the balance.
    """
    ids: dict[str, UUID | datetime] = {
        "seat": seat.pk,
        "company": seat.company_id,
        "user": seat.user_id,
        "asked_at": asked_at,
    }
    with prepared_cursor() as cursor:
        cursor.execute(_COUNTS, ids)
        cart_count, in_flight, unclear, moved, awaiting, approvals = cursor.fetchone()
    return {
        "cart_count": cart_count,
        "in_flight": int(in_flight),
        "unclear": int(unclear),
        "moved": int(moved),
        "awaiting": int(awaiting),
        "approvals_count": approvals if may_approve(seat) else 0,
    }
