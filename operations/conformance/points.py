"""A promise of a contract, the check of it, and the result."""

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
    """The result of a check. `seen` says what was seen, or why nothing was; it has no secrets."""

    verdict: Compliance
    seen: str


@dataclass(frozen=True, slots=True)
class Check(Generic[Session]):
    """The check of one `promise` of a contract. `means`: the consequence for us if it is broken."""

    key: str
    promise: str
    means: str
    look: Callable[[Session], Observation]


@dataclass(frozen=True, slots=True)
class Point:
    """A check with its result."""

    key: str
    promise: str
    verdict: Compliance
    seen: str
    means: str


class CannotTellError(Exception):
    """A check cannot be made because something it needs is missing; the message says what."""


class UntriedError(Exception):
    """The whole run is impossible; the message says which setting or answer is wrong."""


def kept(seen: str) -> Observation:
    return Observation(Compliance.KEPT, seen)


def broken(seen: str) -> Observation:
    return Observation(Compliance.NOT_KEPT, seen)


def cannot_tell(why: str) -> Observation:
    return Observation(Compliance.CANNOT_TELL, why)


def decided(holds: bool, seen: str) -> Observation:
    return kept(seen) if holds else broken(seen)


def made(check: Check[Session], session: Session) -> Point:
    """Run a check. A missing precondition becomes a result and is not raised."""
    try:
        finding = check.look(session)
    except (CannotTellError, wire.MalformedError) as why:
        finding = cannot_tell(str(why))
    # The text is partly the partner's, so remove control characters for the terminal.
    seen = "".join(c if c.isprintable() else " " for c in finding.seen[:LONGEST_SEEN])
    return Point(check.key, check.promise, finding.verdict, seen, check.means)
