"""How far a fulfillment is, which decides whether it can still be withdrawn."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from django.utils import timezone

from fulfillment.states import CALL, CallKind, CallStatus, FulfillmentStatus, Withdrawal

_TOO_LATE: dict[str, Withdrawal] = {
    FulfillmentStatus.PACKED: Withdrawal.PACKED,
    FulfillmentStatus.SHIPPED: Withdrawal.SENT,
    FulfillmentStatus.DELIVERED: Withdrawal.DELIVERED,
}


class CallTold(Protocol):
    """What of a call to the partner counts here."""

    @property
    def kind(self) -> str: ...

    @property
    def status(self) -> str: ...


class Progress(NamedTuple):
    """The columns of a fulfillment that tell how far it is. A page of 500 lines reads them alone,
    because rows of the model cost several times as much.
    """

    status: str
    claimed_by_id: UUID | None
    claimed_until: datetime | None
    quantity: int
    quantity_shipped: int
    quantity_delivered: int
    quantity_failed: int

    @property
    def open_quantity(self) -> int:
        """Units that are not shipped, delivered or given up."""
        return (
            self.quantity
            - max(self.quantity_shipped, self.quantity_delivered)
            - self.quantity_failed
        )

    @property
    def is_claimed(self) -> bool:
        """Whether somebody works on it. A claim ends by itself at `claimed_until`."""
        ended = self.claimed_until is not None and self.claimed_until <= timezone.now()
        return self.claimed_by_id is not None and not ended

    def withdrawal(self, calls: Iterable[CallTold]) -> Withdrawal:
        """Whether and how it can still be withdrawn. `calls` are all of its calls.

        The page and the action both ask this (saga.md, rule 9). Once somebody at the desk, or a
        worker, has claimed it, it cannot be cancelled at once.
        """
        if self.status == FulfillmentStatus.REQUESTED:
            return _from_partner({call.kind: call.status for call in calls})
        if self.status != FulfillmentStatus.QUEUED:
            return _TOO_LATE.get(self.status, Withdrawal.SETTLED)
        if self.quantity_shipped:
            return Withdrawal.PARTLY_SENT
        return Withdrawal.CLAIMED if self.is_claimed else Withdrawal.NOW


def _from_partner(statuses: dict[str, str]) -> Withdrawal:
    """What a cancel can still do once the request was claimed: the partner's answer decides."""
    cancel = statuses.get(CallKind.CANCEL)
    if cancel is not None:
        return Withdrawal.REFUSED if cancel in CALL.final else Withdrawal.ASKED
    intended = statuses[CallKind.REQUEST] == CallStatus.INTENDED
    return Withdrawal.NOW if intended else Withdrawal.ASK
