"""Processes the partner's answers about virtual deliveries, and decisions of two people.

hints.py processes callbacks.
"""

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Exists, F, Max, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from fulfillment.models import CallKind, Channel, Fulfillment, PartnerCall, VirtualCode
from fulfillment.news import tell
from fulfillment.partner import Deliverable, Report, ReportStatus
from fulfillment.services import tell_unreadable
from fulfillment.states import CallStatus, FulfillmentStatus
from fulfillment.virtual import hints
from fulfillment.virtual.hints import (
    digest_of,
    end_of,
    kept_codes,
    note_progress,
    print_of,
    prints_of,
    units_of,
)
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.encrypted_field import fingerprints
from loyalty_portal.fastpath.sql import Prepared, insert_unknown
from loyalty_portal.partners.reasons import supplier_reason


def locked(fulfillment_id: uuid.UUID, report: Report | None) -> Fulfillment:
    """The fulfillment that an answer is about, locked until the transaction ends. `number_taken` is
    whether another line has the number that the report names, `cancel_waits` whether a call that
    shall cancel it had no clear answer yet.
    """
    return _locked(fulfillment_id, report.fulfillment_id if report else "")[0]


def _to_lock(key: uuid.UUID, number: str) -> "QuerySet[Fulfillment]":
    others = Fulfillment.objects.filter(partner_id=number).exclude(pk=OuterRef("pk"))
    cancels = _waiting_cancels(OuterRef("pk"))
    known = {"number_taken": Exists(others), "cancel_waits": Exists(cancels)}
    return Fulfillment.objects.select_for_update(no_key=True).filter(pk=key).annotate(**known)


def _waiting_cancels(fulfillment: Fulfillment | OuterRef) -> "QuerySet[PartnerCall]":
    return PartnerCall.objects.filter(
        fulfillment=fulfillment, kind=CallKind.CANCEL, status=CallStatus.UNKNOWN
    )


_locked = Prepared(_to_lock, uuid.uuid4(), "a partner's number")


def hear_answer(*, held: Fulfillment, report: Report) -> None:
    """Process the partner's answer about `held`, which the caller got from `locked`. The answer is
    the truth; the same answer twice counts once.

    Raises IntegrityError when another line is given the same number at this moment; the transaction
    is then repeated, and sees that.
    """
    doubted = held.attention
    strange = held.partner_id not in {"", report.fulfillment_id}
    # A cancel by the number of another line would stop that other delivery.
    if held.partner_id != report.fulfillment_id and held.number_taken:
        flag(held, _("The partner names the fulfillment of another line."), "MISMATCH")
        return  # neither its news nor its id is believed: it is asked by our reference
    if strange:
        flag(held, _("The partner names two fulfillments for one reference."))
    end = end_of(report)
    fits = end is not None and _fits(held, end, report)
    if held.partner_id != report.fulfillment_id:  # settling has not recorded it
        _save(held, partner_id=report.fulfillment_id)
        if held.cancel_waits:
            _cancel_next(held)
    if end is None:
        note_progress(held, report)
        return
    if fits and doubted and not strange:
        _save(held, attention="")
        tell(
            held,
            cleared=_("When asked, the partner says “%(status)s”.") % {"status": report.status},
        )
    hints.answered(held, report)


def _cancel_next(held: Fulfillment) -> None:
    """Let its cancel go out before all requests that are due: it waited for the partner's number,
    longer with each try, and each second counts now.
    """
    _waiting_cancels(held).update(next_attempt_at=F("created_at"))


def _fits(held: Fulfillment, end: FulfillmentStatus, report: Report) -> bool:
    """Settle it with this end. True when it is settled so, now or before; False, and flagged, when
    it cannot be.
    """
    units = units_of(report)
    if held.status != FulfillmentStatus.REQUESTED:
        return _ended_so(held, end, report, units)
    if report.status is ReportStatus.DELIVERED or units:
        return _delivered(held, report, units)
    _lost(held, end, report)
    return True


