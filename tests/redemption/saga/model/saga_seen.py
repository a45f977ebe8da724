"""The actions that are possible at each step of the saga's model (saga_model.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fulfillment.models import Channel, Fulfillment, PartnerCall, Shipment
from fulfillment.permissions import nothing_to_decide
from redemption.models import Callback, LineWait, LoyaltyTransaction, OrderItem, RedemptionOrder
from redemption.states import OrderStatus
from tests.support.sandbox_process import SandboxProcess

OPEN = ("INTENDED", "SENT", "UNKNOWN")


@dataclass
class Seen:
    """What can be done now, read once after each step."""

    waiting: list[Any] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)
    waits: list[Any] = field(default_factory=list)
    money: list[Any] = field(default_factory=list)
    undecided: list[Any] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)
    polls: list[Any] = field(default_factory=list)
    cards: list[Any] = field(default_factory=list)
    unclear: list[Any] = field(default_factory=list)
    parcels: list[Any] = field(default_factory=list)
    shipments: list[Any] = field(default_factory=list)
    delivered: list[Any] = field(default_factory=list)
    inbox: list[Any] = field(default_factory=list)
    theirs: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def now(cls, partners: SandboxProcess) -> Seen:
        orders = list(RedemptionOrder.objects.order_by("id"))
        work = list(Fulfillment.objects.order_by("id"))
        cards = [each for each in work if each.channel == Channel.PARTNER]
        parcels = [each for each in work if each.channel == Channel.DESK]
        open_waits = LineWait.objects.filter(ended_at=None)
        theirs = partners.control("GET", "/fulfillments")["fulfillments"]
        return cls(
            waiting=[each for each in orders if each.status == OrderStatus.AWAITING_APPROVAL],
            orders=[each for each in orders if not each.is_final],
            lines=list(OrderItem.objects.order_by("id")),
            waits=list(open_waits.order_by("item_id").select_related("item__order")),
            money=list(LoyaltyTransaction.objects.filter(status__in=OPEN).order_by("id")),
            undecided=list(LoyaltyTransaction.objects.filter(status="NEEDS_REVIEW").order_by("id")),
            calls=list(PartnerCall.objects.filter(status__in=OPEN).order_by("id")),
            polls=[each for each in cards if each.next_attempt_at],
            cards=cards,
            unclear=[card for card in cards if not nothing_to_decide(card, card.calls.all())],
            parcels=[each for each in parcels if each.status in {"QUEUED", "PACKED"}],
            shipments=list(Shipment.objects.filter(delivered_at=None).order_by("id")),
            delivered=[each for each in parcels if each.with_recipient],
            inbox=list(Callback.objects.filter(state__in=["RECEIVED", "PARKED"]).order_by("id")),
            theirs=sorted(
                (each for each in theirs if each["status"] == "accepted"),
                key=lambda each: str(each["reference"]),
            ),
        )
