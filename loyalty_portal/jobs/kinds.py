"""The kinds of jobs, which the rooms define and settings.JOB_KINDS names.

A kind's `work` is a generator. It starts where `job.state` says and yields a Step after each slice.
The code between two steps runs in one transaction together with the record of its step, so it must
write through the default connection, call no partner, and stay well below a minute. It may be
run again from the same state, by another process.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from loyalty_portal.jobs.models import Job


class JobRefusedError(Exception):
    """A job cannot be started, or cannot go on; the message is a sentence for the person who asked
    for it.
    """


@dataclass(frozen=True, slots=True)
class Step:
    """The end of a slice: what is recorded with it.

    `state` is where the next slice begins, and replaces the former; `done` counts the rows so far,
    of `total` (None: unknown). `result` replaces the former one.
    """

    state: Mapping[str, Any]
    done: int
    total: int | None = None
    result: Mapping[str, Any] = field(default_factory=dict)


def nothing_to_tell(_job: Job) -> Sequence[str]:
    return ()


def no_facts(_job: Job) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job.

    `permission`: who may start it, and see and stop those of others. `tell` puts the result into
    sentences. `template` shows more of it below, with the variables `facts`. `undo` names the kind
    that undoes it, if one does.
    """

    title: Promise
    permission: str
    work: Callable[[Job], Iterator[Step]]
    tell: Callable[[Job], Sequence[str]] = nothing_to_tell
    template: str = ""
    facts: Callable[[Job], Mapping[str, object]] = no_facts
    undo: str = ""


def kinds() -> Mapping[str, Kind]:
    """The kinds by their names, which are stored in the rows and never change."""
    return {name: import_string(place) for name, place in settings.JOB_KINDS.items()}


def kind_of(job: Job) -> Kind | None:
    """The job's kind; None when no kind has this name any more."""
    return kinds().get(job.kind)


def title_of(job: Job) -> str:
    kind = kind_of(job)
    return str(kind.title) if kind else job.kind
