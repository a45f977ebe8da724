"""What the steps of the saga's model (saga_model.py) are made of: what is drawn, and small deeds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from accounts.models import User
from fulfillment import services as desk
from fulfillment.models import Fulfillment
from fulfillment.services import DeskError
from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.leases import LeasedWork
from redemption.saga.steps import RedemptionError

PAST = "2020-01-01T00:00:00Z"
DUE = {"next_attempt_at": PAST, "lease_until": None}

# How a partner may answer. Those that take effect and those that do not are told apart by no one.
ANSWERS = st.sampled_from(
    ["", "", "", "refuse", "malformed", "mismatch", "error_500_after", "error_500_before"]
)
LOOKS = st.sampled_from(["", "", "malformed", "mismatch", "error_500_before"])
# What becomes of an answer: recorded at once, later (or never) by a process that was held up.
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
    """A rule that needs one of these."""
    return precondition(lambda self: bool(getattr(self.seen, name)))


def pick(rows: list[Any], which: int) -> Any:
    return rows[which % len(rows)]


def politely(deed: Callable[..., object], *args: Any, **words: Any) -> None:
    """What cannot be done is said in a sentence, and nothing else."""
    with contextlib.suppress(RedemptionError, DeskError):
        deed(*args, **words)


def send_parcel(parcel: Fulfillment, pieces: int, by: User) -> None:
    if parcel.status == FulfillmentStatus.QUEUED:
        desk.pack(fulfillment=parcel, by=by)
    desk.ship(fulfillment=parcel, quantity=pieces, carrier="DHL", tracking_number="1", by=by)


def hurry(row: LeasedWork) -> None:
    """As if its waiting time were over, and the lease of whoever had it."""
    type(row)._base_manager.filter(pk=row.pk, next_attempt_at__isnull=False).update(**DUE)


def news_of(truth: dict[str, Any]) -> bytes:
    """The partner's callback about a fulfillment as it is now."""
    kind = f"fulfillment.{truth['status']}"
    return json.dumps({"type": kind, "timestamp": truth["updated_at"], "data": truth}).encode()
