"""Where carriers tell where a parcel is."""

from typing import Any
from urllib.parse import quote

# By the carrier's name in small letters, as the desk writes it.
_PAGES = {
    "dhl": "https://www.dhl.de/de/privatkunden/pakete-empfangen/verfolgen.html?piececode=",
    "ups": "https://www.ups.com/track?tracknum=",
    "fedex": "https://www.fedex.com/fedextrack/?trknbr=",
    "usps": "https://tools.usps.com/go/TrackConfirmAction?tLabels=",
    "dpd": "https://tracking.dpd.de/status/en_US/parcel/",
    "gls": "https://gls-group.eu/track/",
    "hermes": "https://www.myhermes.de/empfangen/sendungsverfolgung/sendungsinformation/#",
    "royal mail": "https://www.royalmail.com/track-your-item#/tracking-results/",
}


def tracking_page(carrier: str, number: str) -> str:
    """The address of the carrier's page about a parcel; "" for an unknown carrier or no number."""
    page = _PAGES.get(" ".join(carrier.casefold().split()), "")
    return f"{page}{quote(number, safe='')}" if page and number else ""


class HasTracking:
    """Something that a carrier takes to somebody."""

    carrier: Any
    tracking_number: Any

    @property
    def tracking_page(self) -> str:
        """The address of the carrier's page about it; "" when there is none."""
        return tracking_page(self.carrier, self.tracking_number)
