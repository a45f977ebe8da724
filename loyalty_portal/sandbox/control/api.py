"""The control API under /control: for tests, the demo and the page. Loopback only, no key.

GET    /control/state           behaviour, fault rules, counts
GET    /control/accounts        all accounts
POST   /control/accounts        {account_id, balance, blocked?, expiring?}: create or set
POST   /control/book            {account_id, kind, points, description?, at?}: points that the
                                partner earns, expires or adjusts (points below 0 are taken)
POST   /control/dials           settings of the behaviour (faults/behaviour.py)
GET    /control/faults          the rules; POST adds one (faults/rules.py), DELETE removes all
DELETE /control/faults/{id}     removes one
POST   /control/seed            {seed}: the seed of the random numbers
POST   /control/decide          {reference, status, codes?, anew?}: end a delivery without a webhook
POST   /control/import          past ledger entries and fulfillments (importing.py)
POST   /control/receiver        {answer?, secret?}: the company's own system (receiver.py)
GET    /control/texts           the latest text messages, the newest first
GET    /control/receiver        how it answers, and the latest messages
POST   /control/reset           delete everything except tokens
GET    /control/ledger          ?account=&reference=: ledger entries with keys, and their sums
GET    /control/calls           the latest calls; query parameters filter by fields
GET    /control/fulfillments    newest first, with codes
GET    /control/events          webhooks with attempts, last status and whether done
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web
from jsonschema import Draft202012Validator

from loyalty_portal.sandbox import receiver
from loyalty_portal.sandbox.contracts import FORMATS, check
from loyalty_portal.sandbox.control import texts
from loyalty_portal.sandbox.control.forms import from_form
from loyalty_portal.sandbox.control.importing import SCHEMA as IMPORT
from loyalty_portal.sandbox.control.importing import take_in
from loyalty_portal.sandbox.faults import behaviour, fault_effects, rules
from loyalty_portal.sandbox.keys import PARTNERS
from loyalty_portal.sandbox.ledger import OWN
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import Json, ProblemError, invalid

ACCOUNT: Json = {
    "type": "object",
    "required": ["account_id", "balance"],
    "additionalProperties": False,
    "properties": {
        "account_id": {"type": "string", "minLength": 1, "maxLength": 100},
        "balance": {"type": "integer", "minimum": 0, "maximum": 10**15},
        "blocked": {"type": "boolean"},
        "expiring": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["points", "expires_on"],
                "additionalProperties": False,
                "properties": {
                    "points": {"type": "integer", "minimum": 1},
                    "expires_on": {"type": "string", "format": "date"},
                },
            },
        },
    },
}
BOOKING: Json = {
    "type": "object",
    "required": ["account_id", "kind", "points"],
    "additionalProperties": False,
    "properties": {
        "account_id": {"type": "string", "minLength": 1, "maxLength": 100},
        "kind": {"enum": list(OWN)},
        "points": {"type": "integer", "minimum": -(10**15), "maximum": 10**15},
        "description": {"type": "string", "maxLength": 255},
        "at": {"type": "string", "format": "date-time"},
    },
}
DECISION: Json = {
    "type": "object",
    "required": ["reference", "status"],
    "additionalProperties": False,
    "properties": {
        "reference": {"type": "string", "maxLength": 100},
        "status": {"enum": ["delivered", "failed", "cancelled"]},
        "codes": {"type": "integer", "minimum": 0, "maximum": 1000},
        "anew": {"type": "boolean"},
    },
}
SEED: Json = {
    "type": "object",
    "required": ["seed"],
    "properties": {"seed": {"type": ["integer", "null"]}},
}

FORM = "application/x-www-form-urlencoded"

Action = Callable[[Partners, Json], Json]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _set_account(partners: Partners, body: Json) -> Json:
    with partners.store.write():
        return partners.ledger.set_account(**body)


def _book(partners: Partners, body: Json) -> Json:
    with partners.store.write():
        return partners.ledger.book(**body)


def _turn_dials(partners: Partners, body: Json) -> Json:
    partners.dials.turn(body)
    partners.courier.wake()
    return asdict(partners.dials.now)


def _add_fault(partners: Partners, body: Json) -> Json:
    operation, fault = body["operation"], body["fault"]
    if fault in rules.REQUEST and operation == "webhook":
        raise invalid(f"{fault} is no fault of a webhook.")
    if fault in rules.MODE and operation not in ("fulfill", "*"):
        raise invalid(f"{fault} is a fault of fulfill.")
    if fault in rules.WEBHOOK and operation not in ("webhook", "fulfill", "*"):
        raise invalid(f"{fault} is a fault of a webhook.")
    return asdict(partners.faults.add(body))


def _decide(partners: Partners, body: Json) -> Json:
    with partners.store.write():
        return partners.deliveries.decide(**body)


def _seed(partners: Partners, body: Json) -> Json:
    partners.faults.seed(body["seed"])
    return body


async def _reset(request: web.Request) -> web.StreamResponse:
    """Reset the sandbox. Nothing from before is sent afterwards."""
    partners = request.app[PARTNERS]
    await partners.courier.finish()
    partners.reset()
    return web.json_response(state(partners))


def state(partners: Partners) -> Json:
    count = partners.store.number
    return {
        "dials": asdict(partners.dials.now),
        "faults": partners.faults.list(),
        "accounts": count("SELECT COUNT(*) FROM account"),
        "entries": count("SELECT COUNT(*) FROM entry"),
        "fulfillments": count("SELECT COUNT(*) FROM fulfillment"),
        "fulfillments_open": count("SELECT COUNT(*) FROM fulfillment WHERE due_at IS NOT NULL"),
        "events_waiting": count("SELECT COUNT(*) FROM event WHERE done = 0"),
    }


def _events(partners: Partners) -> list[Json]:
    rows = partners.store.rows(
        "SELECT event_id, fulfillment_id, reference, attempts, last_status, done,"
        " json_extract(body, '$.type') AS type FROM event ORDER BY created_at DESC"
    )
    return [dict(row) | {"done": bool(row["done"])} for row in rows]


def _reading(read: Callable[[Partners, web.Request], object]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(read(request.app[PARTNERS], request))

    return _guarded(handler)


def _changing(schema: Json, action: Action, status: int = HTTPStatus.OK) -> Handler:
    """Make a handler that takes and returns JSON. A form post is redirected to the page."""
    validator = Draft202012Validator(schema, format_checker=FORMATS)

    async def handler(request: web.Request) -> web.StreamResponse:
        # curl labels every body as a form unless told otherwise.
        is_form = request.content_type == FORM and not (await request.read()).startswith(b"{")
        body = from_form(await request.post(), schema) if is_form else await _json(request)
        check(validator, body)
        answer = action(request.app[PARTNERS], body)
        if is_form:
            raise web.HTTPSeeOther("/")
        return web.json_response(answer, status=status)

    return _guarded(handler)


async def _clear_faults(request: web.Request) -> web.StreamResponse:
    rule = request.match_info.get("rule")
    request.app[PARTNERS].faults.clear(int(rule) if rule else None)
    if request.method == "POST":
        raise web.HTTPSeeOther("/")
    return web.json_response({"faults": request.app[PARTNERS].faults.list()})


async def _json(request: web.Request) -> Json:
    raw = await request.read()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        raise invalid("The body is not JSON.", HTTPStatus.BAD_REQUEST) from None
    if not isinstance(body, dict):
        raise invalid("The body must be an object.")
    return body


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            admit(request)
            return await handler(request)
        except ProblemError as problem:
            return fault_effects.plain(problem.answer())

    return guarded


def admit(request: web.Request) -> None:
    """Refuse other machines, and pages of other sites that are open in this machine's browser."""
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    # Other sites could use a domain of theirs that resolves to this machine, so check the host too.
    named = request.url.host == "localhost" or _is_address(request.url.host)
    if foreign or not named or not ipaddress.ip_address(request.remote or "::").is_loopback:
        raise ProblemError(HTTPStatus.FORBIDDEN, "forbidden", "Control is for this machine only.")


