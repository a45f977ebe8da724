"""Processes what callbacks say about a virtual delivery: only a hint (saga.md, rule 12).

A hint about the end makes the portal ask the partner at once. The hint is stored until the partner
has answered; a person then reads which hints were false.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypedDict

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from fulfillment.models import Fulfillment
from fulfillment.news import tell
from fulfillment.partner import Deliverable, Report, ReportStatus
from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.encrypted_field import fingerprint, fingerprints
from loyalty_portal.data.leases import ENDED

MOST_HINTS = 5  # hints kept for one delivery, the newest
# A status never goes back, so a hint with a lower rank is outdated.
_RANK = {"": 0, ReportStatus.ACCEPTED: 1, ReportStatus.PROCESSING: 2}
_ENDS = {
    ReportStatus.DELIVERED: FulfillmentStatus.DELIVERED,
    ReportStatus.FAILED: FulfillmentStatus.FAILED,
    ReportStatus.CANCELLED: FulfillmentStatus.CANCELLED,
}


class Hint(TypedDict):
    """What one callback said. `codes` is a digest of what it delivered, "" for nothing."""

    theirs: str
    status: str
    codes: str


def units_of(report: Report) -> list[Deliverable]:
    """The delivered units. One without a code and an address does not count."""
    return [each for each in report.deliverables if each.code or each.url]


def end_of(report: Report) -> FulfillmentStatus | None:
    """The final status; None while it is open. It is a delivery wherever there are units."""
    end = _ENDS.get(report.status)
    return FulfillmentStatus.DELIVERED if end and units_of(report) else end


def prints_of(unit: Deliverable) -> list[str]:
    """The fingerprints that identify a unit, by its code or else its address: one for each listed
    key, the newest key first.
    """
    return fingerprints(unit.code or unit.url or "")


def print_of(unit: Deliverable) -> str:
    return prints_of(unit)[0]


def digest(prints: Iterable[str]) -> str:
    """A digest of the codes, whatever their order; "" for none."""
    told = sorted(prints)
    return hashlib.sha256("\n".join(told).encode()).hexdigest() if told else ""


def digest_of(report: Report) -> str:
    return digest(print_of(unit) for unit in units_of(report))


def digests_of(report: Report) -> set[str]:
    """The digests of the codes by each listed key: a hint may be older than the newest key."""
    prints = [prints_of(unit) for unit in units_of(report)]
    return {digest(by_one_key) for by_one_key in zip(*prints, strict=True)} or {""}


def kept_codes(held: Fulfillment) -> str:
    """The digest of the stored readable codes, whichever key their fingerprints were made with."""
    return digest(fingerprint(code.secret()) for code in held.codes.valid() if code.can_be_read())


def note_progress(held: Fulfillment, report: Report) -> None:
    """Record progress that is not the end; older news changes nothing."""
    if held.status != FulfillmentStatus.REQUESTED:
        return
    if _RANK[report.status] > _RANK.get(held.partner_status, 0):
        held.partner_status = report.status
        held.save(update_fields=["partner_status"])


def take_hint(*, held: Fulfillment, report: Report) -> None:
    """Process a callback about `held`, which the caller has locked. It settles nothing: when it
    names an end, or another fulfillment, the partner is asked at once.
    """
    stranger = held.partner_id not in {"", report.fulfillment_id}
    if end_of(report) is None and not stranger:
        note_progress(held, report)
        return
    if not stranger and _stands_already(held, report):
        return
    hint = Hint(theirs=report.fulfillment_id, status=report.status, codes=digest_of(report))
    known = [each for each in held.hints or [] if each != hint]
    held.hints = [*known, hint][-MOST_HINTS:]
    held.save(update_fields=["hints"])
    Fulfillment.objects.filter(pk=held.pk).update(attempts=0, next_attempt_at=Now())


def _stands_already(held: Fulfillment, report: Report) -> bool:
    return end_of(report) == held.status and digest_of(report) in {"", kept_codes(held)}


def answered(held: Fulfillment, report: Report) -> None:
    """The partner has answered with the end: delete the hints, and tell a person which were
    false.
    """
    hints, held.hints = held.hints or [], None
    if not hints:
        return
    held.save(update_fields=["hints"])
    if held.status != FulfillmentStatus.REQUESTED:
        Fulfillment.objects.filter(pk=held.pk).update(**ENDED)
    for hint in hints:
        if false := _what_is_false(hint, report):
            held.event(held.status, held.status, reason=false).save()
            tell(held, falsehood=false)


def _what_is_false(hint: Hint, report: Report) -> str:
    """A sentence about what a callback said against the partner's own answer; "" for nothing."""
    if hint["theirs"] not in {"", report.fulfillment_id}:
        told = _(
            "A callback named the fulfillment %(theirs)s; when asked, the partner says %(ours)s."
        )
        return told % {"theirs": hint["theirs"], "ours": report.fulfillment_id}
    if hint["status"] != report.status:
        told = _("A callback said “%(said)s”; when asked, the partner says “%(status)s”.")
        return told % {"said": hint["status"], "status": report.status}
    if hint["codes"] not in {"", *digests_of(report)}:
        return _("A callback had other codes than the partner's own answer.")
    return ""


def refused_anyway(held: Fulfillment) -> None:
    """The request was refused: delete the hints that agree."""
    held.hints = [
        hint for hint in held.hints or [] if hint["codes"] or hint["status"] == "delivered"
    ] or None
    held.save(update_fields=["hints"])
