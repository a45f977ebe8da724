"""Idempotency keys: each is executed once, and its answer is stored in the same transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from loyalty_portal.sandbox.problems import Answer, Json, ProblemError
from loyalty_portal.sandbox.store import Store

MAX_KEY = 255


def fingerprint(operation: str, body: Json) -> str:
    """A digest that is equal for equal requests, whatever the order of their fields."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{operation} {canonical}".encode()).hexdigest()


class Answers:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: set[tuple[str, str]] = set()

    def is_running(self, api: str, key: str | None) -> bool:
        return (api, key) in self._running

    @contextmanager
    def running(self, api: str, key: str | None) -> Iterator[None]:
        """Lock the key while its first call runs. Raises 409 `request_in_progress`."""
        if key is None:
            yield
            return
        if (api, key) in self._running:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "request_in_progress",
                "The first request with this Idempotency-Key is still running.",
            )
        self._running.add((api, key))
        try:
            yield
        finally:
            self._running.discard((api, key))

    def once(
        self, api: str, key: str, print_: str | None, effect: Callable[[], Answer]
    ) -> tuple[Answer, bool]:
        """Run `effect`, or return the key's first answer; the second value says if it is a repeat.

        A refusal is stored like a success. Without a fingerprint any body gets the stored answer.
        Raises 422 `idempotency_key_reused`.
        """
        with self._store.write():
            kept = self._kept(api, key, print_)
            if kept:
                return kept, True
            try:
                answer = effect()
            except ProblemError as refusal:
                answer = refusal.answer()
            self.keep(api, key, print_, answer)
            return answer, False

    def keep(self, api: str, key: str, print_: str | None, answer: Answer) -> None:
        """Store an answer in the current transaction. Without a fingerprint any body may repeat the
        key.
        """
        self._store.run(
            "INSERT INTO answer VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            api, key, print_, answer.status, json.dumps(answer.body),
        )  # fmt: skip

    def _kept(self, api: str, key: str, print_: str | None) -> Answer | None:
        row = self._store.row(
            "SELECT * FROM answer WHERE api = ? AND idempotency_key = ?", api, key
        )
        if row is None:
            return None
        if None not in (print_, row["fingerprint"]) and row["fingerprint"] != print_:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request.",
            )
        status = int(row["status"])
        if status < HTTPStatus.BAD_REQUEST:
            status = HTTPStatus.OK
        return Answer(status, json.loads(row["body"]))
