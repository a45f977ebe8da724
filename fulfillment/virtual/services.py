"""What the partner reports about a virtual delivery, from whichever way it came; and, where it
reports nothing that can be believed, what people found out."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from fulfillment.models import CallKind, Channel, Fulfillment, PartnerCall, VirtualCode
from fulfillment.partner import Deliverable, Report, ReportStatus
from fulfillment.services import tell
from fulfillment.states import OPEN_CALL, CallStatus, FulfillmentStatus
from loyalty_portal.encrypted_field import fingerprint

# A status never goes back: news of a lower rank is old news.
_RANK = {"": 0, ReportStatus.ACCEPTED: 1, ReportStatus.PROCESSING: 2}
_OUTCOME = {
    ReportStatus.DELIVERED: FulfillmentStatus.DELIVERED,
    ReportStatus.FAILED: FulfillmentStatus.FAILED,
    ReportStatus.CANCELLED: FulfillmentStatus.CANCELLED,
}


def hear_report(*, held: Fulfillment, report: Report, asked: bool) -> None:
    """Take in a report about `held`, which the caller has locked. Said twice, it counts once.

    `asked`: it answers a question of ours, and so is the truth. What a callback says need not be:
    where it does not fit, the partner is asked before anything moves (saga.md, rule 12).
    """
    if held.partner_id not in {"", report.fulfillment_id}:
        _doubt(held, _("The partner names two fulfillments for one reference."), asked=asked)
        if not asked:
            return
    if held.partner_id != report.fulfillment_id:
        _save(held, partner_id=report.fulfillment_id)
    outcome = _OUTCOME.get(report.status)
    units = [each for each in report.deliverables if each.code or each.url]
    if held.status != FulfillmentStatus.REQUESTED:
        if outcome is not None and outcome != held.status:
            flag(
                held,
                _("The partner now says “%(status)s”, after the end.") % {"status": report.status},
            )
        elif outcome == FulfillmentStatus.DELIVERED and units and not held.codes.exists():
            _codes_after_all(held, report, units)
    elif outcome is None:
        if _RANK[report.status] > _RANK.get(held.partner_status, 0):
            _save(held, partner_status=report.status)
    elif outcome == FulfillmentStatus.DELIVERED or units:
        _delivered(held, report, units, asked=asked)
    else:
        _lost(held, outcome, report)


def refused(*, held: Fulfillment, reason: str) -> None:
    """The partner refused the request: nothing will come of it."""
    if held.status == FulfillmentStatus.REQUESTED:
        _settle(held, FulfillmentStatus.FAILED, reason=reason, quantity_failed=held.quantity)
        tell(held, lost=held.quantity, reason=reason)
    elif held.status == FulfillmentStatus.DELIVERED:
        flag(held, _("The partner refused what it had delivered: %(why)s.") % {"why": reason})


def flag(held: Fulfillment, why: str, trouble: str = "CONTRADICTION") -> None:
    """A person must look at it; once for each reason, though two may take turns for hours."""
    why = why[:255]
    if not held.events.filter(reason=why).exists():
        _save(held, attention=why)
        held.event(held.status, held.status, reason=why).save()
        tell(held, attention=why, trouble=trouble)


def _doubt(held: Fulfillment, why: str, *, asked: bool) -> None:
    """A person must look at it, and the partner is asked at once, unless this is its answer."""
    flag(held, why)
    if not asked and held.status == FulfillmentStatus.REQUESTED:
        Fulfillment.objects.filter(pk=held.pk).update(next_attempt_at=Now())


def _delivered(held: Fulfillment, report: Report, units: list[Deliverable], *, asked: bool) -> None:
    """A final report with `units`: all of them, or, once the partner has confirmed it, a part."""
    missing = held.quantity - len(units)
    whole = missing == 0 and report.status is ReportStatus.DELIVERED
    part = asked and 0 < missing < held.quantity
    if not (whole or part):
        _doubt(held, _wrong_number(held, report, units), asked=asked)
        return
    if wrong := _keep(held, units):
        _doubt(held, wrong, asked=asked)
        return
    reason = _only(held, len(units)) if missing else ""
    _settle(
        held,
        FulfillmentStatus.DELIVERED,
        reason=reason,
        partner_status=report.status,
        quantity_delivered=len(units),
        quantity_failed=missing,
        attention="",
    )
    tell(held, delivered=len(units), consumed=len(units), lost=missing, reason=reason)


def _codes_after_all(held: Fulfillment, report: Report, units: list[Deliverable]) -> None:
    """People found that it was delivered; its codes, should they still come, are the company's."""
    if len(units) != held.quantity_delivered:
        flag(held, _wrong_number(held, report, units))
    elif wrong := _keep(held, units):
        flag(held, wrong)
    else:
        held.event(held.status, held.status, reason=_("Its codes came after all.")).save()


