"""Reads what a process tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import eventually


@dataclass
class Told:
    """The samples of one scrape, by name and labels."""

    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    def of(self, name: str, **labels: str) -> list[float]:
        return [
            value
            for told, those, value in self.samples
            if told == name and labels.items() <= those.items()
        ]

    def sum(self, name: str, **labels: str) -> float:
        return sum(self.of(name, **labels))

    @property
    def names(self) -> set[str]:
        return {name for name, _labels, _value in self.samples}


def scraped(port: int) -> Told:
    """What the process on this port tells. Raises URLError while nobody listens."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return Told(list(_samples(text)))


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def told_once(port: int, name: str, **labels: str) -> Told:
    """Wait until the process tells a series that is not 0, and return all that it tells."""

    def look() -> list[Told]:
        with suppress(URLError):
            told = scraped(port)
            return [told] if any(told.of(name, **labels)) else []
        return []

    return eventually(look, f"{name}{labels} at port {port}")[0]
