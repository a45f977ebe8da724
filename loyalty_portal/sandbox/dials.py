"""How the partners behave when nothing is broken. Kept in the store, so that a restart keeps them."""

from __future__ import annotations

import json
from typing import Any

from .problems import Json
from .store import Store

MODES = ("instant", "accept", "silent", "fail")
DEFAULTS: Json = {
    "mode": "accept",
    "delay": 1.0,
    "processing_event": False,
    "token_life": 3600.0,
    "page_size": 100,
    "honour_keys": True,
    "webhook_url": None,
}
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
    },
}


class Dials:
    """`mode` (what a fulfillment does), `delay` (seconds until its outcome), `processing_event`
    (a webhook on the way), `token_life` (seconds), `page_size` (of the statement), `honour_keys`
    (False: a partner that executes every repetition), `webhook_url` (None: events wait)."""

    def __init__(self, store: Store, webhook_url: str | None, token_life: float | None) -> None:
        self._store = store
        self._first = DEFAULTS | {"webhook_url": webhook_url}
        if token_life is not None:
            self._first["token_life"] = token_life
        self.values: Json = {}
        self.read()

    def read(self) -> None:
        kept = {
            row["name"]: json.loads(row["value"]) for row in self._store.rows("SELECT * FROM dial")
        }
        self.values = self._first | kept

    def turn(self, changes: Json) -> None:
        with self._store.write():
            for name, value in changes.items():
                self._store.run(
                    "INSERT OR REPLACE INTO dial VALUES (?, ?)", name, json.dumps(value)
                )
        self.read()

    def __getitem__(self, name: str) -> Any:
        return self.values[name]
