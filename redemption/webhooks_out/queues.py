"""The queue of deliveries to companies' own systems (redemption/saga/queues.py)."""

from redemption.models import WebhookDelivery
from redemption.saga.queues import Queue
from redemption.webhooks_out.delivering import send_delivery

# A slow endpoint holds one thread for each of its calls, so there are more than of other queues.
WEBHOOKS = Queue("webhooks", WebhookDelivery, send_delivery, hands=16)
