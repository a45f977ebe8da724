"""Putting right what was settled wrongly: asking the partner anew, and what two people then do.

Each deed is done in the caller's transaction, which has locked the fulfillment.
"""

from typing import Any, TypedDict

from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from fulfillment.models import Channel, Fulfillment
from fulfillment.partner import Report
from fulfillment.services import tell
from fulfillment.states import FulfillmentStatus
from fulfillment.virtual.hints import Hint, digest_of, end_of, prints_of, units_of
from fulfillment.virtual.saga import look_up
from fulfillment.virtual.services import keep

_ENDED = (FulfillmentStatus.DELIVERED, FulfillmentStatus.FAILED, FulfillmentStatus.CANCELLED)


class RemedyError(Exception):
    """What cannot be put right, in a sentence for the person who tried."""


class Found(TypedDict):
    """What the partner answered, without a code: evidence of a decision. `codes` is a digest."""

    theirs: str
    status: str
    units: int
    codes: str
    updated_at: str


def has_ended(held: Fulfillment) -> bool:
    """Whether the partner had it, and it is settled: only then it may be settled wrongly."""
    return held.channel == Channel.PARTNER and held.status in _ENDED


def ask_anew(held: Fulfillment) -> Report:
    """The partner's own answer, now; a call, so never within a transaction.

    Raises RemedyError when it gives none, or says that the delivery has not ended.
    """
    report = look_up(held).report
    if report is None:
        raise RemedyError(_("The partner gave no clear answer. Try again later."))
    if end_of(report) is None:
        told = _("The partner says “%(status)s”: it has not ended there. Wait until it has.")
        raise RemedyError(told % {"status": report.status})
    if len(units_of(report)) > held.quantity:
        raise RemedyError(_("The partner names more codes than were ordered. Have it mend that."))
    return report


def found_in(report: Report) -> Found:
    return Found(
        theirs=report.fulfillment_id,
        status=report.status,
        units=len(units_of(report)),
        codes=digest_of(report),
        updated_at=report.updated_at.isoformat(),
    )


def replace_codes(held: Fulfillment, report: Report, *, by: Any) -> int:
    """Withdraw the codes that are not its own, and give those that are; how many were withdrawn.

    Raises RemedyError when a right one stands at another line.
    """
    units = units_of(report)
    right = {each for unit in units for each in prints_of(unit)}
    wrong = held.codes.valid().exclude(fingerprint__in=right)
    withdrawn = wrong.update(withdrawn_at=timezone.now())
    there = set(held.codes.valid().values_list("fingerprint", flat=True))
    if keep(held, [unit for unit in units if there.isdisjoint(prints_of(unit))]):
        raise RemedyError(_("One of its codes stands at another line. Put that line right first."))
    told = _("Codes withdrawn: %(wrong)s. Codes now: %(right)s.")
    reason = told % {"wrong": withdrawn, "right": len(units)}
    held.event(held.status, held.status, by=by, reason=reason).save()
    return withdrawn


def take_back(held: Fulfillment, report: Report, *, reason: str, by: Any) -> None:
    """Fewer units were delivered than it says: those of the answer stay, with their codes."""
    replace_codes(held, report, by=by)
    came = len(units_of(report))
    _right(
        held, came, FulfillmentStatus.DELIVERED if came else FulfillmentStatus.FAILED, reason, by
    )


def delivered_after_all(held: Fulfillment, units: int, *, reason: str, by: Any) -> None:
    """So many units more were delivered than it says. The partner is asked for their codes."""
    _right(held, held.quantity_delivered + units, FulfillmentStatus.DELIVERED, reason, by)
    held.hints = [Hint(theirs=held.partner_id, status="delivered", codes="")]
    held.save(update_fields=["hints"])
    Fulfillment.objects.filter(pk=held.pk).update(attempts=0, next_attempt_at=Now())


def done_with(held: Fulfillment) -> None:
    """Nobody needs to look at it any more."""
    held.attention = ""
    held.save(update_fields=["attention"])


def _right(held: Fulfillment, came: int, to: FulfillmentStatus, reason: str, by: Any) -> None:
    change = came - held.quantity_delivered
    held.quantity_delivered, held.quantity_failed = came, held.quantity - came
    held.save(update_fields=["quantity_delivered", "quantity_failed"])
    if held.status != to:
        held.transition(to, by=by, reason=reason)
    tell(held, righted=change, reason=reason, by=by)
