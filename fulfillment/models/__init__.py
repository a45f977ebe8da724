"""All models of this room."""

from fulfillment.models.carriers import tracking_page
from fulfillment.models.codes import CodeQuerySet, CodeReveal, VirtualCode
from fulfillment.models.fulfillments import (
    Channel,
    Fulfillment,
    FulfillmentEvent,
    FulfillmentQuerySet,
    PartnerCall,
    Shipment,
    ShipmentLine,
)
from fulfillment.models.progress import Progress
from fulfillment.states import CallKind

__all__ = [
    "CallKind",
    "Channel",
    "CodeQuerySet",
    "CodeReveal",
    "Fulfillment",
    "FulfillmentEvent",
    "FulfillmentQuerySet",
    "PartnerCall",
    "Progress",
    "Shipment",
    "ShipmentLine",
    "VirtualCode",
    "tracking_page",
]
