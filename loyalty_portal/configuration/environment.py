"""Reads and checks environment variables, so that a wrong value stops the start with a message.

settings.py reads every variable through one `Environment`. `problems` collects all errors, and
`finish()` raises them together, so that an operator can fix them in one go.
"""

import os
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import environ
from django.core.exceptions import ImproperlyConfigured

# Waiting too long for a lock ends in "busy, try again" instead of a hung request. The tables are in
# memory or on an SSD, where a page here and there costs little more than those in a row: with
# PostgreSQL's 4 for disks that turn, it reads whole tables for a few rows. Operators may choose
# others.
_USUAL = "-c lock_timeout=5s -c idle_in_transaction_session_timeout=60s -c random_page_cost=1.1"
# An empty pgtrigger.ignore keeps its triggers from raising an error each time: every error rolls
# back a subtransaction, after which PostgreSQL searches all deferred checks, so long transactions
# became slower with each row.
_NEEDED = "-c timezone=UTC -c pgtrigger.ignore={}"
# The portal calls partners outside of transactions, and the fastpath relies on prepared statements.
_NOT_IN_QUERIES = ("ATOMIC_REQUESTS", "AUTOCOMMIT", "prepare_threshold")


def forget_empty() -> None:
    """Remove empty variables, for libraries that read the environment themselves.

    Env files write `NAME=` for an unset variable; gunicorn would parse "" as a number and Django
    would import it as a module.
    """
    for name in [name for name, value in os.environ.items() if not value.strip()]:
        del os.environ[name]


class WrongEnvironmentError(ImproperlyConfigured, SystemExit):
    """Variables are wrong; the message says which and why.

    A process that nobody catches it in ends with 1 and prints the message alone, without a
    traceback of the code that read the settings.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message  # what Python prints at the end


class Environment:
    """Typed access to `os.environ`. Each reader takes the variable's name and its default."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def wrong(self, name: str, why: str) -> None:
        self.problems.append(f"{name}: {why}")

    def text(self, name: str, default: str = "") -> str:
        """A text. An empty variable counts as unset."""
        return os.environ.get(name, "").strip() or default

    def flag(self, name: str, *, default: bool) -> bool:
        raw = self.text(name).lower()
        if raw in {"true", "1", "yes", "on"}:
            return True
        if raw in {"false", "0", "no", "off"}:
            return False
        if raw:
            self.wrong(name, f"must be true or false, not {raw!r}.")
        return default

    def seconds(self, name: str, default: float, *, low: float, high: float) -> float:
        raw = self.text(name)
        try:
            value = float(raw) if raw else default
        except ValueError:
            self.wrong(name, f"must be a number of seconds, not {raw!r}.")
            return default
        if not low <= value <= high:
            between = f"between {low:.10g} and {high:.10g}"
            self.wrong(name, f"must be {between} seconds, not {value:.10g}.")
            return default
        return value

    def count(self, name: str, default: int, *, low: int = 0, high: int) -> int:
        raw = self.text(name)
        value = int(raw) if raw.isdecimal() else default
        if raw and not (raw.isdecimal() and low <= value <= high):
            self.wrong(name, f"must be a whole number from {low} to {high}, not {raw!r}.")
            return default
        return value

    def zone(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if value not in available_timezones():
            self.wrong(name, f"must be a time zone such as Europe/Berlin, not {value!r}.")
            return default
        return value

    def words(self, name: str, default: str = "") -> list[str]:
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def url(self, name: str, default: str = "") -> str:
        value = self.text(name, default).rstrip("/")
        if value and (
            urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc
        ):
            # What stands before an @ may be a secret, as in SENTRY_DSN.
            told = "" if "@" in value else f", not {value!r}"
            self.wrong(name, f"must be an http(s) address{told}.")
        return value

    def redis(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if value and urlsplit(value).scheme not in {"redis", "rediss"}:
            self.wrong(name, "must be a redis:// or rediss:// address.")
        return value

    def database(self, name: str, default: str = "", waits: str = "") -> dict[str, Any] | None:
        """Django's settings for a PostgreSQL URL; None when the variable is not set.

        The URL's query may set options of libpq, and Django's CONN_MAX_AGE and the like. `waits`
        are further limits of this process, such as `-c statement_timeout=10s`.
        """
        raw = self.text(name, default)
        if not raw:
            return None
        if urlsplit(raw).scheme not in {"postgres", "postgresql"}:
            self.wrong(name, "must be a postgresql:// address; no other database will do.")
            return None
        settings = dict(environ.Env.db_url_config(raw))
        options = settings.setdefault("OPTIONS", {})
        for taken in _NOT_IN_QUERIES:
            if taken in settings or taken in options:
                self.wrong(name, f"sets {taken}, which the portal needs as it is; leave it out.")
        # libpq does not read PGOPTIONS when it is given options, so ours would hide them.
        theirs = options.get("options", self.text("PGOPTIONS"))
        # PostgreSQL lets the last one of a name win.
        options["options"] = " ".join(filter(None, (_USUAL, waits, str(theirs), _NEEDED)))
        return settings

    def email(self, name: str, default: str) -> dict[str, Any]:
        try:
            return dict(environ.Env.email_url_config(self.text(name, default)))
        except (ImproperlyConfigured, KeyError, ValueError):
            self.wrong(name, "must be like smtp+tls://user:password@host:587 or consolemail://.")
            return {}

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            self.wrong(name, f"must be one of {', '.join(allowed)}, not {value!r}.")
            return default
        return value

    def finish(self) -> None:
        if self.problems:
            raise WrongEnvironmentError(
                "The environment is not right:\n  - " + "\n  - ".join(self.problems)
            )
