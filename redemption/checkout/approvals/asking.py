"""Letters about approvals: to everybody who may decide on an order, and to whoever ordered."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.models import AccountManager
from accounts.seats.stand_ins import approvers_of, deputies_of
from loyalty_portal.data.actor import Actor
from redemption.models import Bulk, Letter, LetterKind, RedemptionOrder
from redemption.models.messages import TO_APPROVERS
from redemption.permissions import part_in
from redemption.saga.steps import locked, write_letters
from redemption.states import OrderStatus

# How long stock is reserved for an order that waits for approval.
APPROVAL_TIME = timedelta(hours=72)
# Approvers are reminded once a day after they were asked, and once half a day before the end.
ENDING = timedelta(hours=12)
REMINDERS = (
    (LetterKind.APPROVAL_REMINDED, ENDING, APPROVAL_TIME - timedelta(hours=24)),
    (LetterKind.APPROVAL_ENDING, timedelta(), ENDING),
)
MOST = 100  # orders that are looked at together


class PersonAsked(NamedTuple):
    """Somebody who may decide. `instead_of`: in whose place; None for an approver."""

    seat: AccountManager
    instead_of: AccountManager | None


def who_decides(ordered: RedemptionOrder | Bulk) -> list[PersonAsked]:
    """The people who may decide now on an order or a bulk: approvers who had no part in it, and who
    stands in for them. Makes two queries.
    """
    approvers = [seat for seat in approvers_of(ordered.company_id) if not _had_part(seat, ordered)]
    found = {seat.pk: PersonAsked(seat, None) for seat in approvers}
    for approver, deputy in deputies_of(approvers) if approvers else ():
        if not _had_part(deputy, ordered):
            found.setdefault(deputy.pk, PersonAsked(deputy, approver))
    return list(found.values())


def _had_part(seat: AccountManager, ordered: RedemptionOrder | Bulk) -> bool:
    return bool(part_in(Actor.in_seat(seat), ordered))


def letters_to_approvers(
    order: RedemptionOrder, kind: LetterKind, asked: Iterable[PersonAsked], why: str
) -> list[Letter]:
    """One letter of this kind to each of these people, unsaved. Their keys ensure that nobody gets
    one twice about the same order. `why` it needs approval, as it is stored.
    """
    return [
        Letter(
            order=order,
            kind=kind,
            key=f"{kind}:{order.pk}:{each.seat.user_id}",
            to=each.seat.email,
            facts={
                "why": why,
                "name": str(each.seat.user),
                "instead_of": str(each.instead_of.user) if each.instead_of else "",
            },
        )
        for each in asked
    ]


def people_asked(letters: Sequence[Letter]) -> list[str]:
    """The names of those who were asked to decide on an order, by its letters."""
    names = (each.facts.get("name", "") for each in letters if each.kind in TO_APPROVERS)
    return list(dict.fromkeys(name for name in names if name))


def told_asked(names: Sequence[str]) -> str:
    """Who was asked to decide: a sentence; "" when nobody was."""
    return _("Asked: %(names)s.") % {"names": ", ".join(names)} if names else ""


def remind_approvers() -> int:
    """Write the reminders that are due. Returns about how many orders."""
    return sum(_remind(kind, until, since) for kind, until, since in REMINDERS)


def _remind(kind: LetterKind, until: timedelta, since: timedelta) -> int:
    """Remind of orders whose time runs out in less than `since` and more than `until`."""
    told = Letter.objects.filter(order=OuterRef("pk"), kind=kind)
    due = RedemptionOrder.objects.filter(
        ~Exists(told),
        status=OrderStatus.AWAITING_APPROVAL,
        approve_by__gt=Now() + until,
        approve_by__lte=Now() + since,
    )
    orders = due.select_related("account_manager__user").order_by("approve_by")[:MOST]
    return sum(_remind_of(order, kind) for order in orders)


def _remind_of(order: RedemptionOrder, kind: LetterKind) -> bool:
    asked = who_decides(order)
    if not asked:
        return False  # nobody may; it is not locked, which would move its pulse each time
    with transaction.atomic():
        if locked(order.pk).status != OrderStatus.AWAITING_APPROVAL:
            return False
        first = order.letters.filter(kind=LetterKind.APPROVAL_ASKED).first()
        write_letters(letters_to_approvers(order, kind, asked, first.facts["why"] if first else ""))
        return True
