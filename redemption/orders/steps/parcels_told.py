"""The parcels in an order's timeline: each one, or those of one carrier together."""

from collections.abc import Iterator
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fulfillment.models import ShipmentLine
from loyalty_portal.data.texts.numbers import grouped
from redemption.models import OrderItem
from redemption.orders.facts import Facts
from redemption.orders.steps.lines_told import names_of
from redemption.orders.steps.step import TimelineStep, sentence

_Sent = list[tuple[OrderItem, ShipmentLine]]  # the lines of one parcel


def parcels(facts: Facts) -> Iterator[TimelineStep]:
    """The steps of the parcels: each one, or those of one carrier together."""
    by_parcel: dict[UUID, _Sent] = {}
    for item in facts.items:
        for line in facts.delivery(item).parcels:
            by_parcel.setdefault(line.shipment_id, []).append((item, line))
    if facts.many:
        yield from _parcels_together(list(by_parcel.values()))
        return
    for lines in by_parcel.values():
        yield from _parcel(lines)


def _parcel(lines: _Sent) -> Iterator[TimelineStep]:
    shipment = lines[0][1].shipment
    pieces = [f"{grouped(line.quantity)} × {item.product_name}" for item, line in lines]
    what = ", ".join(pieces)
    tracking = _("Tracking number %(number)s.") % {"number": shipment.tracking_number}
    yield TimelineStep(
        _("Sent with %(carrier)s") % {"carrier": shipment.carrier},
        f"{what}. {tracking if shipment.tracking_number else ''}".strip(),
        "truck",
        "ok",
        shipment.shipped_at,
    )
    if shipment.delivered_at:
        yield TimelineStep(
            _("Arrived"), sentence(what), "package-open", "ok", shipment.delivered_at
        )


def _parcels_together(sent: list[_Sent]) -> Iterator[TimelineStep]:
    by_carrier: dict[str, list[_Sent]] = {}
    for lines in sent:
        by_carrier.setdefault(lines[0][1].shipment.carrier, []).append(lines)
    for carrier, those in by_carrier.items():
        title = ngettext(
            "%(n)s parcel sent with %(carrier)s", "%(n)s parcels sent with %(carrier)s", len(those)
        )
        yield TimelineStep(
            title % {"n": grouped(len(those)), "carrier": carrier},
            sentence(names_of(item for lines in those for item, _line in lines)),
            "truck",
            "ok",
            max(lines[0][1].shipment.shipped_at for lines in those),
        )
    arrived = [(lines, at) for lines in sent if (at := lines[0][1].shipment.delivered_at)]
    if arrived:
        title = ngettext(
            "%(n)s of %(all)s parcel arrived", "%(n)s of %(all)s parcels arrived", len(sent)
        )
        yield TimelineStep(
            title % {"n": grouped(len(arrived)), "all": grouped(len(sent))},
            sentence(names_of(item for lines, _at in arrived for item, _line in lines)),
            "package-open",
            "ok",
            max(at for _lines, at in arrived),
        )
