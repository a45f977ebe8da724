"""The same with Celery's own scheduler: the negative control."""

from tests.production.stores.beats import *  # noqa: F403

CELERY_BEAT_SCHEDULER = "celery.beat:PersistentScheduler"
