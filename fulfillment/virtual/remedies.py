"""Remedies for what was settled wrongly: asks the partner again, and does what two people decided.

Each change is made in the caller's transaction, which has locked the fulfillment.
"""

from typing import TypedDict

from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from fulfillment.models import Channel, Fulfillment
from fulfillment.news import tell
from fulfillment.partner import Report
from fulfillment.states import FulfillmentStatus
from fulfillment.virtual.hints import Hint, digest_of, end_of, prints_of, units_of
from fulfillment.virtual.saga import look_up
from fulfillment.virtual.services import keep_more
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept

_ENDED = (FulfillmentStatus.DELIVERED, FulfillmentStatus.FAILED, FulfillmentStatus.CANCELLED)


class RemedyError(Exception):
    """A remedy is not possible; the message is a sentence for the person who tried."""


class Found(TypedDict):
    """What the partner answered, without codes, as evidence of a decision. `codes` is a digest."""

    theirs: str
    status: str
    units: int
    codes: str
    updated_at: str


def has_ended(held: Fulfillment) -> bool:
    """Whether the partner had it and it is settled. Only then can it be settled wrongly."""
    return held.channel == Channel.PARTNER and held.status in _ENDED


def ask_anew(held: Fulfillment) -> Report:
    """The partner's answer now. Makes a call, so never inside a transaction.

    Raises RemedyError when there is no answer, or when the delivery has not ended.
    """
    report = look_up(held).report
    if report is None:
        raise RemedyError(_("The partner gave no clear answer. Try again later."))
    if end_of(report) is None:
        told = _("The partner says “%(status)s”: it has not ended there. Wait until it has.")
        raise RemedyError(told % {"status": report.status})
    if len(units_of(report)) > held.quantity:
        raise RemedyError(
            _("The partner names more codes than were ordered. Have it correct that.")
        )
    return report


def found_in(report: Report) -> Found:
    return Found(
        theirs=report.fulfillment_id,
        status=report.status,
        units=len(units_of(report)),
        codes=digest_of(report),
        updated_at=report.updated_at.isoformat(),
    )


def replace_codes(held: Fulfillment, report: Report, *, by: Actor) -> int:
    """Withdraw codes that are unreadable or belong to others, and store the right ones.

    Returns how many were withdrawn. Raises RemedyError when a right code is stored with another
    line.
    """
    units = units_of(report)
    right = {each for unit in units for each in prints_of(unit)}
    wrong = [
        code.pk
        for code in held.codes.valid()
        if code.fingerprint not in right or not code.can_be_read()
    ]
    withdrawn = held.codes.filter(pk__in=wrong).update(withdrawn_at=timezone.now())
    there = set(held.codes.valid().values_list("fingerprint", flat=True))
    if keep_more(held, [unit for unit in units if there.isdisjoint(prints_of(unit))]):
        raise RemedyError(
            _("One of its codes is stored with another line. Correct that line first.")
        )
    told = kept(lambda: _("Codes withdrawn: %(wrong)s. Codes now: %(right)s."))
    reason = told % {"wrong": withdrawn, "right": len(units)}
    held.event(held.status, held.status, by=by, reason=reason).save()
    return withdrawn


def take_back(held: Fulfillment, report: Report, *, reason: str, by: Actor) -> None:
    """Fewer units were delivered than recorded: keep those of the answer, with their codes."""
    replace_codes(held, report, by=by)
    came = len(units_of(report))
    _right(
        held, came, FulfillmentStatus.DELIVERED if came else FulfillmentStatus.FAILED, reason, by
    )


def delivered_after_all(held: Fulfillment, units: int, *, reason: str, by: Actor) -> None:
    """Record that this many more units were delivered. The partner is asked for their codes."""
    _right(held, held.quantity_delivered + units, FulfillmentStatus.DELIVERED, reason, by)
    held.hints = [Hint(theirs=held.partner_id, status="delivered", codes="")]
    held.save(update_fields=["hints"])
    Fulfillment.objects.filter(pk=held.pk).update(attempts=0, next_attempt_at=Now())


def done_with(held: Fulfillment) -> None:
    """Remove the flag: nobody needs to look at it any more."""
    held.attention = ""
    held.save(update_fields=["attention"])


def _right(held: Fulfillment, came: int, to: FulfillmentStatus, reason: str, by: Actor) -> None:
    change = came - held.quantity_delivered
    held.quantity_delivered, held.quantity_failed = came, held.quantity - came
    held.save(update_fields=["quantity_delivered", "quantity_failed"])
    if held.status != to:
        held.transition(to, by=by, reason=reason)
    tell(held, righted=change, reason=reason, by=by)
