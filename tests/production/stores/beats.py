"""Settings with one task that is due each second, for tests of schedulers."""

from loyalty_portal.settings import *  # noqa: F403

CELERY_BEAT_SCHEDULE = {"tick": {"task": "accounts.tasks.end_viewings", "schedule": 1.0}}
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
