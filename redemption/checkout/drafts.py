"""Places a draft: its rows become the lines of one order."""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AccountManager
from loyalty_portal.data.actor import Actor
from redemption.checkout.rows import recipient_of, saved_rows, today_of
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import CartLine, RedemptionOrder
from redemption.saga.steps import RedemptionError

MOST_TOLD = 3  # errors of cells in one sentence


def place_draft(
    *,
    seat: AccountManager,
    rows: Sequence[CartLine],
    recipient: Mapping[str, str],
    entered: CheckoutInput,
    by: Actor,
    asks: bool = False,
) -> RedemptionOrder:
    """Place one order of all rows of the seat's draft, a line for each, and empty the draft.

    `recipient` gets the pieces for whom nobody is named; `asks`: they are asked where to send
    them. The rows have their products and stock
    loaded. Raises RedemptionError when a row is incomplete or wrong by now, and as `place_order`.
    """
    if problem := problem_of(rows, seat):
        raise RedemptionError(problem)
    lines = [_line(row, recipient, asks=asks) for row in rows]
    return place_order(seat=seat, lines=lines, entered=entered, by=by)


def problem_of(rows: Sequence[CartLine], seat: AccountManager) -> str:
    """Why the people of a draft cannot get their pieces yet, by product and row; "" when they can.

    Makes no query.
    """
    people = [row for row in rows if row.position is not None]
    errors = saved_rows(people, today=today_of(seat.company)).errors
    if not errors:
        return ""
    told = [_("Some rows cannot be ordered yet.")]
    for error in errors[:MOST_TOLD]:
        row = people[error.row]
        facts = {"product": row.product.name, "why": error.detail, "row": 1 + (row.position or 0)}
        told.append(_("“%(product)s”, row %(row)s: %(why)s") % facts)
    if (more := len(errors) - MOST_TOLD) > 0:
        told.append(ngettext("%(more)s more cell.", "%(more)s more cells.", more) % {"more": more})
    return " ".join(told)


def _line(row: CartLine, recipient: Mapping[str, str], *, asks: bool) -> Line:
    is_nobodys = row.position is None
    said = recipient if is_nobodys else row.recipient()
    return Line(
        product=row.product,
        quantity=row.quantity,
        recipient=recipient_of(row.product, said),
        message=row.message,
        send_on=row.send_on,
        asks=asks if is_nobodys else row.asks,
    )
