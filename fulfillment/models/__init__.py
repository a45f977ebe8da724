"""All models of this room."""

from fulfillment.models.carriers import tracking_page
from fulfillment.models.codes import CodeQuerySet, CodeReveal, VirtualCode
from fulfillment.models.fulfillments import (
    CallKind,
    Channel,
    Fulfillment,
    FulfillmentEvent,
    PartnerCall,
    Shipment,
    ShipmentLine,
)

__all__ = [
    "CallKind",
    "Channel",
    "CodeQuerySet",
    "CodeReveal",
    "Fulfillment",
    "FulfillmentEvent",
    "PartnerCall",
    "Shipment",
    "ShipmentLine",
    "VirtualCode",
    "tracking_page",
]
