"""What callbacks say about a virtual delivery: a hint, and never the truth (saga.md, rule 12).

A hint about the end makes the partner be asked at once. It is kept until the partner has told
the end itself; what it said against that is then told to a person.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypedDict

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from fulfillment.models import Fulfillment
from fulfillment.partner import Deliverable, Report, ReportStatus
from fulfillment.services import tell
from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.encrypted_field import fingerprint, fingerprints
from loyalty_portal.data.leases import ENDED

MOST_HINTS = 5  # that are kept of one delivery, the newest
# A status never goes back: news of a lower rank is old news.
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
    """What was delivered: a unit without code and address is none."""
    return [each for each in report.deliverables if each.code or each.url]


def end_of(report: Report) -> FulfillmentStatus | None:
    """How it ended; None while it is open. Something was delivered wherever there are units."""
    end = _ENDS.get(report.status)
    return FulfillmentStatus.DELIVERED if end and units_of(report) else end


def prints_of(unit: Deliverable) -> list[str]:
    """By what a unit is told apart: its code; one that is only an address, by that. For each
    listed key, newest first."""
    return fingerprints(unit.code or unit.url or "")


def print_of(unit: Deliverable) -> str:
    return prints_of(unit)[0]


def digest(prints: Iterable[str]) -> str:
    """The same for the same codes in any order; "" for none."""
    told = sorted(prints)
    return hashlib.sha256("\n".join(told).encode()).hexdigest() if told else ""


def digest_of(report: Report) -> str:
    return digest(print_of(unit) for unit in units_of(report))


def digests_of(report: Report) -> set[str]:
    """The same by each listed key: a hint may be of the time before the newest."""
    prints = [prints_of(unit) for unit in units_of(report)]
    return {digest(by_one_key) for by_one_key in zip(*prints, strict=True)} or {""}


def kept_codes(held: Fulfillment) -> str:
    """The digest of the codes that stand here, whichever key their fingerprints are by."""
    return digest(fingerprint(code.secret()) for code in held.codes.valid())


def note_progress(held: Fulfillment, report: Report) -> None:
    """News that is not the end; old news changes nothing."""
    if held.status != FulfillmentStatus.REQUESTED:
        return
    if _RANK[report.status] > _RANK.get(held.partner_status, 0):
        held.partner_status = report.status
        held.save(update_fields=["partner_status"])


def take_hint(*, held: Fulfillment, report: Report) -> None:
    """Take in a callback about `held`, which the caller has locked. It settles nothing: what it
    says of an end, or in the name of another fulfillment, is asked about at once."""
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
    """The partner, asked, has told the end: hints are over, and a person reads which were false."""
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
        told = _("A callback named the fulfillment %(theirs)s; the partner, asked, says %(ours)s.")
        return told % {"theirs": hint["theirs"], "ours": report.fulfillment_id}
    if hint["status"] != report.status:
        told = _("A callback said “%(said)s”; the partner, asked, says “%(status)s”.")
        return told % {"said": hint["status"], "status": report.status}
    if hint["codes"] not in {"", *digests_of(report)}:
        return _("A callback brought other codes than those that the partner, asked, names.")
    return ""


def refused_anyway(held: Fulfillment) -> None:
    """Nothing will come of it: hints that say the same are over."""
    held.hints = [
        hint for hint in held.hints or [] if hint["codes"] or hint["status"] == "delivered"
    ] or None
    held.save(update_fields=["hints"])
