"""Correction debits: they take again points that were credited although the line was delivered.

Two people decide on a correction and the company must agree. The order's status does not change
(saga.md, rule 15).
"""

from django.utils.translation import gettext as _

from accounts import loyalty
from fulfillment.models import Fulfillment
from fulfillment.virtual import remedies
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.models import (
    Decision,
    LetterKind,
    LoyaltyTransaction,
    RedemptionOrder,
    TransactionType,
)
from redemption.saga.steps import note, write_letter
from redemption.states import TransactionStatus


def intend_correction(
    order: RedemptionOrder, decision: Decision, *, by: Actor
) -> LoyaltyTransaction:
    """Write the debit for the points of the decision, unsent. The database refuses more points than
    were given back for the line.
    """
    correction = LoyaltyTransaction(
        order=order,
        company_id=order.company_id,
        item=decision.item,
        decision=decision,
        points_amount=decision.points,
        units=decision.units,
        transaction_type=TransactionType.CORRECTION,
        reason=_("Delivered after all"),
        key=f"correction:{decision.pk}",
        body=loyalty.debit_body(
            account_id=order.company.loyalty_account_id,
            points=decision.points,
            reference=order.order_number,
            description=f"Correction {order.order_number}",
        ).decode(),
    )
    correction.save(force_insert=True)
    correction.event("", correction.status, by=by, reason=decision.told).save()
    return correction


def lock_its_line(intent: LoyaltyTransaction) -> None:
    """Lock the fulfillment of the line before its order: a correction that succeeds changes the
    line.
    """
    if intent.is_correction:
        _held(intent)


def _held(correction: LoyaltyTransaction) -> Fulfillment:
    return Fulfillment.objects.select_for_update(no_key=True).get(reference=str(correction.item_id))


def settled(order: RedemptionOrder, correction: LoyaltyTransaction, *, why: str) -> None:
    """Record the correction's outcome on its line: delivered when it succeeded, unchanged when it
    was refused.
    """
    decision = Decision.objects.select_related("item").get(correction=correction)
    if correction.status == TransactionStatus.REFUSED:
        told = _("The points were not taken again: %(why)s")
        note(order, told % {"why": why})
        return
    remedies.delivered_after_all(
        _held(correction), decision.units or 0, reason=_("Delivered after all"), by=SYSTEM
    )
    write_letter(
        order,
        LetterKind.CORRECTED,
        occasion=decision.pk,
        item=decision.item,
        points=correction.points_amount,
        agreed_by=decision.agreed_by,
        agreed_on=str(decision.agreed_on),
    )
