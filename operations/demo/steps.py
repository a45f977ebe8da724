"""The steps of a demo order, each made by the portal's own services.

The partners are called over HTTP as usual. Before a call, its result is imported into the sandbox
under the same idempotency key, so that the sandbox's entry has the intended time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from random import Random
from typing import Any

from django.db.models.functions import Now

from accounts.models import Company
from fulfillment import services as desk
from fulfillment.models import CallKind, Fulfillment, PartnerCall, Shipment
from fulfillment.returning import return_units
from fulfillment.states import ReturnedTo
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from operations.demo.partners import SandboxControl
from operations.demo.timeline import Timeline
from redemption.checkout.approvals import deciding
from redemption.checkout.approvals.asking import APPROVAL_TIME
from redemption.models import (
    LineReturn,
    LoyaltyTransaction,
    RedemptionOrder,
    TransactionType,
)
from redemption.orders.actions import cancelling, unit_credits
from redemption.orders.actions import services as aftercare
from redemption.saga import transactions
from redemption.states import DecisionStatus, TransactionStatus

CODE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LIFE = timedelta(days=365)


@dataclass(slots=True)
class Scene:
    """An order and the people who act on it. `later` runs after the order's times were moved."""

    order: RedemptionOrder
    company: Company
    buyer: Actor
    approver: Actor
    worker: Actor
    finance: Sequence[Actor]
    partners: SandboxControl
    timeline: Timeline
    dice: Random
    later: list[Callable[[], object]] = field(default_factory=list)


Act = Callable[[Scene], None]


# --- Points --------------------------------------------------------------------------------


def settle(scene: Scene) -> None:
    """Let the debit succeed."""
    _book(scene, scene.order.transactions.get(transaction_type=TransactionType.DEBIT))


def give_back(scene: Scene) -> None:
    """Credit all points that are owed by now."""
    owed = scene.order.transactions.filter(
        transaction_type=TransactionType.CREDIT, status=TransactionStatus.INTENDED
    )
    for credit in owed.select_related("original"):
        _book(scene, credit)


def decline(scene: Scene) -> None:
    """Let the partner refuse the debit for lack of points."""
    _ask(scene.order.transactions.get())


def decline_blocked(scene: Scene) -> None:
    """Let the partner refuse the debit because the account is blocked."""
    with scene.partners.blocking(scene.company.loyalty_account_id):
        _ask(scene.order.transactions.get())


def leave_unanswered(scene: Scene) -> None:
    """Take the points but lose the answer until the horizon, after which a repeat is unsafe."""
    debit = scene.order.transactions.get()
    scene.partners.take_in(entries=[_entry(scene, debit)])
    with scene.partners.failing("debit", "error_500_after", match=scene.order.order_number):
        _ask(debit)
    scene.later.append(lambda: _ask(debit))


def refuse_credit(scene: Scene) -> None:
    """Let the partner refuse the credit, so that a person must look into it."""
    with scene.partners.failing(
        "credit", "refuse", code="account_closed", match=scene.order.order_number
    ):
        _ask(scene.order.transactions.get(transaction_type=TransactionType.CREDIT))


def _book(scene: Scene, intent: LoyaltyTransaction) -> None:
    scene.partners.take_in(entries=[_entry(scene, intent)])
    _ask(intent)


def _ask(intent: LoyaltyTransaction) -> None:
    LoyaltyTransaction.objects.filter(pk=intent.pk).update(next_attempt_at=Now())
    transactions.settle_transaction(intent.pk)


def _entry(scene: Scene, intent: LoyaltyTransaction) -> dict[str, Any]:
    original = intent.original.external_transaction_id if intent.original else None
    return {
        "transaction_id": _partners_id("txn", intent.key),
        "type": intent.transaction_type.lower(),
        "account_id": scene.company.loyalty_account_id,
        "points": intent.points_amount,
        "reference": scene.order.order_number,
        "original_transaction_id": original,
        "created_at": scene.timeline.now().isoformat(),
        "idempotency_key": intent.key,
    }


def _partners_id(prefix: str, key: str) -> str:
    """An id made from the key, so that a repeated import changes nothing."""
    return f"{prefix}_{blake2b(key.encode(), digest_size=10).hexdigest()}"


# --- Decisions -----------------------------------------------------------------------------


def approve(scene: Scene) -> None:
    deciding.approve(order=scene.order, by=scene.approver)


def reject(scene: Scene, reason: str) -> None:
    deciding.reject(order=scene.order, by=scene.approver, reason=reason)


