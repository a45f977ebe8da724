"""Parts of the saga's model (saga_model.py): values to draw, and small actions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from fulfillment import services as desk
from fulfillment.models import Fulfillment
from fulfillment.services import DeskError
from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import LeasedWork
from redemption.saga.steps import RedemptionError

MOST_ORDERS = 5  # in one run, few enough that something happens to each
PAST = "2020-01-01T00:00:00Z"
DUE = {"next_attempt_at": PAST, "lease_until": None}

# The partner's possible answers. A caller cannot tell those that took effect from the others.
ANSWERS = st.sampled_from(
    ["", "", "", "refuse", "malformed", "mismatch", "error_500_after", "error_500_before"]
)
LOOKS = st.sampled_from(["", "", "malformed", "mismatch", "error_500_before"])
# What happens to an answer: recorded at once, later, or never by a process that was stopped.
FATES = st.sampled_from(["recorded", "recorded", "recorded", "late", "lost"])
WHICH = st.integers(0, 7)
PIECES = st.integers(1, 3)
BASKETS = st.lists(
    st.tuples(st.sampled_from(["card", "book", "bag"]), PIECES),
    min_size=1,
    max_size=3,
    unique_by=lambda line: line[0],
)


def some(name: str) -> Callable[[Any], Any]:
    """Decorate a rule that needs an object of this kind."""
    return precondition(lambda self: bool(getattr(self.seen, name)))


def pick(rows: list[Any], which: int) -> Any:
    return rows[which % len(rows)]


def politely(deed: Callable[..., object], *args: Any, **words: Any) -> None:
    """Call an action. Only a refusal with a message may be raised."""
    with contextlib.suppress(RedemptionError, DeskError):
        deed(*args, **words)


def send_parcel(parcel: Fulfillment, pieces: int, by: Actor) -> None:
    if parcel.status == FulfillmentStatus.QUEUED:
        desk.pack(fulfillment=parcel, by=by)
    desk.ship(fulfillment=parcel, quantity=pieces, carrier="DHL", tracking_number="1", by=by)


def hurry(row: LeasedWork) -> None:
    """Make a row due, and expire its lease."""
    type(row)._base_manager.filter(pk=row.pk, next_attempt_at__isnull=False).update(**DUE)


def news_of(truth: dict[str, Any]) -> bytes:
    """The partner's callback about the current state of a fulfillment."""
    kind = f"fulfillment.{truth['status']}"
    return json.dumps({"type": kind, "timestamp": truth["updated_at"], "data": truth}).encode()
