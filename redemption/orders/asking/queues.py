"""The queue of letters to recipients who are asked (redemption/saga/queues.py)."""

from redemption.models import RecipientAsk, RedemptionOrder
from redemption.orders.asking import services
from redemption.saga.queues import Queue

LETTERS_TO_RECIPIENTS = Queue(
    "letters to recipients",
    RecipientAsk,
    services.send_letter,
    lambda key: RedemptionOrder.objects.filter(asks=key),
)
