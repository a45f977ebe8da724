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
    """One change of the fulfillment for `reference`, whose status is now `status`.

    `was`: the status that the line must still have, where no fulfillment of it is locked. Units:
    `delivered`; `shipped`, now in a parcel on its way; `consumed`, which left the stock; `lost`,
    not supplied, their points are owed; `returned`, delivered units that came back, about whose
    points people decide; `written_off`, those of them that do not go to the stock. `gone`: the lost
    units are not on the shelf either. `elsewhere`: the partner delivered the units itself, so there
    are no codes to show. `righted`: units delivered more (negative: fewer) than settled before, as
    two people found.

    `reason`: why, for the order's timeline. `attention`: why a person must look, with `trouble`,
    the kind of its incident (CONTRADICTION, MISMATCH, HORIZON or UNREADABLE). `cleared`: why a
    contradiction is resolved without a person. `resent`: a value of Resent; `facts` name the call.
    `falsehood`: what a callback said that the partner's own answer denies. `by`: who acts.

    `facts` of a parcel: its carrier, its tracking number and the key of its shipment; news of its
    lines are reported together. `recipient`: the corrected columns, all of them. `word`: what the
    desk tells the company.
    """

    reference: uuid.UUID
    status: str
    was: str = ""
    delivered: int = 0
    shipped: int = 0
    consumed: int = 0
    lost: int = 0
    gone: bool = False
    returned: int = 0
    written_off: int = 0
    elsewhere: bool = False
    reason: str = ""
    attention: str = ""
    trouble: str = "CONTRADICTION"
    righted: int = 0
    cleared: str = ""
    resent: str = ""
    falsehood: str = ""
    by: Actor = SYSTEM
    facts: Mapping[str, str] = field(default_factory=dict)
    recipient: Mapping[str, str] = field(default_factory=dict)
    word: str = ""

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
