"""Asking a partner, answer by answer, and noting what every answer must have."""

import json
import time
from collections.abc import Callable, Mapping
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

AT_ONCE = 4  # requests with one key
BUSY_TRIES = 5  # for one request, while the partner says 429
LONGEST_PAUSE = 30.0  # seconds that a Retry-After is waited for
BURST = 30  # quick questions to see a 429


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as it came; `status` 0: none, and `why` says how that was."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    why: str = ""

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The problem's code, whatever the media type; "" when there is none."""
        code = self.body.get("code") if isinstance(self.body, dict) else None
        return code if isinstance(code, str) else ""

    @property
    def rejects_us(self) -> bool:
        """Whether it is about our credentials, and nothing was done (ADR 0010)."""
        return self.status == 401 or (self.status == 403 and self.code == UNAUTHORIZED)

    @property
    def refused(self) -> bool:
        """Whether its status and code are a refusal: nothing was done, nor ever will be."""
        about_it = 400 <= self.status < 500 and self.status not in UNDECIDED
        return about_it and not self.rejects_us and bool(self.code)

    def __str__(self) -> str:
        if not self.status:
            return f"no answer ({self.why})"
        return f"{self.status} {self.code}".strip()


class Probe:
    """`unclear` counts the POSTs after which nobody knows what the partner did."""

    def __init__(self, client: PartnerClient, contract: Contract) -> None:
        self._client = client
        self.contract = contract
        self.unclear = 0
        self._errors: list[str] = []
        self._without: set[str] = set()
        self._busy: list[bool] = []  # of each 429, whether it said when

    def get(self, path: str, params: Mapping[str, str] | None = None, **parts: str) -> Heard:
        return self._send(lambda: self._client.once("GET", path, parts, params=params))

    def post(self, path: str, data: Mapping[str, Any] | None, *, key: str, **parts: str) -> Heard:
        body = b"" if data is None else wire.canonical(data)
        heard = self._send(
            lambda: self._client.once("POST", path, parts, body=body, idempotency_key=key)
        )
        if not heard.succeeded and (heard.status in {0, 408} or heard.status >= 500):
            self.unclear += 1
        return heard

    def once_though_together(
        self, call: Callable[[], Heard], place: str, name: str, noun: str
    ) -> Observation:
        """Whether one key makes one thing, though it is sent several times at once."""
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            answers = list(pool.map(lambda _: call(), range(AT_ONCE)))
        answers.append(call())  # what was in progress is done by now
        ids, strange = self._made(answers, place, name)
        seen = f"{AT_ONCE} at once, one after; {noun}: {len(ids)}"
        return decided(len(ids) == 1 and not strange, "; ".join([seen, *strange]))

    def _made(self, answers: list[Heard], place: str, name: str) -> tuple[set[str], list[str]]:
        """The different ids in answers to one key, and those answers that should not be."""
        ids, strange = set(), set()
        for heard in answers:
            fault = self.fault(place, heard)
            if not fault:
                ids.add(heard.body[name])
            elif (heard.status, heard.code) != (409, "request_in_progress"):
                strange.add(fault)
        return ids, sorted(strange)

    def fault(self, place: str, heard: Heard) -> str:
        """What is wrong with a success, by the schema at `place`; "" if nothing."""
        if not heard.succeeded:
            return f"answered {heard}"
        if not isinstance(heard.body, dict):
            return f"{heard.status} with something other than a JSON object"
        return self.contract.fault(place, heard.body)

    def without_credentials(
        self, path: str, params: Mapping[str, str] | None = None, **parts: str
    ) -> Observation:
        """Whether who shows no credentials is turned away."""
        stranger = self._client.without_credentials()
        heard = self._send(lambda: stranger.once("GET", path, parts, params=params))
        seen = f"a question without credentials was answered {heard}"
        if heard.rejects_us:
            return kept(seen)
        # Any other 403 is a refusal of what is asked, or proves nothing.
        return broken(seen) if heard.succeeded or heard.status == 403 else cannot_tell(seen)

    # --- What every answer must have --------------------------------------------------------

    def problems(self) -> Observation:
        """Over all refusals and failures that were heard so far."""
        if not self._errors:
            return cannot_tell("no error was answered")
        if self._without:
            return broken("; ".join(sorted(self._without)))
        return kept(f"{len(self._errors)} errors, each as the contract has it")

    def retry_after(self, ask: Callable[[], Heard]) -> Observation:
        """Over all 429 that were heard, or that `ask`, many times, brings about."""
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

    def _send(self, send: Callable[[], Reply | Answer]) -> Heard:
        for _try in range(BUSY_TRIES):
            heard = _heard(send())
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
    """The answer to our first question. Raises UntriedError when the door stays shut for us."""
    if not heard.status:
        raise UntriedError(f"The partner cannot be reached: {heard}.")
    if heard.rejects_us:
        raise UntriedError(f"The partner does not take our credentials: {heard}.")
    return heard


def needed(value: Any, why: str) -> Any:
    """What a check stands on. Raises CannotTellError with `why` when it is not there."""
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
