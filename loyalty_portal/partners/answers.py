"""What a partner's answer means: one of three outcomes (docs/decisions/0010-three-outcomes.md)."""

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
UNDECIDED = frozenset({408, 409, 425, 429})  # 4xx that the contracts do not count as refusals
# Refusals which say that something else was done under our key or reference: ask a person.
CONTRADICTIONS = frozenset({"idempotency_key_reused", "duplicate_reference"})
UNAUTHORIZED = "unauthorized"  # with 403: about who asks; every other code is about what is asked
# Ours: the token endpoint does not take our client id or secret.
NO_TOKEN = "token_refused"  # noqa: S105 - a word for what happened


class Outcome(enum.StrEnum):
    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to.

    `code` is the partner's, or our own word: timeout, deadline, connection, token, token_refused,
    too_large, encoded, redirect, malformed, mismatch, http_<status>. `retry_after` in seconds.
    `may_have_landed` is False only when the partner certainly did nothing.
    `mismatch`: the answer contradicts the contract or the request; an incident.
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
        """Whether the partner does not take our credentials, and so has done nothing."""
        return (
            self.code == NO_TOKEN
            or self.status_code == 401
            or (self.status_code == 403 and self.code == UNAUTHORIZED)
        )


class PartnerUnavailableError(Exception):
    """A question was not answered; `answer` says how. Ask again later."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.code}: {answer.detail}")
        self.answer = answer


class PartnerRefusedError(PartnerUnavailableError):
    """The partner answered that it will not tell, with the `code` of `answer`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` ignore case. `trouble`: why the body was not read, too_large or encoded."""

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
        retry_after=_retry_after(reply.headers.get("retry-after", "")),
        # Who we are is asked before anything is done; so says even a gateway's bare 401.
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
    if described.rejects_us:  # our credentials say nothing about points or codes (0010)
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
    """The answer, when its 2xx turns out not to match the contract or the request.

    `why` names fields, never values: it is logged, since the door has logged a success.
    """
    log.error("partner answer contradicts", extra={"status": answer.status_code, "why": why})
    return replace(answer, outcome=Outcome.UNKNOWN, code="mismatch", detail=why, mismatch=True)


def _problem(reply: Reply) -> dict[str, Any] | None:
    """The body, when it is a problem as the contract has it, for this very status."""
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


def _retry_after(value: str) -> float | None:
    """Seconds from now, of a number or an HTTP date; None when it is neither."""
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
    """For people: on one line, short, without what looks like a secret or an address."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in words[:1000]).split())
    return _SECRETS.sub("[hidden]", plain)[:LONGEST_DETAIL]
