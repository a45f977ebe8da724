"""Scheduled work and cached values when Redis goes and comes back."""

from datetime import timedelta

import pytest
from celery.beat import ScheduleEntry, Scheduler
from django.core.cache import cache
from django.test import Client

from catalog.freshness import SECONDS, remember
from loyalty_portal.celery import app
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.support.daemons import Redis
from tests.support.redis_away import broker_at, forget_it_was_away

pytestmark = pytest.mark.django_db


def test_what_falls_due_meanwhile_is_left_out_and_the_next_time_is_not(own_redis: Redis) -> None:
    """The scheduler continues; an unavailable broker does not end it."""
    with broker_at(own_redis.url):
        clock = Scheduler(app, lazy=True)
        entry = ScheduleEntry(
            name="clear", task="accounts.tasks.clear_sessions", schedule=timedelta(1), app=app
        )
        clock.apply_entry(entry, producer=clock.producer)
        assert own_redis.queued("default") == 1
        own_redis.kill()
        clock.apply_entry(entry, producer=clock.producer)
        own_redis.start()
        assert own_redis.queued("default") == 0
        clock.apply_entry(entry, producer=clock.producer)
        assert own_redis.queued("default") == 1


def test_the_catalogue_shows_a_change_at_once_without_redis_and_soon_after_it_is_back(
    own_redis: Redis,
) -> None:
    """A cached copy from before cannot be dropped, so it expires by itself."""
    seat = SeatFactory.create(company__balance=1_000)
    product = ProductFactory.create(name="Kettle")
    client = Client()
    client.force_login(seat.user, backend="accounts.backends.SeatsBackend")
    assert "Kettle" in client.get("/catalog/").content.decode()
    own_redis.pause()
    product.name = "Samovar"
    product.save()
    assert "Samovar" in client.get("/catalog/").content.decode()
    own_redis.resume()
    forget_it_was_away()
    remember("of-a-test", str, "asked", lambda: "made")
    [key] = cache.keys("catalog:of-a-test:*")  # type: ignore[attr-defined]
    assert 0 < cache.ttl(key) <= SECONDS == 300  # type: ignore[attr-defined]
