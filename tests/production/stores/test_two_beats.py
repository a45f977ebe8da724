"""Any number of schedulers may run, and one of them acts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from tests.support.daemons import Daemon, Redis
from tests.support.stack import Databases
from tests.support.waiting import eventually

HELD = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"


class Beats:
    """Two schedulers, and the queue that they fill."""

    def __init__(self, redis: Redis, both: tuple[Daemon, Daemon]) -> None:
        self.redis, self.both = redis, both

    def senders(self) -> set[str]:
        """The processes whose messages are in the queue."""
        with self.redis.client() as client:
            found = [json.loads(each) for each in client.lrange("default", 0, -1)]
        return {message["headers"]["origin"].split("@")[0] for message in found}

    def sent(self) -> int:
        return self.redis.queued("default")

    def names(self) -> list[str]:
        return [f"gen{beat.process.pid}" for beat in self.both if beat.process]

    def are_up(self) -> bool:
        return all(
            beat.log.exists() and "beat: Starting" in beat.log.read_text() for beat in self.both
        )


@contextmanager
def running(folder: Path, database: str, settings: str) -> Iterator[Beats]:
    redis = Redis(folder)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": settings,
        "DATABASE_URL": database,
        "REDIS_URL": redis.url,
        "BROKER_URL": "",
        "LOG_FORMAT": "json",
    }
    with ExitStack() as stack:
        stack.callback(redis.kill)
        redis.start()
        both = []
        for name in ("one", "two"):
            command = [sys.executable, "-m", "celery", "-A", "loyalty_portal", "beat"]
            command += ["-l", "info", "-s", str(folder / f"{name}.schedule"), "--pidfile="]
            beat = Daemon(name, command, environment, folder)
            stack.callback(beat.kill)
            beat.start()
            both.append(beat)
        beats = Beats(redis, (both[0], both[1]))
        try:
            eventually(beats.are_up, "both run", within=200)
            yield beats
        finally:
            print(*(beat.news() for beat in both), sep="\n")


def test_of_two_schedulers_one_sends_and_the_other_goes_on_when_it_is_killed(
    tmp_path: Path, databases: Databases
) -> None:
    database = databases.create()
    with running(tmp_path, database, "tests.production.stores.beats") as beats:
        beats.redis.flush()
        eventually(lambda: beats.sent() >= 8, "eight tasks are sent", within=120)
        [acting] = beats.senders()
        first, other = sorted(beats.names(), key=lambda name: name != acting)
        assert first == acting
        with psycopg.connect(database) as link:
            assert len(link.execute(HELD).fetchall()) == 1

        next(
            beat for beat, name in zip(beats.both, beats.names(), strict=True) if name == acting
        ).kill()

        beats.redis.flush()
        eventually(lambda: beats.sent() >= 3, "the other one sends", within=120)
        assert beats.senders() == {other}


def test_without_the_lock_both_send(tmp_path: Path, databases: Databases) -> None:
    """The control."""
    module = "tests.production.stores.beats_without_the_lock"
    with running(tmp_path, databases.create(), module) as beats:
        eventually(lambda: len(beats.senders()) == 2, "both send", within=120)


def test_the_one_that_acts_goes_on_after_the_database_has_dropped_its_connection(
    tmp_path: Path, databases: Databases
) -> None:
    database = databases.create()
    with running(tmp_path, database, "tests.production.stores.beats") as beats:
        eventually(lambda: beats.sent() >= 1, "a task is sent", within=120)
        with psycopg.connect(database, autocommit=True) as link:
            cut = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            gone = {pid for pid, _done in link.execute(cut)}

            def held_anew() -> bool:
                holders = {pid for (pid,) in link.execute(HELD)}
                return bool(holders) and not holders & gone

            eventually(held_anew, "one has the lock again", within=120)
            beats.redis.flush()
            eventually(lambda: beats.sent() >= 5, "tasks are sent", within=120)
            assert len(link.execute(HELD).fetchall()) == 1
        assert len(beats.senders()) == 1
