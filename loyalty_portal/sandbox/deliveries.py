"""Fulfillments, their codes, and their webhook events. Due rows are the work queue."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from datetime import timedelta
from http import HTTPStatus

from loyalty_portal.sandbox import clock
from loyalty_portal.sandbox.faults.behaviour import BehaviourStore
from loyalty_portal.sandbox.faults.rules import CODES, NEWS, Faults, Rule
from loyalty_portal.sandbox.problems import Json, ProblemError
from loyalty_portal.sandbox.store import Store

FINAL = ("delivered", "failed", "cancelled")
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LIFE = timedelta(days=365)


class Deliveries:
    """Stores fulfillments. Methods that change something need the caller's `Store.write()`."""

    def __init__(self, store: Store, dials: BehaviourStore, faults: Faults) -> None:
        self._store = store
        self._dials = dials
        self._faults = faults

    def create(self, *, request: Json, key: str, mode: str) -> Json:
        """Create a fulfillment in one of the modes. Raises 422 `duplicate_reference`."""
        reference = request["reference"]
        if self._store.row("SELECT 1 FROM fulfillment WHERE reference = ?", reference):
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "duplicate_reference",
                "This reference belongs to another fulfillment.",
            )
        steps = 2 if self._dials.now.processing_event else 1
        moment = clock.stamp()
        fulfillment: Json = {
            "fulfillment_id": f"ful_{secrets.token_hex(10)}",
            "reference": reference,
            "sku": request["sku"],
            "quantity": int(request["quantity"]),
            "status": "accepted",
            "reason": None,
            "deliverables": None,
            "notify": mode in ("accept", "fail"),
            "outcome": "failed" if mode == "fail" else "delivered",
            "due_at": time.time() + self._dials.now.delay / steps,
            "created_at": moment,
            "updated_at": moment,
            "idempotency_key": key,
        }
        self._insert(fulfillment)
        if mode == "instant":
            self.settle(self._row(fulfillment["fulfillment_id"]))
        return self.get(fulfillment["fulfillment_id"])

    def get(self, fulfillment_id: str) -> Json:
        """A fulfillment in the contract's form. Raises 404 `fulfillment_not_found`."""
        return _wire(self._row(fulfillment_id))

    def find(self, reference: str) -> list[Json]:
        rows = self._store.rows("SELECT * FROM fulfillment WHERE reference = ?", reference)
        return [_wire(row) for row in rows]

    def everything(self, limit: int = -1) -> list[Json]:
        """The fulfillments, newest first, with what only the sandbox knows (key, quantity, next
        step).
        """
        rows = self._store.rows("SELECT * FROM fulfillment ORDER BY created_at DESC LIMIT ?", limit)
        return [dict(row) | {"deliverables": _codes(row)} for row in rows]

    def cancel(self, fulfillment_id: str) -> Json:
        """Cancel a fulfillment that is not final yet. Returns it in its new state."""
        row = self._row(fulfillment_id)
        if row["status"] not in FINAL:
            self._move(row, "cancelled", reason="requested")
            if row["notify"]:
                self._announce(fulfillment_id, "cancelled")
        return self.get(fulfillment_id)

    def take_in(self, past: Json) -> bool:
        """Import a past fulfillment. Returns False when it exists already."""
        if self._store.row(
            "SELECT 1 FROM fulfillment WHERE fulfillment_id = ?", past["fulfillment_id"]
        ):
            return False
        moment = clock.normalise(past["created_at"])
        deliverables = past.get("deliverables")
        self._insert(
            {
                "fulfillment_id": past["fulfillment_id"],
                "reference": past["reference"],
                "sku": past["sku"],
                "quantity": past["quantity"],
                "status": past["status"],
                "reason": past.get("reason"),
                "deliverables": json.dumps(deliverables) if deliverables else None,
                "notify": True,
                "outcome": "delivered",
                "due_at": None if past["status"] in FINAL else time.time() + self._dials.now.delay,
                "created_at": moment,
                "updated_at": clock.normalise(past.get("updated_at") or past["created_at"]),
                "idempotency_key": past.get("idempotency_key"),
            }
        )
        return True

    def due(self, moment: float) -> list[sqlite3.Row]:
        return self._store.rows(
            "SELECT * FROM fulfillment WHERE due_at <= ? ORDER BY due_at LIMIT 100", moment
        )

    def advance(self, row: sqlite3.Row) -> None:
        """Move a due fulfillment one step forward."""
        if row["status"] == "accepted" and self._dials.now.processing_event:
            due = time.time() + self._dials.now.delay / 2
            self._move(row, "processing", due_at=due)
            if row["notify"]:
                after = _final_id(row) if self._news(row, "reorder") else None
                self._announce(row["fulfillment_id"], "processing", after_id=after)
        else:
            self.settle(row)

    def settle(self, row: sqlite3.Row) -> None:
        """End a fulfillment, delivered with codes or failed, and write the event about it."""
        identity = row["fulfillment_id"]
        if row["outcome"] == "failed":
            self._move(row, "failed", reason="out_of_stock")
        else:
            self._move(row, "delivered", deliverables=self._make_codes(row))
        if row["notify"]:
            reorder = self._news(row, "reorder") if row["status"] == "accepted" else None
            self._announce(identity, row["outcome"])
            if reorder:
                early = {"status": "processing", "updated_at": row["created_at"]}
                self._announce(identity, "processing", after_id=_final_id(row), change=early)

    def decide(
        self, *, reference: str, status: str, codes: int | None = None, anew: bool = False
    ) -> Json:
        """End an open fulfillment without an event. Raises 409 `not_open`.

        `codes`: the number of codes; None means one for each delivered unit. `anew`: change one
        that has ended too, like a partner that corrects its records.
        """
        row = self._store.row("SELECT * FROM fulfillment WHERE reference = ?", reference)
        if row is None or (row["status"] in FINAL and not anew):
            raise ProblemError(
                HTTPStatus.CONFLICT, "not_open", "No open fulfillment has this reference."
            )
        delivered = status == "delivered"
        units = row["quantity"] * delivered if codes is None else codes
        self._move(
            row,
            status,
            reason=None if delivered else "rejected",
            deliverables=[_make_code() for _ in range(units)] or None,
        )
        return self.get(row["fulfillment_id"])

    def settle_now(self, fulfillment_id: str) -> None:
        row = self._row(fulfillment_id)
        if row["status"] not in FINAL:
            self.settle(row)

    def lie(self, fulfillment_id: str, kind: str) -> None:
        """Write a false event about a fulfillment, for a fault."""
        row = self._row(fulfillment_id)
        change: Json = {
            "fulfillment_id": f"ful_{secrets.token_hex(10)}",
            "updated_at": clock.stamp(),
        }
        if kind == "false_failure":
            change |= {"status": "failed", "reason": "rejected"}
        else:
            units = [_make_code() for _ in range(row["quantity"])]
            change |= {"status": "delivered", "reason": None, "deliverables": units}
        self._write(row, _wire(row) | change, f"msg_{fulfillment_id}_{kind}")

    def _announce(
        self,
        identity: str,
        status: str,
        *,
        after_id: str | None = None,
        change: Json | None = None,
    ) -> None:
        """Write an event to be sent. `after_id` holds it back until that event was delivered."""
        row = self._row(identity)
        data = _wire(row) | (change or {})
        if status != "delivered":
            data.pop("deliverables", None)
        event_id = _final_id(row) if status in FINAL else f"msg_{identity}_{status}"
        if change and status in FINAL:
            event_id = f"{event_id}_lie"
        elif status == "delivered":
            after_id = self._lie_first(row, event_id) or after_id
            if self._news(row, "other_codes"):
                data["deliverables"] = [_make_code() for _ in range(row["quantity"])]
        self._write(row, data, event_id, after_id=after_id)
        if status == "delivered" and self._news(row, "contradict"):
            lie = {"status": "failed", "reason": "rejected", "updated_at": clock.stamp()}
            self._announce(identity, "failed", after_id=event_id, change=lie)

    def _lie_first(self, row: sqlite3.Row, event_id: str) -> str | None:
        """Write a false event before the true one if a fault rule asks for it. Returns its id or
        None.
        """
        if not self._news(row, "retract"):
            return None
        lie = {"status": "failed", "reason": "rejected", "updated_at": clock.stamp()}
        self._announce(row["fulfillment_id"], "failed", change=lie)
        return f"{event_id}_lie"

    def _write(
        self, row: sqlite3.Row, data: Json, event_id: str, *, after_id: str | None = None
    ) -> None:
        late = self._news(row, "late")
        repeat = self._news(row, "repeat")
        missing = self._news(row, "missing")
        kind = f"fulfillment.{data['status']}"
        body = {"type": kind, "timestamp": clock.stamp(), "data": data}
        moment = time.time()
        self._store.run(
            "INSERT OR IGNORE INTO event (event_id, fulfillment_id, reference, body, created_at,"
            " due_at, after_id, copies, done) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            event_id, row["fulfillment_id"], row["reference"], json.dumps(body), moment,
            moment + (late.seconds if late else 0), after_id,
            repeat.copies if repeat else 1, bool(missing),
        )  # fmt: skip

    def _news(self, row: sqlite3.Row, kind: str) -> Rule | None:
        if kind not in NEWS:
            raise KeyError(kind)
        return self._faults.take(("webhook",), (row["reference"], row["fulfillment_id"]), (kind,))

    def _make_codes(self, row: sqlite3.Row) -> list[Json]:
        subjects = (row["reference"], row["fulfillment_id"])
        rule = self._faults.take(("webhook", "fulfill"), subjects, CODES)
        kind = rule.fault if rule else None
        wanted = row["quantity"] + {"fewer_codes": -1, "more_codes": 1}.get(kind or "", 0)
        codes = [_make_code() for _ in range(wanted)]
        other = self._store.row(
            "SELECT * FROM fulfillment WHERE deliverables IS NOT NULL AND fulfillment_id != ?"
            " ORDER BY updated_at DESC LIMIT 1",
            row["fulfillment_id"],
        )
        if kind == "same_code" and other and codes:
            codes[0] = (_codes(other) or codes)[0]
        return codes

    def _move(
        self,
        row: sqlite3.Row,
        status: str,
        *,
        reason: str | None = None,
        deliverables: list[Json] | None = None,
        due_at: float | None = None,
    ) -> None:
        self._store.run(
            "UPDATE fulfillment SET status = ?, updated_at = ?, reason = ?, deliverables = ?,"
            " due_at = ? WHERE fulfillment_id = ?",
            status, clock.stamp(), reason,
            json.dumps(deliverables) if deliverables is not None else None,
            due_at, row["fulfillment_id"],
        )  # fmt: skip

    def _row(self, fulfillment_id: str) -> sqlite3.Row:
        row = self._store.row("SELECT * FROM fulfillment WHERE fulfillment_id = ?", fulfillment_id)
        if row is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, "fulfillment_not_found", "There is no such fulfillment."
            )
        return row

    def _insert(self, fulfillment: Json) -> None:
        self._store.run(
            "INSERT INTO fulfillment (fulfillment_id, reference, sku, quantity, status, reason,"
            " deliverables, notify, outcome, due_at, created_at, updated_at, idempotency_key)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *fulfillment.values(),
        )


def _wire(row: sqlite3.Row) -> Json:
    body: Json = {
        name: row[name]
        for name in ("fulfillment_id", "reference", "status", "updated_at", "reason")
    }
    codes = _codes(row)
    return body if codes is None else body | {"deliverables": codes}


def _codes(row: sqlite3.Row) -> list[Json] | None:
    codes: list[Json] | None = json.loads(row["deliverables"]) if row["deliverables"] else None
    return codes


def _final_id(row: sqlite3.Row) -> str:
    return f"msg_{row['fulfillment_id']}_final"


def _make_code() -> Json:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(16))
    code = "-".join(letters[start : start + 4] for start in range(0, 16, 4))
    return {
        "code": code,
        "pin": f"{secrets.randbelow(10_000):04}",
        "url": f"https://gifts.example.com/redeem/{code}",
        "expires_on": (clock.now() + CODE_LIFE).date().isoformat(),
    }
