"""Celery's file-based scheduler with a heartbeat."""

from celery.beat import PersistentScheduler
from django.conf import settings

from loyalty_portal.queue.heartbeat import beat


class Scheduler(PersistentScheduler):  # type: ignore[misc]
    """Touches the heartbeat file at each tick, at least every CELERY_BEAT_MAX_LOOP_INTERVAL
    seconds.
    """

    def tick(self, *args: object, **options: object) -> float:
        beat(settings.HEARTBEAT_FILE)
        return float(super().tick(*args, **options))
