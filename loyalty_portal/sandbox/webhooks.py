"""Sends webhooks, signed (Standard Webhooks 1.0) and repeated with backoff until a 2xx."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import time
from datetime import UTC, datetime

import aiohttp
from standardwebhooks import Webhook

from loyalty_portal.sandbox.deliveries import Deliveries
from loyalty_portal.sandbox.faults.behaviour import BehaviourStore
from loyalty_portal.sandbox.faults.rules import SENDING, Faults
from loyalty_portal.sandbox.store import Store

FIRST_WAIT = 0.25  # seconds, doubled with each attempt
LONGEST_WAIT = 60.0
GIVE_UP_AFTER = 3 * 86400.0
STALE_BY = 3600.0
TIMEOUT = 10.0
AT_ONCE = 32
IDLE = 60.0

logger = logging.getLogger("sandbox")


class Courier:
    """Does due work: ends fulfillments and sends events.

    The queue is in the database, so it continues after a restart.
    """

    def __init__(
        self,
        store: Store,
        dials: BehaviourStore,
        faults: Faults,
        deliveries: Deliveries,
        secret: str | None,
    ) -> None:
        self._store = store
        self._dials = dials
        self._faults = faults
        self._deliveries = deliveries
        self._signer = Webhook(secret) if secret else None
        self._awake = asyncio.Event()
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def wake(self) -> None:
        self._awake.set()

    async def run(self) -> None:
        """Work until the process ends."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as self._session:
                while True:
                    self._awake.clear()
                    self._advance()
                    self._send_due()
                    # Not wait_for: in Python 3.11 it can lose a cancellation, and the shutdown
                    # would hang.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._until_next()):
                            await self._awake.wait()
        finally:
            tasks = list(self._sending.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def finish(self) -> None:
        """Wait for the requests that are being sent."""
        if self._sending:
            await asyncio.wait(list(self._sending.values()))

    async def send_now(self, fulfillment_id: str, seconds: float) -> None:
        """Send the waiting events of one fulfillment, and wait for them at most `seconds`."""
        rows = self._store.rows(
            "SELECT * FROM event WHERE fulfillment_id = ? AND done = 0 AND after_id IS NULL",
            fulfillment_id,
        )
        tasks = [self._start(row) for row in rows] if self._ready else []
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    @property
    def _ready(self) -> bool:
        return bool(self._dials.now.webhook_url and self._signer and self._session)

    def _advance(self) -> None:
        for row in self._deliveries.due(time.time()):
            with self._store.write():
                self._deliveries.advance(row)

    def _waiting(self) -> list[sqlite3.Row]:
        """The unsent events that are not held back by another one, the earliest first."""
        if not self._ready:
            return []
        return self._store.rows(
            "SELECT * FROM event AS e WHERE done = 0 AND (after_id IS NULL OR EXISTS (SELECT 1"
            " FROM event AS first WHERE first.event_id = e.after_id AND first.done))"
            " ORDER BY due_at LIMIT ?",
            AT_ONCE + len(self._sending),
        )

    def _send_due(self) -> None:
        for row in self._waiting():
            if row["due_at"] <= time.time() and len(self._sending) < AT_ONCE:
                self._start(row)

    def _until_next(self) -> float:
        times = [
            float(row["due_at"]) for row in self._waiting() if row["event_id"] not in self._sending
        ]
        fulfillment = self._store.row("SELECT MIN(due_at) AS due FROM fulfillment")
        if fulfillment and fulfillment["due"] is not None:
            times.append(float(fulfillment["due"]))
        if len(self._sending) >= AT_ONCE or not times:
            return IDLE
        return min(IDLE, max(0.001, min(times) - time.time()))

    def _start(self, row: sqlite3.Row) -> asyncio.Task[None]:
        identity = row["event_id"]
        if identity not in self._sending:
            task = asyncio.create_task(self._attempt(row))
            self._sending[identity] = task
            task.add_done_callback(lambda _: self._finished(identity))
        return self._sending[identity]

    def _finished(self, event_id: str) -> None:
        self._sending.pop(event_id, None)
        self.wake()

    async def _attempt(self, row: sqlite3.Row) -> None:
        status = await self._post(row)
        good = status is not None and 200 <= status < 300
        attempts = row["attempts"] + 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(row["attempts"], 20))
        copies = row["copies"] - 1 if good else row["copies"]
        tired = time.time() - row["created_at"] > GIVE_UP_AFTER
        done = copies == 0 or tired or "no_repeat" in self._dials.now.slips
        with self._store.write():
            self._store.run(
                "UPDATE event SET attempts = ?, last_status = ?, copies = ?, done = ?, due_at = ?"
                " WHERE event_id = ?",
                attempts, status, copies, done, time.time() + (0 if good else wait),
                row["event_id"],
            )  # fmt: skip
        logger.info(
            "webhook status=%s reference=%s attempt=%s id=%s",
            status, row["reference"], attempts, row["event_id"],
        )  # fmt: skip

    async def _post(self, row: sqlite3.Row) -> int | None:
        """Send an event. Returns the status of the response, or None without one."""
        address = self._dials.now.webhook_url
        if address is None or self._session is None or self._signer is None:
            return None
        rule = self._faults.take(("webhook",), (row["reference"], row["fulfillment_id"]), SENDING)
        fault = rule.fault if rule else None
        moment = int(time.time() - (STALE_BY if fault == "stale" else 0))
        body = row["body"]
        signed = json.dumps({"forged": True}) if fault == "forge" else body
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "sandbox-fulfillment/1.0",
            "webhook-id": row["event_id"],
            "webhook-timestamp": str(moment),
            "webhook-signature": self._signer.sign(
                row["event_id"], datetime.fromtimestamp(moment, UTC), signed
            ),
        }
        try:
            async with self._session.post(
                address,
                data=body.encode(),
                headers=headers,
                allow_redirects=False,
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
