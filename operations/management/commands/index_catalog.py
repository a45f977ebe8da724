"""`manage.py index_catalog`: builds the catalogue's search index on this machine, and follows."""

import signal
import time
from argparse import ArgumentParser
from threading import Event
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from catalog.search.building import build
from catalog.search.folders import only_follower
from catalog.search.following import follow
from loyalty_portal.data.trouble import is_away
from loyalty_portal.queue.heartbeat import beat

WAIT_SECONDS = 2.0  # before something that failed is tried again


class Command(BaseCommand):
    help = "Build the search index of this machine anew, beside the one in use; or keep it true."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--follow", action="store_true", help="Keep it true until stopped; one a machine."
        )

    def handle(self, *args: Any, follow: bool, **options: Any) -> None:  # noqa: ARG002
        if follow:
            self._follow()
        else:
            self._build()

    def _build(self) -> None:
        began = time.monotonic()
        try:
            folder, count = build(tell=lambda done: self._tell(f"{done:,} products read"))
        except OSError as error:
            raise CommandError(
                f"SEARCH_INDEX_PATH: {settings.SEARCH_INDEX_PATH} cannot be written ({error})."
            ) from error
        seconds = max(time.monotonic() - began, 0.001)
        size = sum(file.stat().st_size for file in folder.iterdir())
        self.stdout.write(
            f"{count:,} products in {seconds:.1f} s ({count / seconds:,.0f} a second), "
            f"{size / 1_000_000:,.1f} MB: {folder.name} is in use."
        )

    def _follow(self) -> None:
        stop = Event()

        def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
            stop.set()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)

        def alive() -> None:
            beat(settings.HEARTBEAT_FILE)

        while not stop.is_set():
            alive()
            try:
                with only_follower() as alone:
                    if alone:
                        follow(stop, tell=self._tell, beat=alive)
                    else:
                        self._wait(stop, "Another follower is at work; waiting for its end.")
            except OperationalError as error:
                connections.close_all()
                how = "is away" if is_away(error) else "was busy"
                self._wait(stop, f"The database {how}; trying again.")
            except (OSError, ValueError) as error:
                # A full disk, or a folder that cannot be written: pages ask PostgreSQL meanwhile.
                self._wait(stop, f"The index cannot be written ({error}); trying again.")

    def _tell(self, said: str) -> None:
        """Say it at once: Python keeps the output to a file or pipe until the process ends."""
        self.stdout.write(said)
        self.stdout.flush()

    def _wait(self, stop: Event, why: str) -> None:
        if why != getattr(self, "_told", ""):
            self._told = why
            self._tell(why)
        stop.wait(WAIT_SECONDS)