def _wrong_number(held: Fulfillment, report: Report, units: list[Deliverable]) -> str:
    why = _("The partner says “%(status)s”, with %(got)s codes for %(wanted)s.")
    return why % {"status": report.status, "got": len(units), "wanted": held.quantity}


def _keep(held: Fulfillment, units: list[Deliverable]) -> str:
    """Write its codes down, all or none of them; why they cannot be its own, nothing when done."""
    # In one order everywhere, so that two reports with the same codes wait for one another once.
    codes = sorted(
        (_code(held, position, each) for position, each in enumerate(units, 1)),
        key=lambda code: code.fingerprint,
    )
    try:
        with transaction.atomic():
            VirtualCode.objects.bulk_create(codes)
    except IntegrityError:
        return _("The partner delivered a code twice, or one that belongs to another order.")
    return ""


def _lost(held: Fulfillment, outcome: FulfillmentStatus, report: Report) -> None:
    reason = report.reason or report.status
    _settle(
        held, outcome, reason=reason, partner_status=report.status, quantity_failed=held.quantity
    )
    tell(held, lost=held.quantity, reason=reason)


def _settle(held: Fulfillment, outcome: FulfillmentStatus, *, reason: str, **changes: Any) -> None:
    held.transition(
        outcome, reason=reason, next_attempt_at=None, settled_at=timezone.now(), **changes
    )


def _save(held: Fulfillment, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(held, name, value)
    held.save(update_fields=list(changes))


def _code(held: Fulfillment, position: int, deliverable: Deliverable) -> VirtualCode:
    code, pin, url = deliverable.code or "", deliverable.pin or "", deliverable.url or ""
    # A unit is told apart by its code; one that is only an address, by that.
    return VirtualCode(
        fulfillment=held,
        position=position,
        code=code,
        pin=pin,
        url=url,
        expires_on=deliverable.expires_on,
        fingerprint=fingerprint(code or url),
    )


# --- What only people can find out -----------------------------------------------------------


def nothing_to_decide(held: Fulfillment, calls: Iterable[PartnerCall]) -> str:
    """Why people have nothing to say about it (yet), in a sentence; "" when they have.

    `calls` are all of its own.
    """
    if held.status != FulfillmentStatus.REQUESTED:
        told = _("There is nothing to decide any more: it is “%(status)s”.")
        return told % {"status": held.get_status_display().lower()}
    if any(call.kind == CallKind.REQUEST and call.status in OPEN_CALL for call in calls):
        return _("The partner is still being asked, which is safe, and may tell us.")
    if not held.attention and held.promised_by > timezone.now():
        return _("The partner is working on it, and in time.")
    return ""


def settle_by_hand(*, held: Fulfillment, came: int, by: Any) -> None:
    """People found out that the partner delivered `came` of its units: it ends so.

    Codes are never entered by hand: the partner has sent them to the recipient, and where it
    still tells us, they are kept. The caller has locked `held`, and there is something to decide.
    """
    why, missing = _found(held, came), held.quantity - came
    for call in held.calls.filter(status=CallStatus.NEEDS_REVIEW):
        done = bool(came) == (call.kind == CallKind.REQUEST)
        outcome = CallStatus.SUCCEEDED if done else CallStatus.REFUSED
        call.transition(outcome, by=by, reason=why, settled_at=timezone.now())
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
    """For the company to read; what shows it is between staff."""
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
