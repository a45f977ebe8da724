"""What was put into the desk's one field by a scanner: a SKU, an order or a tracking number."""

from typing import NamedTuple

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from fulfillment.desk import services, tracking
from fulfillment.desk.selectors import ParcelShown, desk, lines_tracked_as, waiting
from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import order_number_in
from loyalty_portal.data.one_line import one_line

LONGEST = 120  # characters of a label's barcode; a scanner may run several together
_TOLD = 40  # characters of an unknown text that are said


class Scanned(NamedTuple):
    """What was understood: a sentence, the line whose parcel is to be shown, and a tracking number
    for the parcel that is shown.
    """

    said: str
    done: bool = False
    line: Fulfillment | None = None
    number: tracking.Read | None = None


def scan(text: str, shown: ParcelShown | None, *, by: Actor) -> Scanned:
    """Do what a scan asks for. Raises DeskError, like the service that it calls."""
    said = one_line(text.replace("\0", " "))
    if not said:
        return Scanned(_("Nothing was scanned."))
    if len(said) > LONGEST:
        told = _("That has %(n)s characters; a label has at most %(most)s. Nothing was changed.")
        return Scanned(told % {"n": len(said), "most": LONGEST})
    if shown and (found := _picked(said, shown, by)):
        return found
    return _order(said) or _sent(said) or _tracking(said, shown) or _unknown(said, shown)


def _picked(said: str, shown: ParcelShown, by: Actor) -> Scanned | None:
    lines = [line for line in shown.lines if line.sku.casefold() == said.casefold()]
    if not lines:
        return None
    pieces = sum(line.open_quantity for line in lines)
    what = {"n": pieces, "product": lines[0].product_name}
    if not services.pick(parcel=shown.line, keys=[line.pk for line in lines], by=by):
        return Scanned(_("%(n)s × %(product)s is picked already.") % what)
    return Scanned(_("Picked: %(n)s × %(product)s.") % what, done=True)


def _order(said: str) -> Scanned | None:
    number = {"order": order_number_in(said) or said}
    line = waiting().filter(label=number["order"]).first()
    if line:
        return Scanned(_("Order %(order)s.") % number, done=True, line=line)
    line = desk().filter(label=number["order"]).first()
    if line:
        return Scanned(_("Nothing of order %(order)s is left to send.") % number, line=line)
    if said[:2].upper() == "R-":
        return Scanned(_("There is no order %(order)s at the desk.") % number)
    return None


def _sent(said: str) -> Scanned | None:
    """A tracking number that a parcel has already."""
    number = tracking.plain(said)
    line = lines_tracked_as(number).select_related("fulfillment", "shipment").first()
    if line is None:
        return None
    told = _("That is the parcel of order %(order)s, sent on %(day)s.")
    day = date_format(line.shipment.shipped_at, "DATE_FORMAT")
    what = {"order": line.fulfillment.label, "day": day}
    return Scanned(told % what, line=line.fulfillment)


def _tracking(said: str, shown: ParcelShown | None) -> Scanned | None:
    found = tracking.read(said)
    if found is None:
        return None
    if not found.right:
        told = _(
            "That looks like a tracking number of %(carrier)s, but its check digit is wrong. "
            "Scan it again, or type it into its field."
        )
        return Scanned(told % {"carrier": found.carrier})
    if shown is None or not shown.lines:
        return Scanned(_("That is a tracking number. Open the parcel first that it is for."))
    told = _("Tracking number of %(carrier)s.")
    return Scanned(told % {"carrier": found.carrier}, done=True, number=found)


def _unknown(said: str, shown: ParcelShown | None) -> Scanned:
    what = {"said": said if len(said) <= _TOLD else f"{said[:_TOLD]}…"}
    if shown is None:
        told = _(
            "“%(said)s” is no order number and no tracking number. Open a parcel to scan a product."
        )
    else:
        told = _(
            "“%(said)s” is not in this parcel, and no order number or tracking number. Nothing was "
            "changed."
        )
    return Scanned(told % what)
