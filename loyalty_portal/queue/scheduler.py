"""The scheduler's notes in a file, as Celery keeps them, with a sign of life at each look."""

from celery.beat import PersistentScheduler
from django.conf import settings

from loyalty_portal.queue.heartbeat import beat


class Scheduler(PersistentScheduler):  # type: ignore[misc]
    """Looks at what is due; at least every CELERY_BEAT_MAX_LOOP_INTERVAL seconds."""

    def tick(self, *args: object, **options: object) -> float:
        beat(settings.HEARTBEAT_FILE)
        return float(super().tick(*args, **options))
