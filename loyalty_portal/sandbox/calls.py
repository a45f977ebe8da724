"""A call to a partner, and the records of calls that tests and people can read."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NoReturn

from loyalty_portal.sandbox import clock
from loyalty_portal.sandbox.idempotency import MAX_KEY
from loyalty_portal.sandbox.problems import Answer, Json, ProblemError, invalid

KEPT = 5000
MAX_BODY = 256 * 1024

logger = logging.getLogger("sandbox")


@dataclass
class Call:
    """A request that was read completely but not validated yet."""

    operation: str
    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    params: Mapping[str, str]
    raw: bytes
    refusal: ProblemError | None = None
    replayed: bool = False
    unheld: bool = False  # another call with its key runs, and the sandbox is set to ignore that
    record: Json = field(default_factory=dict)

    @property
    def key(self) -> str | None:
        return self.headers.get("Idempotency-Key") if self.method == "POST" else None

    def needed_key(self) -> str:
        key = self.key
        if not key or len(key) > MAX_KEY:
            raise invalid(
                f"Idempotency-Key must have 1 to {MAX_KEY} characters.", HTTPStatus.BAD_REQUEST
            )
        return key

    def json(self) -> Json:
        """The parsed body. Raises 400, 413 or 422 `invalid_request`."""
        if len(self.raw) > MAX_BODY:
            raise invalid("The body is too large.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            body = json.loads(self.raw, parse_constant=_no_constant)
            # JSON's grammar allows a lone surrogate, but it cannot be encoded.
            json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise invalid("The body is not JSON.", HTTPStatus.BAD_REQUEST) from None
        if not isinstance(body, dict):
            raise invalid("The body must be an object.")
        return body

    def subjects(self) -> list[str]:
        """The texts that the `match` of a fault rule is compared with."""
        named = (*self.params.values(), *self.query.values(), self.key)
        return [text for text in (*named, *self._named_in_body().values()) if text]

    def describe(self) -> Json:
        body = self._named_in_body()
        return {
            "operation": self.operation,
            "method": self.method,
            "path": self.path,
            "idempotency_key": self.key,
            "account_id": self.params.get("account_id") or body.get("account_id"),
            "reference": self.query.get("reference") or body.get("reference"),
            "fulfillment_id": self.params.get("fulfillment_id"),
        }

    def _named_in_body(self) -> dict[str, str]:
        try:
            body = self.json()
        except ProblemError:
            return {}
        names = ("account_id", "reference")
        return {name: body[name] for name in names if isinstance(body.get(name), str)}


class Calls:
    """The latest calls, newest last. Bodies, tokens and codes are never recorded."""

    def __init__(self) -> None:
        self._calls: deque[Json] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)

    def begin(self, call: Call, fault: str | None) -> None:
        call.record = {
            "seq": next(self._numbers),
            "at": clock.stamp(),
            **call.describe(),
            "fault": fault,
            "outcome": "running",
            "status": None,
            "code": None,
            "started": time.perf_counter(),
        }
        self._calls.append(call.record)

    def end(self, call: Call, answer: Answer, *, sent: bool) -> None:
        """Record the answer. `status` is the sent one, None when no complete answer was sent."""
        started = call.record.pop("started", time.perf_counter())
        call.record |= {
            "outcome": _outcome(call, answer),
            "status": answer.status if sent else None,
            "code": answer.body.get("code"),
            "ms": round((time.perf_counter() - started) * 1000, 1),
        }
        shown = ("status", "outcome", "code", "account_id", "reference", "fault", "ms")
        words = [
            f"{name}={_one_line(call.record[name])}"
            for name in shown
            if call.record[name] is not None
        ]
        logger.info("%s %s", call.operation, " ".join(words))

    def list(self, wanted: Mapping[str, str]) -> list[Json]:
        """The calls whose fields have the wanted values."""
        return [
            {name: value for name, value in call.items() if name != "started"}
            for call in self._calls
            if all(str(call.get(name)) == value for name, value in wanted.items())
        ]

    def clear(self) -> None:
        self._calls.clear()


def _outcome(call: Call, answer: Answer) -> str:
    if call.replayed:
        return "replayed"
    if answer.succeeded:
        return "executed"
    return "refused" if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"


def _one_line(value: object) -> str:
    """Escape line breaks, so that a caller cannot forge lines in the log."""
    return str(value).encode("unicode_escape").decode()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
