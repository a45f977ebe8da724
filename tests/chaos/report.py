"""Formats the results of runs."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from redemption.management.commands.sweep import PERIOD
from tests.chaos.run import Outcome


def told(outcome: Outcome) -> Iterator[str]:
    """The lines about one run."""
    record = outcome.record
    yield (
        f"seed {outcome.seed}: {len(record.told)} forms, {sum(outcome.orders.values())} orders "
        f"({_counts(outcome.orders)}), {sum(outcome.blows.values())} faults, "
        f"{record.silences} of {record.pages + record.silences} requests without an answer; "
        f"quiet after {outcome.quiet:.0f} s, {outcome.seconds:.0f} s in all: "
        + (f"{len(outcome.findings)} VIOLATIONS" if outcome.findings else "all holds")
    )
    for why, times in record.refusals.most_common():
        yield f"    {times} refused: {why}"
    if outcome.incidents:
        yield f"    incidents: {_counts(outcome.incidents)}"
    for finding in outcome.findings:
        yield f"    {finding}"


def totals(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines about all runs together."""
    yield f"\n{sum(len(each.record.told) for each in outcomes)} forms were sent"
    yield from _table("Forms refused, by reason", _added(each.record.refusals for each in outcomes))
    yield from _table("Orders by their end", _added(each.orders for each in outcomes))
    yield from _table("Faults by kind", _added(each.blows for each in outcomes))
    yield from _table("Incidents and alerts", _added(each.incidents for each in outcomes))
    yield from _table("Checked", _added(each.checked for each in outcomes))


def recovery(seconds: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """The times until all due work was done after each kind of fault, in sweep periods."""
    yield f"\nRecovery, in sweep periods of {PERIOD:g} s: faults, median, p99, longest"
    everything = [each for times in seconds.values() for each in times]
    for name, times in [*sorted(seconds.items()), ("all", everything)]:
        if times:
            figures = (statistics.median(times), _percentile(times, 0.99), max(times))
            shown = "".join(f"{each / PERIOD:8.2f}" for each in figures)
            yield f"  {name:<28}{len(times):>6}{shown}"


def _percentile(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _added(counts: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counts, Counter[str]())


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name.lower()}" for name, number in counts.most_common())


def _table(title: str, counts: Counter[str]) -> Iterator[str]:
    yield f"\n{title}"
    for name, number in counts.most_common():
        yield f"  {name:<52}{number:>8}"
