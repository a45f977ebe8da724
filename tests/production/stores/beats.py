"""Settings with one task that is due four times a second, for tests of schedulers."""

from loyalty_portal.settings import *  # noqa: F403

CELERY_BEAT_SCHEDULE = {"tick": {"task": "accounts.tasks.end_viewings", "schedule": 0.25}}
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
