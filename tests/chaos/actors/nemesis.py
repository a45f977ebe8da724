"""Causes the faults of the plan, and ends them again."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from urllib.error import URLError

import psycopg
import redis
from standardwebhooks import Webhook

from tests.chaos.actors.house import House
from tests.chaos.plan import LINE_NAMES, LINE_TROUBLES, Blow
from tests.support.sandbox_process import SandboxError
from tests.support.waiting import eventually

HANGING = 6.0  # seconds for which a partner does not answer, longer than a call's deadline
FORGERIES = 20  # forged callbacks sent by one fault
STRANGER = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgbm90IG91cnM="


@dataclass
class Nemesis:
    """Causes faults. `forged` maps ids of forged callbacks to the portal's answers."""

    house: House
    struck: list[Blow] = field(default_factory=list)
    forged: dict[str, int | None] = field(default_factory=dict)

    def strike(self, blows: Sequence[Blow]) -> None:
        """Cause all these faults at the same time; returns when all have ended.

        Call it from the main thread only, because the kernel ends the processes that a thread
        started together with it. Fault rules are set before the sandbox goes down and removed after
        it is back: a rule that nobody removes would stop the shop for good.
        """
        began = time.monotonic()
        lifts = []
        for blow in sorted(blows, key=_is_on_the_sandbox):
            lifts.append((blow, self._begin(blow)))
            self.struck.append(blow)
        # faults that wait for calls come last, because calls need everything else to work
        for blow, lift in sorted(
            lifts,
            key=lambda each: (each[0].enough, not _is_on_the_sandbox(each[0]), each[0].lasts),
        ):
            wait(began + blow.lasts - time.monotonic())
            lift()

    def _begin(self, blow: Blow) -> Callable[[], object]:
        """Begin a fault. Returns a function that ends it."""
        if blow.kind in LINE_TROUBLES and blow.target in LINE_NAMES:
            self.house.proxy.spoil(blow.target, blow.kind, LINE_TROUBLES[blow.kind])
            return partial(self.house.proxy.spoil, blow.target, "none")
        if blow.kind == "forgery":
            return self._forge()
        own = {
            "postgres": self._postgres,
            "sandbox": self._sandbox,
            "mailbox": self._mailbox,
            **{each.name: self._process for each in self.house.processes},
        }
        return own.get(blow.target, self._partner)(blow)

    def _mailbox(self, _blow: Blow) -> Callable[[], object]:
        """The mail server accepts a letter but does not confirm it yet."""
        self.house.mailbox.confirming.clear()
        return self.house.mailbox.confirming.set

    def _process(self, blow: Blow) -> Callable[[], object]:
        process = self.house.process(blow.target)
        if blow.kind == "flush":
            with suppress(redis.RedisError):
                self.house.redis.flush()
            return lambda: None
        if blow.kind == "pause":
            process.pause()
            return process.resume
        if blow.kind == "restart":
            process.stop()
        else:
            process.kill()
        return process.start

    def _postgres(self, blow: Blow) -> Callable[[], object]:
        postgres = self.house.postgres
        if blow.kind == "kill":
            postgres.kill()
        elif blow.kind == "restart":
            postgres.restart()
        else:
            with suppress(psycopg.OperationalError):
                postgres.crash() if blow.kind == "crash" else self.house.cut_connections()
        return postgres.ensure

    def _sandbox(self, blow: Blow) -> Callable[[], object]:
        sandbox = self.house.sandbox
        process = sandbox.process
        if process is None:
            return lambda: None
        if blow.kind == "pause":
            os.kill(process.pid, signal.SIGSTOP)
            return partial(os.kill, process.pid, signal.SIGCONT)
        if blow.kind == "kill":
            sandbox.kill()
        else:
            sandbox.stop()
        return sandbox.launch

    def _partner(self, blow: Blow) -> Callable[[], object]:
        seconds = 1.0 if blow.kind in {"delay", "late", "slow_drip"} else HANGING
        rule = {"rate": blow.rate, "times": None, "seconds": seconds}
        try:
            made = self.house.sandbox.fault(blow.target, blow.kind, **rule)
        except (SandboxError, URLError, OSError):
            return lambda: None  # another fault has stopped it already
        return partial(self._forget, made["id"], blow)

    def _forget(self, rule: int, blow: Blow) -> None:
        def has_struck() -> bool:
            rules = self.house.sandbox.control("GET", "/faults")["faults"]
            return any(each["id"] == rule and each["struck"] >= blow.enough for each in rules)

        if blow.enough:
            eventually(has_struck, f"{blow.name} strikes", within=blow.seconds)
        with suppress(SandboxError, URLError, OSError):
            self.house.sandbox.control("DELETE", f"/faults/{rule}")

    def _forge(self) -> Callable[[], object]:
        """Send callbacks of somebody who knows the format but not the secret."""
        for _each in range(FORGERIES):
            identity = f"msg_forged_{uuid.uuid4().hex}"
            data = {"fulfillment_id": "ful_forged", "reference": str(uuid.uuid4())}
            body = json.dumps({"type": "fulfillment.failed", "data": data}).encode()
            headers = {"webhook-id": identity, "webhook-timestamp": str(int(time.time()))}
            headers["webhook-signature"] = Webhook(STRANGER).sign(
                identity, datetime.now(UTC), body.decode()
            )
            self.forged[identity] = self.house.post_callback(headers, body)
        return lambda: None


def _is_on_the_sandbox(blow: Blow) -> bool:
    return blow.target == "sandbox"


def wait(seconds: float) -> None:
    """Wait while faults last."""
    threading.Event().wait(max(0.0, seconds))
