"""Fault rules: which calls get a fault, how often, and which one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from loyalty_portal.sandbox.faults.behaviour import MODES
from loyalty_portal.sandbox.problems import Json

CALLS = (
    *("balance", "debit", "credit", "statement"),
    *("fulfill", "get_fulfillment", "find", "cancel", "resend", "text"),
)
OPERATIONS = (*CALLS, "token", "webhook", "*")

BEFORE = {
    "delay": "wait, then carry on as if nothing were wrong, even when the caller has left",
    "timeout_before": "hang without effect, then close",
    "reset_before": "reset the connection without effect",
    "error_500_before": "500 without effect",
    "unavailable_503": "503 without effect",
    "too_many_429": "429 with Retry-After",
    "expired_token": "401, and the token is gone",
    "bare_401": "401 as a web page, without effect",
    "unauthorized_403": "403 about the credentials, without effect",
    "forbidden_403": "refuse with 403 and a code of your choice",
    "bare_403_before": "403 as a web page, without effect",
    "redirect": "307 to another address, without effect",
    "refuse": "refuse with a code of your choice",
}
AFTER = {
    "timeout_after": "take effect, hang, never answer",
    "reset_after": "take effect, then reset the connection",
    "error_500_after": "take effect, then 500",
    "bare_403_after": "take effect, then 403 as a web page",
    "malformed": "take effect, answer 2xx with broken JSON",
    "mismatch": "take effect, answer 2xx about something else",
    "someone_elses_transaction_id": "take effect, answer 2xx with another entry's number",
    "not_schema": "take effect, answer 2xx with another schema",
    "slow_drip": "take effect, answer byte by byte",
    "huge": "take effect, answer with a body over any cap",
}
MODE = {mode: f"this fulfillment alone in mode {mode}" for mode in MODES}
LIES = {
    "false_failure": "failed, with another's id, before the POST is answered; it is none",
    "false_delivery": "delivered, with another's id and codes, before the POST is answered",
}
EARLY = {"early": "the webhook goes out before the POST is answered"} | LIES
CODES = {
    "fewer_codes": "one code too few",
    "more_codes": "one code too many",
    "same_code": "a code that another fulfillment has",
}
NEWS = {
    "late": "the webhook comes late",
    "repeat": "the webhook comes more than once",
    "reorder": "processing comes after delivered",
    "missing": "the webhook never comes",
    "contradict": "delivered, then failed",
    "retract": "failed, then delivered",
    "other_codes": "delivered, with another's codes",
}
SENDING = {"forge": "a bad signature", "stale": "an old timestamp"}

REQUEST = BEFORE | AFTER
WEBHOOK = EARLY | CODES | NEWS | SENDING
ALL = REQUEST | MODE | WEBHOOK

SCHEMA: Json = {
    "type": "object",
    "required": ["operation", "fault"],
    "additionalProperties": False,
    "properties": {
        "operation": {"enum": list(OPERATIONS)},
        "fault": {"enum": list(ALL)},
        "times": {"type": ["integer", "null"], "minimum": 1},
        "rate": {"type": "number", "minimum": 0, "maximum": 1},
        "match": {"type": ["string", "null"], "maxLength": 255},
        "seconds": {"type": "number", "minimum": 0, "maximum": 3600},
        "retry_after": {"type": "number", "minimum": 0, "maximum": 86400},
        "http_date": {"type": "boolean"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "maxLength": 100},
        "field": {"type": "string", "maxLength": 100},
        "copies": {"type": "integer", "minimum": 2, "maximum": 100},
        "location": {"type": "string", "pattern": "^https?://"},
    },
}


@dataclass
class Rule:
    """A fault rule.

    `times`: how often it still applies (None: always). `rate`: its probability. `match`: a part of
    the reference, account, fulfillment id or key. The other fields belong to single faults:
    `seconds` to wait, `retry_after` seconds (`http_date`: sent as a date), `status` and `code` of a
    refusal, `field` that does not match, `copies` of a webhook, `location` of a redirect. `struck`
    counts its uses.
    """

    id: int
    operation: str
    fault: str
    times: int | None = None
    rate: float = 1.0
    match: str | None = None
    seconds: float = 30.0
    retry_after: float = 1.0
    http_date: bool = False
    status: int = 422
    code: str = "rejected"
    field: str | None = None
    copies: int = 2
    location: str | None = None
    struck: int = 0

    def hits(self, operations: Iterable[str], subjects: Iterable[str]) -> bool:
        if self.times == 0 or self.operation not in (*operations, "*"):
            return False
        return not self.match or any(self.match in subject for subject in subjects)


class Faults:
    def __init__(self, seed: int | None) -> None:
        self._ids = itertools.count(1)
        self._rules: dict[int, Rule] = {}
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 - dice that can be thrown again, no secret

    def add(self, given: Json) -> Rule:
        rule = Rule(id=next(self._ids), **given)
        self._rules[rule.id] = rule
        return rule

    def list(self) -> list[Json]:
        return [asdict(rule) for rule in self._rules.values()]

    def clear(self, rule_id: int | None = None) -> None:
        """Remove one rule, or all. Removing all also restarts the random numbers from the seed."""
        if rule_id is None:
            self._rules.clear()
            self._random.seed(self._seed)
        else:
            self._rules.pop(rule_id, None)

    def seed(self, seed: int | None) -> None:
        self._seed = seed
        self._random.seed(seed)

    def take(
        self, operations: Iterable[str], subjects: Iterable[str], kinds: Iterable[str]
    ) -> Rule | None:
        """The first rule of these kinds that applies now. It counts as used."""
        operations, subjects = tuple(operations), [subject for subject in subjects if subject]
        for rule in self._rules.values():
            if rule.fault not in kinds or not rule.hits(operations, subjects):
                continue
            if rule.rate < 1 and self._random.random() >= rule.rate:
                continue
            rule.struck += 1
            if rule.times is not None:
                rule.times -= 1
            return rule
        return None
