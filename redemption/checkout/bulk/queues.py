"""The queue of bulks that are read or placed (redemption/saga/queues.py)."""

import uuid
from collections.abc import Sequence

from loyalty_portal.celery import nudge
from redemption.checkout.bulk import services
from redemption.models import Bulk
from redemption.saga import tasks
from redemption.saga.queues import Queue


def _act(bulk_id: uuid.UUID) -> bool:
    return services.work_on(bulk_id, placed=_hurry)


def _hurry(debits: Sequence[uuid.UUID]) -> None:
    for debit in debits:
        nudge(tasks.settle_transaction, debit)


BULKS = Queue("bulks", Bulk, _act, hands=2)
