"""The points ledger: accounts, debits, credits and statements. Points are whole numbers."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import sqlite3
from http import HTTPStatus

from loyalty_portal.sandbox import clock
from loyalty_portal.sandbox.problems import Json, ProblemError, invalid
from loyalty_portal.sandbox.store import Store

# What the partner books by itself, and whether it takes or gives.
OWN = {"earned": ("credit",), "expired": ("debit",), "adjusted": ("credit", "debit")}
_KINDS = {"debit": "redemption", "credit": "refund"}  # of what the portal asked for
FIELDS = (
    "transaction_id, type, account_id, points, reference, original_transaction_id, "
    "balance_after, created_at"
)


class Ledger:
    """Stores accounts and entries. Methods that change something need `Store.write()`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set_account(
        self,
        *,
        account_id: str,
        balance: int,
        blocked: bool | None = None,
        expiring: list[Json] | None = None,
    ) -> Json:
        """Create an account, or set its balance.

        The opening balance absorbs the difference and is no entry, so the sums of debits and
        credits stay those of real calls. None leaves a field unchanged.
        """
        opening = balance - self._net(account_id)
        self._store.run(
            "INSERT INTO account (account_id, opening, balance) VALUES (?, ?, ?)"
            " ON CONFLICT (account_id) DO UPDATE"
            " SET opening = excluded.opening, balance = excluded.balance",
            account_id, opening, balance,
        )  # fmt: skip
        if blocked is not None:
            self._store.run(
                "UPDATE account SET blocked = ? WHERE account_id = ?", blocked, account_id
            )
        if expiring is not None:
            self._store.run(
                "UPDATE account SET expiring = ? WHERE account_id = ?",
                json.dumps(expiring), account_id,
            )  # fmt: skip
        return self.account(account_id)

    def account(self, account_id: str) -> Json:
        """An account as the control API shows it. Raises 404 `account_not_found`."""
        row = dict(self._account(account_id))
        return row | {"blocked": bool(row["blocked"]), "expiring": json.loads(row["expiring"])}

    def accounts(self) -> list[Json]:
        rows = self._store.rows("SELECT account_id FROM account ORDER BY account_id")
        return [self.account(row["account_id"]) for row in rows]

    def balance(self, account_id: str) -> Json:
        """A balance in the contract's form. A blocked account can be read but cannot spend."""
        account = self.account(account_id)
        body = {
            "account_id": account_id,
            "balance": account["balance"],
            "as_of": clock.stamp(),
        }
        return body | ({"expiring": account["expiring"]} if account["expiring"] else {})

    def debit(
        self, *, account_id: str, points: int, reference: str, key: str, capped: bool = True
    ) -> Json:
        """Debit points. Without `capped` the balance may become negative."""
        account = self._account(account_id)
        short = 0 if capped else max(0, points - account["balance"])
        if account["blocked"]:
            raise _refusal("account_blocked", f"Account {account_id} is blocked.")
        if short:
            self.set_account(account_id=account_id, balance=points)
            account = self._account(account_id)
        if points > account["balance"]:
            raise _refusal(
                "insufficient_points",
                f"Account {account_id} holds {account['balance']} points, {points} were asked for.",
            )
        moved = self._move("debit", account, points, reference, None, key)
        return moved | {"balance_after": -short} if short else moved

    def credit(
        self,
        *,
        account_id: str,
        points: int,
        reference: str,
        original: str,
        key: str,
        capped: bool = True,
    ) -> Json:
        """Credit a part of a debit. A blocked account accepts credits."""
        account = self._account(account_id)
        debit = self._store.row(
            "SELECT points FROM entry"
            " WHERE transaction_id = ? AND type = 'debit' AND account_id = ?",
            original, account_id,
        )  # fmt: skip
        if debit is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND,
                "transaction_not_found",
                "This account has no debit with that original_transaction_id.",
            )
        given = self._store.number(
            "SELECT SUM(points) FROM entry WHERE original_transaction_id = ?", original
        )
        if capped and given + points > debit["points"]:
            raise _refusal(
                "refund_exceeds_debit",
                f"The debit was {debit['points']} points, of which {given} were given back.",
            )
        return self._move("credit", account, points, reference, original, key)

    def book(
        self,
        *,
        account_id: str,
        kind: str,
        points: int,
        description: str = "",
        at: str | None = None,
    ) -> Json:
        """Book what the partner does by itself: points earned (given), expired (taken) or adjusted
        (`points` below 0 are taken). Raises 422 when the kind does not move points so.
        """
        type_ = "credit" if points > 0 else "debit"
        if type_ not in OWN[kind] or not points:
            raise invalid(f"Points that are {kind} cannot be {points}.")
        account = self._account(account_id)
        if -points > account["balance"]:
            raise _refusal("insufficient_points", f"Account {account_id} holds fewer points.")
        entry = self._move(type_, account, abs(points), kind, None, None)
        self._store.run(
            "UPDATE entry SET kind = ?, description = ?, created_at = ? WHERE transaction_id = ?",
            kind, description, clock.normalise(at) if at else entry["created_at"],
            entry["transaction_id"],
        )  # fmt: skip
        if at:
            self.settle_past(account_id)
        return self.movement(entry["transaction_id"])

    def statement(
        self,
        account_id: str,
        *,
        since: str | None,
        until: str | None = None,
        cursor: str | None,
        size: int,
        kinds: bool = True,
    ) -> Json:
        """A page of entries, oldest first. `next_cursor` is None on the last page. Without `kinds`
        it has only what the contract asks for.
        """
        account = self._account(account_id)
        first, last = _read_time("since", since), _read_time("until", until) or "9"
        created_at, seq = _read_cursor(cursor) if cursor else (first, -1)
        rows = self._store.rows(
            f"SELECT seq, kind, description, {FIELDS} FROM entry WHERE account_id = ?"  # noqa: S608
            " AND (created_at, seq) > (?, ?) AND created_at < ? ORDER BY created_at, seq LIMIT ?",
            account_id, created_at, seq, last, size + 1,
        )  # fmt: skip
        page = [dict(row) for row in rows[:size]]
        more = f"{page[-1]['created_at']} {page[-1]['seq']}" if len(rows) > size else None
        for movement in page:
            told = {"kind": movement.pop("kind") or _KINDS[movement["type"]]}
            told["description"] = movement.pop("description")
            del movement["seq"]
            movement |= {name: text for name, text in told.items() if kinds and text}
        next_cursor = base64.urlsafe_b64encode(more.encode()).decode() if more else None
        answer = {"transactions": page, "next_cursor": next_cursor}
        if not kinds:
            return answer
        opening = account["opening"] + self._net(account_id, before=first)
        closing = account["opening"] + self._net(account_id, before=last)
        return answer | {"opening_balance": max(0, opening), "closing_balance": max(0, closing)}

    def entries(self, account_id: str | None = None, reference: str | None = None) -> Json:
        """All entries with their keys, and the sums, for checks."""
        rows = self._store.rows(
            f"SELECT {FIELDS}, idempotency_key, kind FROM entry"  # noqa: S608
            " WHERE account_id = COALESCE(?, account_id) AND reference = COALESCE(?, reference)"
            " ORDER BY created_at, seq",
            account_id, reference,
        )  # fmt: skip
        sums = {"debit": 0, "credit": 0}
        for row in rows:
            sums[row["type"]] += row["points"]
        return {
            "entries": [dict(row) for row in rows],
            "count": len(rows),
            "debit_points": sums["debit"],
            "credit_points": sums["credit"],
        }

    def latest(self, count: int) -> list[Json]:
        """The newest entries, newest first."""
        rows = self._store.rows(
            f"SELECT {FIELDS} FROM entry ORDER BY created_at DESC, seq DESC LIMIT ?",  # noqa: S608
            count,
        )
        return [dict(row) for row in rows]

    def take_in(self, entry: Json) -> bool:
        """Import a past entry. Returns False when it exists. Call `settle_past` afterwards."""
        written = self._store.run(
            f"INSERT INTO entry ({FIELDS}, idempotency_key) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)"  # noqa: S608
            " ON CONFLICT (transaction_id) DO NOTHING",
            entry["transaction_id"], entry["type"], entry["account_id"], entry["points"],
            entry["reference"], entry.get("original_transaction_id"),
            clock.normalise(entry["created_at"]), entry.get("idempotency_key"),
        )  # fmt: skip
        return written == 1

    def settle_past(self, account_id: str) -> None:
        """Compute the running balances again. Raises 422 if one would be negative."""
        running = int(self._account(account_id)["opening"])
        for row in self._store.rows(
            "SELECT seq, type, points FROM entry WHERE account_id = ? ORDER BY created_at, seq",
            account_id,
        ):
            running += row["points"] if row["type"] == "credit" else -row["points"]
            if running < 0:
                raise invalid(f"The history of {account_id} goes below zero points.")
            self._store.run("UPDATE entry SET balance_after = ? WHERE seq = ?", running, row["seq"])
        self._store.run("UPDATE account SET balance = ? WHERE account_id = ?", running, account_id)

    def movement(self, transaction_id: str) -> Json:
        """An entry in the contract's form of a transaction."""
        row = self._store.row(
            f"SELECT {FIELDS} FROM entry WHERE transaction_id = ?",  # noqa: S608
            transaction_id,
        )
        return dict(row) if row else {}

    def _net(self, account_id: str, before: str = "9") -> int:
        """What moved on an account before a time, in the form in which times are stored."""
        return self._store.number(
            "SELECT SUM(CASE type WHEN 'credit' THEN points ELSE -points END)"
            " FROM entry WHERE account_id = ? AND created_at < ?",
            account_id, before,
        )  # fmt: skip

    def _account(self, account_id: str) -> sqlite3.Row:
        row = self._store.row("SELECT * FROM account WHERE account_id = ?", account_id)
        if row is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, "account_not_found", "There is no account with that id."
            )
        return row

    def _move(
        self,
        type_: str,
        account: sqlite3.Row,
        points: int,
        reference: str,
        original: str | None,
        key: str | None,
    ) -> Json:
        after = account["balance"] + (points if type_ == "credit" else -points)
        self._store.run(
            "UPDATE account SET balance = ? WHERE account_id = ?", after, account["account_id"]
        )
        entry: Json = {
            "transaction_id": f"txn_{secrets.token_hex(10)}",
            "type": type_,
            "account_id": account["account_id"],
            "points": points,
            "reference": reference,
            "original_transaction_id": original,
            "balance_after": after,
            "created_at": clock.stamp(),
        }
        self._store.run(
            f"INSERT INTO entry ({FIELDS}, idempotency_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            *entry.values(), key,
        )  # fmt: skip
        return entry


def _refusal(code: str, detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, code, detail)


def _read_time(name: str, text: str | None) -> str:
    if not text:
        return ""
    try:
        return clock.normalise(text)
    except ValueError:
        raise invalid(f"`{name}` is no RFC 3339 time.", HTTPStatus.BAD_REQUEST) from None


def _read_cursor(cursor: str) -> tuple[str, int]:
    try:
        created_at, seq = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return created_at, int(seq)
    except (binascii.Error, ValueError):
        raise invalid("`cursor` is not one of ours.", HTTPStatus.BAD_REQUEST) from None
