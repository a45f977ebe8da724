"""The one approval of all orders of a bulk: asking for it, deciding, and what happens without."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import PersonLetterKind
from accounts.seats.letters import write_news
from accounts.selectors import letter_address, told_as
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.data.texts.times import exact
from redemption.checkout.approvals.asking import APPROVAL_TIME, REMINDERS, who_decides
from redemption.checkout.approvals.deciding import approved_told
from redemption.checkout.bulk.services import points_of
from redemption.models import Bulk, BulkStatus
from redemption.permissions import Right, right_to_decide
from redemption.saga.steps import RedemptionError, must

MOST = 100  # bulks that are looked at together
_REMINDERS = ("reminded", "ending")  # in the order in which they are written


def approve(*, bulk: Bulk, by: Actor) -> None:
    """Approve all orders of the bulk at once: they are placed. Nobody approves their own. Who gave
    it is told by letter.
    """
    right = right_to_decide(by, bulk)
    must(right.may, right.why_not)
    if bulk.status == BulkStatus.WAITING and not _is_in_time(bulk):
        raise RedemptionError(_("The time for an approval is over. It must be given anew."))
    _decide(bulk, BulkStatus.PLACING, by, right, next_attempt_at=Now())


def reject(*, bulk: Bulk, by: Actor, reason: str) -> None:
    """Reject all orders of the bulk, with a reason that the buyer reads, in a letter too."""
    right = right_to_decide(by, bulk)
    must(right.may, right.why_not)
    if not reason.strip():
        raise RedemptionError(_("Give a reason; the buyer will read it."))
    told = reason.strip()[:500]
    _decide(bulk, BulkStatus.REJECTED, by, right, problem=told)


def _is_in_time(bulk: Bulk) -> bool:
    return bulk.approve_by is not None and bulk.approve_by > timezone.now()


@transaction.atomic
def _decide(bulk: Bulk, to: BulkStatus, by: Actor, right: Right, **changes: Any) -> None:
    """Write the decision, unless somebody decided before: then say who."""
    waiting = Bulk.objects.filter(pk=bulk.pk, status=BulkStatus.WAITING)
    decided = {
        "decided_by": by.person_id,
        "decided_at": Now(),
        "decision": approved_told(right) if to == BulkStatus.PLACING else "",
    }
    if not waiting.update(status=to, **decided, **changes):
        raise RedemptionError(_what_came_of_it(bulk))
    if right.instead_of:
        facts = {"change": to.lower(), "instead of": str(right.instead_of.pk)}
        record(TrailKind.STAND_IN, by=by, about=bulk, facts=facts)
    change = "approved" if to == BulkStatus.PLACING else "rejected"
    reason = changes.get("problem", "")
    _write(bulk, change, [letter_address(bulk.seat)], who=str(by.user), reason=reason)


def _what_came_of_it(bulk: Bulk) -> str:
    now = Bulk.objects.select_related("decided_by").get(pk=bulk.pk)
    if now.decided_by is None or now.decided_at is None:
        return _("This file no longer waits for approval. Look at the page again.")
    facts = {"who": told_as(now.decided_by, bulk.seat.company_id), "when": exact(now.decided_at)}
    if now.status == BulkStatus.REJECTED:
        return _("%(who)s did not approve it, %(when)s.") % facts
    return _("%(who)s approved it, %(when)s.") % facts


# --- Letters, and what happens by itself -------------------------------------------------------


def ask(bulk: Bulk) -> None:
    """Write a letter to everybody who may decide on the bulk, which begins to wait."""
    _write(bulk, "asked", _deciders(bulk), who=str(bulk.seat.user))


def remind_of_bulks() -> int:
    """Write the reminders that are due. Returns of how many bulks."""
    reminded = 0
    for number, (_kind, until, since) in enumerate(REMINDERS):
        due = _waiting().filter(
            reminders__lte=number,
            approve_by__gt=Now() + until,
            approve_by__lte=Now() + since,
        )
        for bulk in due[:MOST]:
            with transaction.atomic():
                still = _waiting().filter(pk=bulk.pk, reminders=bulk.reminders)
                if still.update(reminders=number + 1):
                    deciders = _deciders(bulk)
                    _write(bulk, _REMINDERS[number], deciders, who=str(bulk.seat.user))
                    reminded += 1
    return reminded


def expire_bulks() -> int:
    """Let the bulks wait no more on which nobody decided in time, and tell who gave them: they can
    have them placed anew. Returns how many.
    """
    ended = 0
    for bulk in _waiting().filter(approve_by__lte=Now())[:MOST]:
        with transaction.atomic():
            late = _waiting().filter(pk=bulk.pk, approve_by__lte=Now())
            if late.update(status=BulkStatus.READY, problem=kept(_not_in_time)):
                _write(bulk, "expired", [letter_address(bulk.seat)], who="")
                ended += 1
    return ended


def _not_in_time() -> str:
    return _("Nobody decided in time, so nothing was ordered. It can be placed anew.")


def _waiting() -> Any:
    rows = Bulk.objects.filter(status=BulkStatus.WAITING).defer("file").order_by("approve_by")
    return rows.select_related("seat__user", "seat__company")


def _deciders(bulk: Bulk) -> set[str]:
    """The addresses of those who may decide."""
    return {each.seat.email for each in who_decides(bulk)}


def _write(bulk: Bulk, change: str, to: Iterable[str], *, who: str, reason: str = "") -> None:
    write_news(
        PersonLetterKind.BULK,
        company_id=bulk.seat.company_id,
        to=to,
        facts={
            "change": change,
            "bulk": str(bulk.pk),
            "name": bulk.name,
            "who": who,
            "points": points_of(bulk),
            "orders": bulk.parts.count(),
            "until": (bulk.approve_by or timezone.now() + APPROVAL_TIME).isoformat(),
            "reason": reason,
        },
    )
