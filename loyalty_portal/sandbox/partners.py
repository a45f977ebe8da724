"""Builds the parts of the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loyalty_portal.sandbox.calls import Call, Calls
from loyalty_portal.sandbox.contracts import Contract
from loyalty_portal.sandbox.deliveries import Deliveries
from loyalty_portal.sandbox.faults.behaviour import Behaviour, BehaviourStore
from loyalty_portal.sandbox.faults.rules import Faults
from loyalty_portal.sandbox.idempotency import Answers, fingerprint
from loyalty_portal.sandbox.ledger import Ledger
from loyalty_portal.sandbox.oauth import Credentials, Door
from loyalty_portal.sandbox.problems import Answer, ProblemError
from loyalty_portal.sandbox.store import Store
from loyalty_portal.sandbox.webhooks import Courier


@dataclass(frozen=True)
class Options:
    """The options from the command line and the environment."""

    data: Path
    webhook_url: str | None = None
    webhook_secret: str | None = None
    token_life: float = Behaviour.token_life
    seed: int | None = None
    mail: Path | None = None  # where the demo's letters are
    credentials: Credentials = field(default_factory=Credentials)


class Partners:
    def __init__(self, options: Options) -> None:
        options.data.mkdir(parents=True, exist_ok=True)
        self.store = Store(options.data / "sandbox.sqlite3")
        first = Behaviour(webhook_url=options.webhook_url, token_life=options.token_life)
        self.dials = BehaviourStore(self.store, first)
        self.faults = Faults(options.seed)
        self.calls = Calls()
        self.door = Door(self.store, options.credentials)
        self.answers = Answers(self.store)
        self.ledger = Ledger(self.store)
        self.deliveries = Deliveries(self.store, self.dials, self.faults)
        self.courier = Courier(
            self.store, self.dials, self.faults, self.deliveries, options.webhook_secret
        )
        self.loyalty = Contract("loyalty-api")
        self.fulfillment = Contract("fulfillment-api")
        self.sms = Contract("sms-api")
        self.mail = options.mail

    def execute(self, api: str, call: Call, effect: Callable[[], Answer]) -> Answer:
        """Run a POST once for each key, unless the behaviour says that keys are ignored."""
        key = call.needed_key()
        wanted = self._refuse(call.refusal) if call.refusal else effect
        if self.dials.now.honour_keys and not call.unheld:
            checked = "reuse" not in self.dials.now.slips
            body = call.json() if call.raw else {}
            mark = fingerprint(call.path, body) if checked else None
            answer, call.replayed = self.answers.once(api, key, mark, wanted)
            return answer
        with self.store.write():
            try:
                return wanted()
            except ProblemError as refusal:
                return refusal.answer()

    def reset(self) -> None:
        """Delete everything except the tokens."""
        self.store.empty()
        self.dials.read()
        self.faults.clear()
        self.calls.clear()

    @staticmethod
    def _refuse(refusal: ProblemError) -> Callable[[], Answer]:
        return refusal.answer
