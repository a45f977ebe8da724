"""Sends requests to a partner, and records what every response must have."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from loyalty_portal.partners import wire
from loyalty_portal.partners.answers import UNAUTHORIZED, UNDECIDED
from loyalty_portal.partners.client import Answer, PartnerClient, Reply
from operations.conformance.contract import Contract, schema
from operations.conformance.points import (
    CannotTellError,
    Observation,
    UntriedError,
    broken,
    cannot_tell,
    decided,
    kept,
)

AT_ONCE = 4  # requests sent at the same time with one key
BUSY_TRIES = 5  # tries of one request while the partner answers 429
LONGEST_PAUSE = 30.0  # the longest Retry-After, in seconds, that a check waits for
BURST = 30  # requests sent quickly to cause a 429


@dataclass(frozen=True, slots=True)
class Heard:
    """One response. `status` is 0 when none came; `why` then says why."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    why: str = ""

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The code in the problem body, whatever the media type; "" without one."""
        code = self.body.get("code") if isinstance(self.body, dict) else None
        return code if isinstance(code, str) else ""

    @property
    def rejects_us(self) -> bool:
        """Whether the response rejects our credentials, so that nothing was done (ADR 0010)."""
        return self.status == 401 or (self.status == 403 and self.code == UNAUTHORIZED)

    @property
    def refused(self) -> bool:
        """Whether status and code are a final refusal: nothing was done or will be."""
        about_it = 400 <= self.status < 500 and self.status not in UNDECIDED
        return about_it and not self.rejects_us and bool(self.code)

    def __str__(self) -> str:
        if not self.status:
            return f"no answer ({self.why})"
        return f"{self.status} {self.code}".strip()


class Probe:
    """Sends requests. `unclear` counts the POSTs whose effect is unknown."""

    def __init__(self, client: PartnerClient, contract: Contract) -> None:
        self._client = client
        self.contract = contract
        self.unclear = 0
        self._errors: list[str] = []
        self._without: set[str] = set()
        self._busy: list[bool] = []  # for each 429, whether it had a Retry-After

    def get(self, path: str, params: Mapping[str, str] | None = None, **parts: str) -> Heard:
        return self._send(lambda: self._client.once("GET", path, parts, params=params))

    def post(
        self,
        path: str,
        data: Mapping[str, Any] | None,
        *,
        key: str,
        excused: Collection[int] = (),
        **parts: str,
    ) -> Heard:
        """Send a POST. A response with an `excused` status need not have a problem body."""
        body = b"" if data is None else wire.canonical(data)
        heard = self._send(
            lambda: self._client.once("POST", path, parts, body=body, idempotency_key=key), excused
        )
        if not heard.succeeded and (heard.status in {0, 408} or heard.status >= 500):
            self.unclear += 1
        return heard

    def once_though_together(
        self, call: Callable[[], Heard], place: str, name: str, noun: str
    ) -> Observation:
        """Whether several requests with one key, sent at the same time, create only one thing."""
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            answers = list(pool.map(lambda _: call(), range(AT_ONCE)))
        answers.append(call())  # by now the concurrent requests are finished
        ids, strange = self._made(answers, place, name)
        seen = f"{AT_ONCE} at once, one after; {noun}: {len(ids)}"
        return decided(len(ids) == 1 and not strange, "; ".join([seen, *strange]))

    def _made(self, answers: list[Heard], place: str, name: str) -> tuple[set[str], list[str]]:
        """Return the ids in the answers to one key, and a description of each wrong answer."""
        ids, strange = set(), set()
        for heard in answers:
            fault = self.fault(place, heard)
            if not fault:
                ids.add(heard.body[name])
            elif (heard.status, heard.code) != (409, "request_in_progress"):
                strange.add(fault)
        return ids, sorted(strange)

    def fault(self, place: str, heard: Heard) -> str:
        """The error in a successful response by the schema at `place`; "" if it has none."""
        if not heard.succeeded:
            return f"answered {heard}"
        if not isinstance(heard.body, dict):
            return f"{heard.status} with something other than a JSON object"
        return self.contract.fault(place, heard.body)

    def without_credentials(
        self, path: str, params: Mapping[str, str] | None = None, **parts: str
    ) -> Observation:
        """Whether a request without credentials is rejected."""
        stranger = self._client.without_credentials()
        heard = self._send(lambda: stranger.once("GET", path, parts, params=params))
        seen = f"a question without credentials was answered {heard}"
        if heard.rejects_us:
            return kept(seen)
        # Any other 403 is a refusal of the request itself, which shows nothing about credentials.
        return broken(seen) if heard.succeeded or heard.status == 403 else cannot_tell(seen)

    # --- Every response -----------------------------------------------------------------------

    def problems(self) -> Observation:
        """Whether all refusals and failures so far had a problem body."""
        if not self._errors:
            return cannot_tell("no error was answered")
        if self._without:
            return broken("; ".join(sorted(self._without)))
        return kept(f"{len(self._errors)} errors, each as the contract has it")

    def retry_after(self, ask: Callable[[], Heard]) -> Observation:
        """Whether each 429 says when to retry. Calls `ask` many times if there was none so far."""
        asked = 0
        while not self._busy and asked < BURST:
            asked += 1
            if not ask().status:
                break
        if not self._busy:
            return cannot_tell(
                f"{asked} quick questions met no 429: ask the partner what its limit is"
            )
        if all(self._busy):
            return kept(f"{len(self._busy)} times 429, each with Retry-After")
        return broken(f"{self._busy.count(False)} of {len(self._busy)} times 429 did not say when")

    def _send(self, send: Callable[[], Reply | Answer], excused: Collection[int] = ()) -> Heard:
        for _try in range(BUSY_TRIES):
            heard = _heard(send())
            if heard.status not in excused:
                self._note(heard)
            if heard.status != 429:
                break
            time.sleep(_pause(heard))
        return heard

    def _note(self, heard: Heard) -> None:
        if heard.status == 429:
            self._busy.append(bool(heard.headers.get("retry-after")))
        if heard.status < 400:
            return
        self._errors.append(str(heard))
        media_type = heard.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/problem+json":
            self._without.add(f"{heard} came as {media_type or 'nothing'}")
        elif fault := self.contract.fault(schema("Problem"), heard.body):
            self._without.add(f"{heard}: {fault}")
        elif heard.body["status"] != heard.status:
            self._without.add(f"{heard} says {heard.body['status']} inside")


def admitted(heard: Heard) -> Heard:
    """Return the first response. Raises UntriedError when our credentials are rejected."""
    if not heard.status:
        raise UntriedError(f"The partner cannot be reached: {heard}.")
    if heard.rejects_us:
        raise UntriedError(f"The partner does not take our credentials: {heard}.")
    return heard


def needed(value: Any, why: str) -> Any:
    """Return `value`, which a check needs. Raises CannotTellError with `why` if it is missing."""
    if value is None:
        raise CannotTellError(why)
    return value


def _heard(reply: Reply | Answer) -> Heard:
    if isinstance(reply, Answer):
        return Heard(0, why=reply.code)
    if reply.trouble:
        return Heard(reply.status, reply.headers, why=reply.trouble)
    try:
        body = json.loads(reply.raw)
    except (ValueError, RecursionError):
        body = None
    return Heard(reply.status, reply.headers, body)


def _pause(heard: Heard) -> float:
    value = heard.headers.get("retry-after", "")
    return min(float(value), LONGEST_PAUSE) if value.isascii() and value.isdigit() else 1.0