def _is_address(host: str | None) -> bool:
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True


def add_routes(app: web.Application) -> None:
    get, post, delete = app.router.add_get, app.router.add_post, app.router.add_delete
    get("/control/state", _reading(lambda partners, _: state(partners)))
    get(
        "/control/accounts",
        _reading(lambda partners, _: {"accounts": partners.ledger.accounts()}),
    )
    post("/control/accounts", _changing(ACCOUNT, _set_account))
    post("/control/book", _changing(BOOKING, _book, HTTPStatus.CREATED))
    post("/control/dials", _changing(behaviour.SCHEMA, _turn_dials))
    get("/control/faults", _reading(lambda partners, _: {"faults": partners.faults.list()}))
    post("/control/faults", _changing(rules.SCHEMA, _add_fault, HTTPStatus.CREATED))
    delete("/control/faults", _guarded(_clear_faults))
    delete(r"/control/faults/{rule:\d+}", _guarded(_clear_faults))
    post("/control/faults/clear", _guarded(_clear_faults))
    post(r"/control/faults/{rule:\d+}/clear", _guarded(_clear_faults))
    post("/control/seed", _changing(SEED, _seed))
    post("/control/decide", _changing(DECISION, _decide))
    post("/control/import", _changing(IMPORT, take_in))
    post("/control/receiver", _changing(receiver.SCHEMA, receiver.turn))
    get("/control/receiver", _reading(lambda partners, _: receiver.state(partners)))
    get("/control/texts", _reading(lambda partners, _: {"texts": texts.latest(partners, 100)}))
    post("/control/reset", _guarded(_reset))
    get("/control/ledger", _reading(_ledger))
    get("/control/calls", _reading(lambda p, request: {"calls": p.calls.list(request.query)}))
    get("/control/fulfillments", _reading(_fulfillments))
    get("/control/events", _reading(lambda partners, _: {"events": _events(partners)}))


def _ledger(partners: Partners, request: web.Request) -> Json:
    return partners.ledger.entries(
        request.query.get("account") or None, request.query.get("reference") or None
    )


def _fulfillments(partners: Partners, _request: web.Request) -> Json:
    return {"fulfillments": partners.deliveries.everything()}
