"""The partners' normal behaviour, as settings. They are stored, so a restart keeps them."""

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
        "statement_kinds": {"type": "boolean"},
        "webhook_url": {"type": ["string", "null"], "pattern": "^https?://"},
        "slips": {"type": "array", "items": {"enum": list(VIOLATIONS)}},
    },
}


@dataclass(frozen=True)
class Behaviour:
    """The settings of the partners' behaviour.

    `mode`: what happens to a fulfillment. `delay`: seconds until it ends. `processing_event`:
    whether a webhook is sent before the end. `token_life`: seconds. `page_size`: entries on a page
    of the statement. `honour_keys`: False makes a partner that executes every repeat.
    `statement_kinds`: whether the statement has what is optional: kinds, descriptions, balances.
    `webhook_url`: None keeps events unsent. `slips`: contract violations (contract_violations.py).
    """

    mode: str = "accept"
    delay: float = 1.0
    processing_event: bool = False
    token_life: float = 3600.0
    page_size: int = 100
    honour_keys: bool = True
    statement_kinds: bool = True
    webhook_url: str | None = None
    slips: list[str] = field(default_factory=list)


class BehaviourStore:
    """Reads and writes the settings; `now` has the current ones."""

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
