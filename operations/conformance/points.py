"""A point of a contract, and whether a partner keeps it."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from loyalty_portal.partners import wire

LONGEST_SEEN = 300  # characters
Session = TypeVar("Session")


class Compliance(enum.StrEnum):
    KEPT = "kept"
    NOT_KEPT = "not kept"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Observation:
    """`seen`: what was seen, or why nothing could be; never a secret."""

    verdict: Compliance
    seen: str


@dataclass(frozen=True, slots=True)
class Check(Generic[Session]):
    """One `promise` of a contract. `means`: what it is for us when it is not kept."""

    key: str
    promise: str
    means: str
    look: Callable[[Session], Observation]


@dataclass(frozen=True, slots=True)
class Point:
    """A check that was made."""

    key: str
    promise: str
    verdict: Compliance
    seen: str
    means: str


class CannotTellError(Exception):
    """What the look needs is not there; the message says what."""


class UntriedError(Exception):
    """Nothing can be found out like this; the message says what is wrong with what we have."""


def kept(seen: str) -> Observation:
    return Observation(Compliance.KEPT, seen)


def broken(seen: str) -> Observation:
    return Observation(Compliance.NOT_KEPT, seen)


def cannot_tell(why: str) -> Observation:
    return Observation(Compliance.CANNOT_TELL, why)


def decided(holds: bool, seen: str) -> Observation:
    return kept(seen) if holds else broken(seen)


def made(check: Check[Session], session: Session) -> Point:
    """Make a check. What it needs and does not find is told, never raised."""
    try:
        finding = check.look(session)
    except (CannotTellError, wire.MalformedError) as why:
        finding = cannot_tell(str(why))
    # Partly the partner's words, for a terminal.
    seen = "".join(c if c.isprintable() else " " for c in finding.seen[:LONGEST_SEEN])
    return Point(check.key, check.promise, finding.verdict, seen, check.means)
