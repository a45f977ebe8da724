"""Classifies a partner's answer into three outcomes (docs/decisions/0010-three-outcomes.md)."""

import enum
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from loyalty_portal.partners import wire

log = logging.getLogger(__name__)

LONGEST_RETRY_AFTER = 3600.0  # seconds
LONGEST_DETAIL = 300  # characters
# 4xx statuses that do not mean a refusal; the outcome is unknown.
UNDECIDED = frozenset({408, 409, 425, 429})
# Refusals that say our key or reference was used for something else. A person must look at them.
CONTRADICTIONS = frozenset({"idempotency_key_reused", "duplicate_reference"})
# With 403, this code means wrong credentials; any other code refuses the request itself.
UNAUTHORIZED = "unauthorized"
# Our own code: the token endpoint rejects our client id or secret.
NO_TOKEN = "token_refused"  # noqa: S105 - a word for what happened


class Outcome(enum.StrEnum):
    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a call.

    `code` is the partner's, or one of ours: timeout, deadline, connection, token, token_refused,
    too_large, encoded, redirect, malformed, mismatch, http_<status>. `retry_after` is in seconds.
    `may_have_landed` is False only when the partner certainly did nothing. `mismatch`: the answer
    contradicts the contract or the request, which opens an incident.
    """

    outcome: Outcome
    status_code: int | None = None
    body: dict[str, Any] | None = field(default=None, repr=False)
    code: str = ""
    detail: str = ""
    retry_after: float | None = None
    may_have_landed: bool = True
    mismatch: bool = False

    @property
    def told(self) -> str:
        """Code and detail, as the history of a call shows them."""
        return " ".join(part for part in (self.code, self.detail) if part)

    @property
    def rejects_us(self) -> bool:
        """Whether the partner rejected our credentials, so that it did nothing."""
        return (
            self.code == NO_TOKEN
            or self.status_code == 401
            or (self.status_code == 403 and self.code == UNAUTHORIZED)
        )


class PartnerUnavailableError(Exception):
    """A GET got no answer; `answer` says why. Ask again later."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.code}: {answer.detail}")
        self.answer = answer


class PartnerRefusedError(PartnerUnavailableError):
    """The partner refused to answer a GET, with the `code` of `answer`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A raw HTTP response. `headers` ignore case.

    `trouble` says why the body was not read: too_large or encoded.
    """

    status: int
    headers: Mapping[str, str]
    raw: bytes
    trouble: str


def judge(reply: Reply) -> Answer:
    status = reply.status
    if 200 <= status < 300:
        return _judge_success(reply)
    unknown = Answer(
        Outcome.UNKNOWN,
        status,
        code="redirect" if 300 <= status < 400 else reply.trouble or f"http_{status}",
        detail="not an answer that the contract describes",
        retry_after=retry_after(reply.headers.get("retry-after", "")),
        # Credentials are checked before anything is done, so any 401 means that nothing was done.
        may_have_landed=status != 401,
    )
    problem = _problem(reply)
    if problem is None or status < 400:
        return unknown
    described = replace(
        unknown,
        body=problem,
        code=re.sub(r"[^\w.:-]", "_", problem["code"], flags=re.ASCII)[:64],
        detail=redacted(problem.get("detail") or problem["title"]),
    )
    # A rejection of our credentials says nothing about points or codes (0010).
    if described.rejects_us:
        return replace(described, may_have_landed=False)
    if described.code in CONTRADICTIONS:
        return replace(described, mismatch=True)
    if status >= 500 or status in UNDECIDED:
        return described
    return replace(described, outcome=Outcome.REFUSED)


def _judge_success(reply: Reply) -> Answer:
    trouble, detail = reply.trouble, "a success whose body was not read"
    if not trouble:
        try:
            return Answer(Outcome.SUCCEEDED, reply.status, wire.read_object(reply.raw))
        except wire.MalformedError as error:
            trouble, detail = "malformed", str(error)
    return Answer(Outcome.UNKNOWN, reply.status, code=trouble, detail=detail, mismatch=True)


def contradicted(answer: Answer, why: str) -> Answer:
    """Mark a successful answer as UNKNOWN because it contradicts the contract or the request.

    `why` names fields and never values, because it is logged.
    """
    log.error("partner answer contradicts", extra={"status": answer.status_code, "why": why})
    return replace(answer, outcome=Outcome.UNKNOWN, code="mismatch", detail=why, mismatch=True)


def _problem(reply: Reply) -> dict[str, Any] | None:
    """The body, if it is a problem as the contract defines it, with the same status; else None."""
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/problem+json":
        return None
    try:
        body = wire.read_object(reply.raw)
        wire.text(body, "title")
        wire.text(body, "code")
        wire.text_or_none(body, "detail")
        return body if wire.whole(body, "status", least=100) == reply.status else None
    except wire.MalformedError:
        return None


def retry_after(value: str) -> float | None:
    """Parse a Retry-After header, a number or an HTTP date, to seconds from now; None if
    invalid.
    """
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        when = parsedate_to_datetime(value)
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


_SECRETS = re.compile(
    r"""\S+@\S+                        # e-mail addresses
      | \+?\d[\d\s().-]{7,}\d          # telephone and card numbers
      | (?=[A-Za-z+/_=.-]*\d)[A-Za-z0-9+/_=.-]{24,}  # tokens and keys
      | \b(?:[A-Z0-9]{4,}-){2,}[A-Z0-9]{4,}\b  # codes""",
    re.VERBOSE,
)


def redacted(words: str) -> str:
    """Shorten a partner's text to one line without parts that look like secrets or addresses."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in words[:1000]).split())
    return _SECRETS.sub("[hidden]", plain)[:LONGEST_DETAIL]
