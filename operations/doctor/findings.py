"""The result of a check: one line with a subject, a state and what to do."""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import OperationalError


class State(enum.StrEnum):
    """The states from good to bad; BAD needs somebody now."""

    OK = "ok"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `says` and `do` are sentences without secrets or personal data."""

    subject: str
    state: State
    says: str
    do: str = ""


Check = Callable[[], Iterator[Finding]]


def fine(subject: str, says: str) -> Finding:
    return Finding(subject, State.OK, says)


def examined(subject: str, check: Check) -> list[Finding]:
    """Run a check and return its findings, or a finding that the check failed.

    The text of an error is never shown: it may contain an address with its password.
    """
    try:
        return list(check())
    except OperationalError as error:
        return [_unseen(subject, error, "It took too long, or PostgreSQL went away; look again.")]
    except DatabaseError as error:
        return [_unseen(subject, error, "Have the migrations run? See the line about them.")]
    except Exception as error:  # noqa: BLE001 - one check that fails must not hide the others
        return [_unseen(subject, error, "Tell the developers.")]


def _unseen(subject: str, error: Exception, do: str) -> Finding:
    return Finding(subject, State.BAD, f"could not be looked at ({type(error).__name__})", do)


def by_age(age: timedelta, *, look: timedelta, bad: timedelta) -> State:
    if age >= bad:
        return State.BAD
    return State.LOOK if age >= look else State.OK


def spoken(age: timedelta) -> str:
    """A duration such as "40 s", "12 min", "5 h", "3 days"."""
    seconds = max(0, int(age.total_seconds()))
    for name, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def counted(number: int, one: str, many: str = "") -> str:
    """A count with its noun, such as "1 order" or "2,000 orders"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