def _ended_so(
    held: Fulfillment, end: FulfillmentStatus, report: Report, units: list[Deliverable]
) -> bool:
    if end != held.status:
        why = _("The partner now says “%(status)s”, after the end.") % {"status": report.status}
    elif not units or digest_of(report) == kept_codes(held):
        return True
    elif not all(code.can_be_read() for code in held.codes.valid()):
        tell_unreadable(held)
        return False
    elif len(held.codes.valid()) < held.quantity_delivered:
        why = _codes_after_all(held, report, units)
    else:
        why = _("The partner now names other codes than those that were handed out.")
    if why:
        flag(held, why)
    return not why


def refused(*, held: Fulfillment, code: str, detail: str = "") -> None:
    """The partner refused the request: nothing will be delivered. Only staff read its own words."""
    reason = " ".join(part for part in (code, detail) if part)
    if held.status == FulfillmentStatus.REQUESTED:
        hints.refused_anyway(held)
        _save(held, reason=reason[:255])
        _settle(held, FulfillmentStatus.FAILED, reason=reason, quantity_failed=held.quantity)
        tell(held, lost=held.quantity, reason=supplier_reason(code))
    elif held.status == FulfillmentStatus.DELIVERED:
        flag(held, _("The partner refused what it had delivered: %(why)s.") % {"why": reason})


def flag(held: Fulfillment, why: str, trouble: str = "CONTRADICTION") -> None:
    """Ask a person to look at it, once for each reason."""
    why = why[:255]
    if not (held.attention and held.events.filter(reason=why).exists()):
        _save(held, attention=why)
        held.event(held.status, held.status, reason=why).save()
        tell(held, attention=why, trouble=trouble)


def _delivered(held: Fulfillment, report: Report, units: list[Deliverable]) -> bool:
    """Settle it with `units`: all of them, or a part. False, and flagged, when they cannot belong
    to it.
    """
    missing = held.quantity - len(units)
    whole = missing == 0 and report.status is ReportStatus.DELIVERED
    if not (whole or 0 < missing < held.quantity):
        flag(held, _wrong_number(held, report, units))
        return False
    if wrong := keep(held, units, first=1):  # what is not settled has no codes
        flag(held, wrong)
        return False
    reason = _only(held, len(units)) if missing else ""
    _settle(
        held,
        FulfillmentStatus.DELIVERED,
        reason=reason,
        partner_id=report.fulfillment_id,
        partner_status=report.status,
        quantity_delivered=len(units),
        quantity_failed=missing,
    )
    tell(held, delivered=len(units), consumed=len(units), lost=missing, reason=reason)
    return True


def _codes_after_all(held: Fulfillment, report: Report, units: list[Deliverable]) -> str:
    """Store codes that the partner sends after people decided that more was delivered than there
    are codes. Returns why they cannot be stored, "" when they are.
    """
    known = set(held.codes.valid().values_list("fingerprint", flat=True))
    new = [unit for unit in units if known.isdisjoint(prints_of(unit))]
    if len(units) != held.quantity_delivered or len(new) != len(units) - len(known):
        return _wrong_number(held, report, units)
    wrong = keep_more(held, new)
    if not wrong:
        held.event(held.status, held.status, reason=_("Its codes came after all.")).save()
        tell(held)
    return wrong


def _wrong_number(held: Fulfillment, report: Report, units: list[Deliverable]) -> str:
    why = _("The partner says “%(status)s”, with %(got)s codes for %(wanted)s.")
    return why % {"status": report.status, "got": len(units), "wanted": held.quantity}


def keep_more(held: Fulfillment, units: list[Deliverable]) -> str:
    """Store further codes, as `keep` does, after those that it has or had."""
    last = held.codes.aggregate(last=Max("position"))["last"] or 0
    return keep(held, units, first=last + 1) if units else ""