def expire(scene: Scene) -> None:
    """Let the approval expire."""
    rows = RedemptionOrder.objects.filter(pk=scene.order.pk)
    rows.update(approve_by=Now())
    deciding.expire_approvals()
    rows.update(approve_by=scene.order.created_at + APPROVAL_TIME)


def cancel(scene: Scene, reason: str) -> None:
    cancelling.cancel(order=scene.order, by=scene.buyer, reason=reason)


# --- The desk ------------------------------------------------------------------------------


def claim(scene: Scene, sku: str) -> None:
    desk.claim(fulfillment=_line(scene, sku), by=scene.worker)


def pack(scene: Scene, sku: str) -> None:
    desk.pack(fulfillment=_line(scene, sku), by=scene.worker)


def ship(scene: Scene, sku: str, quantity: int) -> None:
    carrier, pattern = scene.dice.choice((("DHL", "JD01{:010}"), ("UPS", "1Z{:010}")))
    desk.ship(
        fulfillment=_line(scene, sku),
        quantity=quantity,
        carrier=carrier,
        tracking_number=pattern.format(scene.dice.randrange(10**10)),
        by=scene.worker,
    )


def deliver(scene: Scene, sku: str) -> None:
    """Deliver the parcel that was shipped first."""
    on_their_way = Shipment.objects.filter(
        fulfillments=_line(scene, sku), delivered_at__isnull=True
    )
    desk.deliver(shipment=on_their_way.earliest("shipped_at"), by=scene.worker)


def cannot_supply(scene: Scene, sku: str, reason: str) -> None:
    """Give up the rest of the line."""
    desk.cannot_supply(fulfillment=_line(scene, sku), quantity=None, reason=reason, by=scene.worker)


def take_back(scene: Scene, sku: str, reason: str) -> None:
    """Record that all that arrived came back; finance gives its points back."""
    line = _line(scene, sku)
    return_units(
        fulfillment=line,
        quantity=line.with_recipient,
        to=ReturnedTo.STOCK,
        reason=reason,
        by=scene.worker,
    )
    returned = LineReturn.objects.select_related("item").get(item=line.reference)
    one, another = scene.finance
    unit_credits.decide_return(returned=returned, units=returned.units, reason=reason, by=one)
    if returned.decisions.filter(status=DecisionStatus.PROPOSED).exists():
        unit_credits.confirm(item=returned.item, by=another)


def _line(scene: Scene, sku: str) -> Fulfillment:
    return Fulfillment.objects.get(label=scene.order.order_number, sku=sku)


# --- The Fulfillment API ---------------------------------------------------------------


def send_codes(scene: Scene, sku: str) -> None:
    line = _line(scene, sku)
    lapse = (scene.timeline.now() + CODE_LIFE).date()
    codes = [_code(scene.dice, lapse.isoformat()) for _ in range(line.quantity)]
    _answer(scene, line, status="delivered", deliverables=codes)


def fail_to_send(scene: Scene, sku: str) -> None:
    _answer(scene, _line(scene, sku), status="failed", reason="out_of_stock")


def leave_unsent(scene: Scene, sku: str) -> None:
    """Leave the delivery request unanswered until a person must look at it."""
    line = _line(scene, sku)
    call = PartnerCall.objects.get(fulfillment=line, kind=CallKind.REQUEST)
    with scene.partners.failing("fulfill", "error_500_before", match=str(line.pk)):
        _call(call)
    scene.later.append(lambda: _call(call))


def reveal(scene: Scene, sku: str) -> None:
    aftercare.reveal_codes(item=scene.order.items.get(sku=sku), by=scene.buyer)


def _answer(scene: Scene, line: Fulfillment, **outcome: Any) -> None:
    call = PartnerCall.objects.get(fulfillment=line, kind=CallKind.REQUEST)
    when = scene.timeline.now().isoformat()
    past = {
        "fulfillment_id": _partners_id("ful", call.key),
        "reference": str(line.pk),
        "sku": line.sku,
        "quantity": line.quantity,
        "created_at": when,
        "updated_at": when,
        "idempotency_key": call.key,
    }
    scene.partners.take_in(fulfillments=[past | outcome])
    _call(call)


def _call(call: PartnerCall) -> None:
    PartnerCall.objects.filter(pk=call.pk).update(next_attempt_at=Now())
    virtual.ask(call.pk)


def _code(dice: Random, lapse: str) -> dict[str, str]:
    letters = "".join(dice.choice(CODE_ALPHABET) for _ in range(16))
    code = "-".join(letters[start : start + 4] for start in range(0, 16, 4))
    return {
        "code": code,
        "pin": f"{dice.randrange(10_000):04}",
        "url": f"https://gifts.example.com/redeem/{code}",
        "expires_on": lapse,
    }
