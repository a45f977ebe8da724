"""News of fulfillments, and how it is passed on to the room of orders."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import SYSTEM, Actor


class Resent(StrEnum):
    """What became of a request to send codes again."""

    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # given up without a clear answer


@dataclass(frozen=True, slots=True)
class News:
    """What happened to the fulfillment for `reference`, which is now `status`."""

    reference: uuid.UUID
    status: str
    # The status that the line must still have, where no fulfillment of it is locked.
    was: str = ""
    delivered: int = 0  # units
    shipped: int = 0  # units now in a parcel on its way
    consumed: int = 0  # units that left the stock
    lost: int = 0  # units not supplied; their points are owed
    gone: bool = False  # what is lost is not on the shelf either
    returned: int = 0  # delivered units that came back; people decide about their points
    written_off: int = 0  # of these, units that do not go to the stock
    elsewhere: bool = False  # the partner delivered the units itself, so there are no codes to show
    reason: str = ""
    attention: str = ""
    # The kind of incident for `attention`: this, MISMATCH, HORIZON or UNREADABLE.
    trouble: str = "CONTRADICTION"
    # Units delivered more (negative: fewer) than settled before, as two people found.
    righted: int = 0
    cleared: str = ""  # why a contradiction is resolved without a person
    resent: str = ""  # a value of Resent; facts name the call
    falsehood: str = ""  # what a callback said that the partner's own answer denies
    by: Actor = SYSTEM
    # Of a parcel: its carrier, its tracking number and the key of its shipment. News of its lines
    # are told together.
    facts: Mapping[str, str] = field(default_factory=dict)
    recipient: Mapping[str, str] = field(default_factory=dict)  # the corrected columns, all of them
    word: str = ""  # what the desk tells the company about it

    @property
    def is_progress(self) -> bool:
        """Whether the line made progress; other news is about problems, the end, or words."""
        return not (
            self.attention
            or self.righted
            or self.falsehood
            or self.cleared
            or self.resent
            or self.recipient
            or self.word
        )


@cache
def _listener() -> Callable[[Sequence[News]], None]:
    listener: Callable[[Sequence[News]], None] = import_string(settings.FULFILLMENT_LISTENER)
    return listener


def tell(fulfillment: Fulfillment, **what: Any) -> None:
    """Pass news to settings.FULFILLMENT_LISTENER, in the transaction of the change."""
    tell_all([news_of(fulfillment, **what)])


def news_of(fulfillment: Fulfillment, **what: Any) -> News:
    return News(reference=fulfillment.reference, status=fulfillment.status, **what)


def tell_all(news: Sequence[News]) -> None:
    """Pass on news of several fulfillments of one order, as `tell` does for one."""
    _listener()(news)
