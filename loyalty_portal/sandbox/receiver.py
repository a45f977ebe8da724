"""A company's own system: an endpoint of the portal's webhooks at /receiver.

It verifies each message with the secrets that it was told, keeps the latest ones, and answers as
its dial says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from loyalty_portal.sandbox.clock import stamp
from loyalty_portal.sandbox.keys import PARTNERS
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import Json
from loyalty_portal.sandbox.store import Store

HANGS = 60.0  # seconds, longer than the portal waits
KEPT = 200  # messages
SECRETS = 5  # the newest, since a rotated secret stands beside its successor

ANSWERS = {
    "ok": "takes it (204)",
    "error": "fails (500)",
    "hang": "never answers",
    "redirect": "redirects to an inner address (302)",
    "gone": "is gone (410)",
}
SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "answer": {"enum": list(ANSWERS)},
        "secret": {"type": "string", "pattern": "^whsec_[A-Za-z0-9+/=]{32,}$"},
    },
}


def turn(partners: Partners, body: Json) -> Json:
    """Set how it answers, and add a secret. Returns how it stands."""
    store = partners.store
    with store.write():
        for name, value in body.items():
            if name == "secret":
                store.run("INSERT OR IGNORE INTO receiver_secret (secret) VALUES (?)", value)
            else:
                store.run("INSERT OR REPLACE INTO receiver VALUES (?, ?)", name, value)
    return state(partners)


def state(partners: Partners) -> Json:
    """How it answers, and the latest messages, the newest first. No secret."""
    rows = partners.store.rows("SELECT * FROM message ORDER BY seq DESC LIMIT ?", KEPT)
    messages = [dict(row) | {"verified": bool(row["verified"])} for row in rows]
    return {"answer": answer_now(partners.store), "messages": messages}


def answer_now(store: Store) -> str:
    row = store.row("SELECT value FROM receiver WHERE name = 'answer'")
    return str(row["value"]) if row else "ok"


async def receive(request: web.Request) -> web.StreamResponse:
    """Take one message. One whose signature is wrong is refused, whatever the dial says."""
    store, raw = request.app[PARTNERS].store, await request.read()
    verified = _is_genuine(store, raw, request.headers)
    answer = answer_now(store) if verified else "forged"
    _keep(store, raw, request.headers.get("webhook-id", ""), verified=verified, answer=answer)
    if answer == "hang":
        await asyncio.sleep(HANGS)
    if answer == "redirect":
        inside = f"http://127.0.0.1:{request.url.port}/control/state"
        return web.Response(status=302, headers={"Location": inside})
    statuses = {"ok": 204, "error": 500, "hang": 204, "gone": 410, "forged": 401}
    return web.Response(status=statuses[answer])


def _is_genuine(store: Store, raw: bytes, headers: Mapping[str, str]) -> bool:
    given = {name.lower(): value for name, value in headers.items()}
    rows = store.rows("SELECT secret FROM receiver_secret ORDER BY rowid DESC LIMIT ?", SECRETS)
    for row in rows:
        try:
            Webhook(row["secret"]).verify(raw, given)
        except (WebhookVerificationError, ValueError):
            continue
        return True
    return False


def _keep(store: Store, raw: bytes, name: str, *, verified: bool, answer: str) -> None:
    try:
        said = json.loads(raw)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    with store.write():
        store.run(
            "INSERT INTO message (at, id, type, sequence, verified, answer) VALUES (?,?,?,?,?,?)",
            stamp(),
            name[:100],
            str(said.get("type", ""))[:100],
            said.get("sequence") if isinstance(said.get("sequence"), int) else None,
            verified,
            answer,
        )
        store.run("DELETE FROM message WHERE seq <= (SELECT MAX(seq) FROM message) - ?", KEPT)
