"""What an examination says: one line a subject, how it is, and what to do about it."""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import OperationalError


class State(enum.StrEnum):
    """From well to ill; BAD needs somebody now."""

    OK = "ok"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """`says` and `do` are plain sentences, without secrets and without anything about a person."""

    subject: str
    state: State
    says: str
    do: str = ""


Check = Callable[[], Iterator[Finding]]


def fine(subject: str, says: str) -> Finding:
    return Finding(subject, State.OK, says)


def examined(subject: str, check: Check) -> list[Finding]:
    """What the check found, or that it could not look. Never the text of an error: it may hold
    an address with its password."""
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
    """Such as "40 s", "12 min", "5 h", "3 days"."""
    seconds = max(0, int(age.total_seconds()))
    for name, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def counted(number: int, one: str, many: str = "") -> str:
    """Such as "1 order", "2,000 orders"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
