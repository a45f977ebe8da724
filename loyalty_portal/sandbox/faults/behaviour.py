"""How the partners behave when nothing is broken. In the store, so that a restart keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from loyalty_portal.sandbox.faults.contract_violations import VIOLATIONS
from loyalty_portal.sandbox.problems import Json
from loyalty_portal.sandbox.store import Store

MODES = ("instant", "accept", "silent", "fail")
SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "mode": {"enum": list(MODES)},
        "delay": {"type": "number", "minimum": 0, "maximum": 86400},
        "processing_event": {"type": "boolean"},
        "token_life": {"type": "number", "minimum": 0, "maximum": 86400},
        "page_size": {"type": "integer", "minimum": 1, "maximum": 1000},
        "honour_keys": {"type": "boolean"},
        "webhook_url": {"type": ["string", "null"], "pattern": "^https?://"},
        "slips": {"type": "array", "items": {"enum": list(VIOLATIONS)}},
    },
}


@dataclass(frozen=True)
class Behaviour:
    """`mode`: what a fulfillment does. `delay`: seconds until its outcome. `processing_event`: a
    webhook on the way there. `token_life`: seconds. `page_size`: of the statement. `honour_keys`:
    False for a partner that executes every repetition. `webhook_url`: None lets events wait.
    `slips`: promises that are broken (contract_violations.py)."""

    mode: str = "accept"
    delay: float = 1.0
    processing_event: bool = False
    token_life: float = 3600.0
    page_size: int = 100
    honour_keys: bool = True
    webhook_url: str | None = None
    slips: list[str] = field(default_factory=list)


class BehaviourStore:
    """`now` is where the dials stand."""

    def __init__(self, store: Store, first: Behaviour) -> None:
        self._store = store
        self._first = first
        self.now = first
        self.read()

    def read(self) -> None:
        kept = {
            row["name"]: json.loads(row["value"]) for row in self._store.rows("SELECT * FROM dial")
        }
        self.now = replace(self._first, **kept)

    def turn(self, changes: Json) -> None:
        with self._store.write():
            for name, value in changes.items():
                self._store.run(
                    "INSERT OR REPLACE INTO dial VALUES (?, ?)", name, json.dumps(value)
                )
        self.read()
