"""Whether the broker answers, and how many tasks wait in it, of whatever kind it is."""

from collections.abc import Iterable

from django.conf import settings
from kombu import Connection, Queue
from kombu.exceptions import OperationalError


class BrokerAwayError(OSError):
    """The broker does not answer within REDIS_TIMEOUT seconds."""


def tasks_waiting(queues: Iterable[str] = ()) -> dict[str, int]:
    """The number of tasks in each queue; 0 for one that nobody has declared. Raises
    BrokerAwayError.
    """
    link = Connection(
        settings.BROKER_URL,
        transport=settings.CELERY_BROKER_TRANSPORT,
        transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        connect_timeout=settings.REDIS_TIMEOUT,
    )
    try:
        with link:
            link.ensure_connection(max_retries=0)
            link.channel().close()  # Redis is asked only when a channel is opened
            return {name: _waiting(link, name) for name in queues}
    except (OperationalError, *link.connection_errors, OSError) as error:
        raise BrokerAwayError(f"{type(error).__name__}: {error}") from error


def _waiting(link: Connection, name: str) -> int:
    with link.channel() as channel:
        try:
            return int(Queue(name, channel=channel).queue_declare(passive=True).message_count)
        except link.channel_errors:  # nobody has declared it
            return 0