def keep(held: Fulfillment, units: list[Deliverable], *, first: int) -> str:
    """Store its codes, all or none, from position `first` on. There must be some. Returns why they
    cannot belong to it, "" when they are stored.
    """
    # Lock in one order, so that two reports with the same codes cannot deadlock.
    codes = sorted(
        (_code(held, position, each) for position, each in enumerate(units, first)),
        key=lambda code: code.fingerprint,
    )
    # A database constraint keeps fingerprints of the newest key apart.
    older = [each for code in codes for each in fingerprints(code.secret())[1:]]
    known = bool(older) and VirtualCode.objects.valid().filter(fingerprint__in=older).exists()
    if known or insert_unknown(codes) < len(codes):
        VirtualCode.objects.filter(pk__in=[code.pk for code in codes]).delete()
        return _("The partner delivered a code twice, or one that belongs to another order.")
    return ""


def _lost(held: Fulfillment, outcome: FulfillmentStatus, report: Report) -> None:
    reason = report.reason or report.status
    _save(held, reason=reason[:255])
    _settle(
        held,
        outcome,
        reason=reason,
        partner_id=report.fulfillment_id,
        partner_status=report.status,
        quantity_failed=held.quantity,
    )
    tell(held, lost=held.quantity, reason=supplier_reason(report.reason or ""))


def _settle(held: Fulfillment, outcome: FulfillmentStatus, *, reason: str, **changes: Any) -> None:
    held.transition(outcome, reason=reason, settled_at=Now(), **held.settled_work(), **changes)


def _save(held: Fulfillment, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(held, name, value)
    held.save(update_fields=list(changes))


def _code(held: Fulfillment, position: int, deliverable: Deliverable) -> VirtualCode:
    return VirtualCode(
        fulfillment=held,
        position=position,
        code=deliverable.code or "",
        pin=deliverable.pin or "",
        url=deliverable.url or "",
        expires_on=deliverable.expires_on,
        fingerprint=print_of(deliverable),
    )


# --- Decisions of two people -----------------------------------------------------------------


def settle_by_hand(*, held: Fulfillment, came: int, by: Actor) -> None:
    """Settle it by what people found out: the partner delivered `came` of its units.

    Codes are never entered by hand: the partner has sent them to the recipient, and they are stored
    if it still reports them. The caller has locked `held`, and there is something to decide.
    """
    why, missing = _found(held, came), held.quantity - came
    for call in held.calls.filter(status=CallStatus.NEEDS_REVIEW):
        done = bool(came) == (call.kind == CallKind.REQUEST)
        outcome = CallStatus.SUCCEEDED if done else CallStatus.REFUSED
        call.transition(outcome, by=by, reason=why, settled_at=Now())
    _save(held, hints=None)  # people have checked more than any callback said
    _settle(
        held,
        FulfillmentStatus.DELIVERED if came else FulfillmentStatus.FAILED,
        reason=why,
        by=by,
        quantity_delivered=came,
        quantity_failed=missing,
        attention="",
    )
    tell(
        held,
        delivered=came,
        consumed=came,
        lost=missing,
        elsewhere=came > 0,
        reason=why,
        by=by,
    )


def _found(held: Fulfillment, came: int) -> str:
    """Text shown to the company; the evidence stays internal."""
    if came == held.quantity:
        return _("Our partner delivered it.")
    return _only(held, came) if came else _("Our partner did not deliver it.")


def _only(held: Fulfillment, came: int) -> str:
    told = _("Our partner could deliver only %(got)s of %(wanted)s.")
    return told % {"got": came, "wanted": held.quantity}


def find_by_reference(reference: str) -> Fulfillment | None:
    """The virtual fulfillment that the partner knows as `reference`, locked; None if unknown."""
    rows = Fulfillment.objects.select_for_update(no_key=True).filter(channel=Channel.PARTNER)
    try:
        return rows.filter(pk=reference).first()
    except ValidationError:
        return None
