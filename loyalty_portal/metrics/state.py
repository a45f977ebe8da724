"""Tells the state of the business, such as how much work is due, from queries made now and then.

settings.STATE_SOURCES names functions of higher rooms that read it. A thread asks them, so that a
scrape waits for no database; what could not be read for a while is not told any more.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Event, Thread

from django.db import close_old_connections, connection, transaction
from django.utils.module_loading import import_string
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

EVERY = 15.0  # seconds between two readings
KEPT = 60.0  # seconds for which a reading is told
PATIENCE_SECONDS = 5  # that a query may take


@dataclass(frozen=True, slots=True)
class StateFigure:
    """One gauge: its name, what it says, its labels, and a value for the labels of each row."""

    name: str
    says: str
    rows: Sequence[tuple[tuple[str, ...], float]]
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[StateFigure]]


@contextmanager
def briefly() -> Iterator[None]:
    """A transaction whose queries may take PATIENCE_SECONDS each."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")
        yield


@dataclass
class _Reading:
    at: float = -KEPT  # on time.monotonic
    states: list[StateFigure] = field(default_factory=list)
    failed: bool = False


class StateCollector(Collector):
    """Reads the sources every EVERY seconds, and tells Prometheus what they said last.

    `quiet`: held while something is read, where a process forks.
    """

    def __init__(
        self, sources: Iterable[str], quiet: AbstractContextManager[object] | None = None
    ) -> None:
        self._readings: dict[str, _Reading] = {name: _Reading() for name in sources}
        self._quiet = quiet or nullcontext()
        self._stop = Event()

    def start(self) -> None:
        """Begin to read, in a thread that ends with the process."""
        Thread(target=self._run, name="state", daemon=True).start()

    def collect(self) -> Iterator[Metric]:
        now = time.monotonic()
        for reading in self._readings.values():
            if now - reading.at < KEPT:
                yield from map(_family, reading.states)

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry would read everything to find out the names."""
        return ()

    def _run(self) -> None:
        while not self._stop.wait(0 if self._is_new else EVERY):
            self.read()

    @property
    def _is_new(self) -> bool:
        return all(reading.at < 0 and not reading.failed for reading in self._readings.values())

    def read(self) -> None:
        """Read all sources once. One that fails hides no other."""
        for name, reading in self._readings.items():
            try:
                with self._quiet:
                    close_old_connections()
                    states = list(import_string(name)())
            except Exception as error:  # noqa: BLE001 - whatever fails, the process goes on
                if not reading.failed:
                    why = type(error.__cause__ or error).__name__
                    logger.warning("the state of %s cannot be read (%s)", name, why)
                reading.failed = True
            else:
                reading.states, reading.at, reading.failed = states, time.monotonic(), False


def _family(state: StateFigure) -> Metric:
    family = GaugeMetricFamily(state.name, state.says, labels=state.labels)
    for labels, value in state.rows:
        family.add_metric(list(labels), value)
    return family
