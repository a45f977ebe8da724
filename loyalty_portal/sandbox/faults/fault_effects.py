"""The effect of each fault on one HTTP exchange."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import web

from loyalty_portal.sandbox.calls import Call
from loyalty_portal.sandbox.faults.rules import LIES, Rule
from loyalty_portal.sandbox.oauth import unauthorized
from loyalty_portal.sandbox.partners import Partners
from loyalty_portal.sandbox.problems import Answer, Json, ProblemError

POLL = 0.02
HUGE = 16 * 1024 * 1024
# The contracts call these "ask again". Only other 4xx are refusals, which are stored by key.
NOT_REFUSALS = {401, 408, 409, 425, 429}
EARLY_WAIT = 5.0


class HungUpError(Exception):
    """The connection must end without an answer."""


async def before(rule: Rule | None, request: web.Request, call: Call, partners: Partners) -> None:
    """Apply faults that act before the call. Raises ProblemError or HungUpError."""
    if rule is None:
        return
    kind = rule.fault
    if kind == "delay":
        await asyncio.sleep(rule.seconds)
    elif kind == "timeout_before":
        await _hang(request, rule.seconds)
    elif kind == "reset_before":
        _reset(request)
    elif kind == "expired_token":
        partners.door.expire(request.headers)
        raise unauthorized()
    elif kind == "refuse":
        _refuse(rule, call)
    elif kind == "forbidden_403":
        _refuse(replace(rule, status=HTTPStatus.FORBIDDEN), call)
    elif kind in _PROBLEMS:
        status, code = _PROBLEMS[kind]
        raise ProblemError(status, code, "The sandbox was told to fail.", _retry_after(rule))


async def answer(
    rule: Rule | None, request: web.Request, given: Answer, partners: Partners
) -> web.StreamResponse:
    """Build the response and apply faults to it. Raises HungUpError."""
    if rule is None:
        return plain(given)
    if rule.fault == "timeout_after":
        await _hang(request, rule.seconds)
    if rule.fault == "reset_after":
        _reset(request)
    if rule.fault == "early":
        await _early(partners, given)
    if rule.fault in LIES:
        await _lie(partners, given, rule.fault)
    if rule.fault == "error_500_after":
        return plain(_failure())
    if rule.fault == "bare_403_after":
        return _page(HTTPStatus.FORBIDDEN)
    if rule.fault == "slow_drip":
        return await _drip(request, given, rule.seconds)
    if rule.fault == "huge" and given.succeeded:
        return await _huge(request, given)
    return _spoiled(rule, given, partners) if given.succeeded else plain(given)


def _anothers(partners: Partners, given: Answer) -> Answer:
    """The answer with the id of the newest other entry of its kind; unchanged if there is none."""
    own = given.body.get("transaction_id")
    others = [
        entry["transaction_id"]
        for entry in partners.ledger.entries()["entries"]
        if own and entry["type"] == given.body["type"] and entry["transaction_id"] != own
    ]
    if not others:
        return given
    return Answer(given.status, given.body | {"transaction_id": others[-1]}, given.headers)


def _spoiled(rule: Rule, given: Answer, partners: Partners) -> web.Response:
    """A successful response with a wrong body."""
    if rule.fault == "malformed":
        whole = json.dumps(given.body)
        return _text(given, whole[: len(whole) // 2])
    if rule.fault == "not_schema":
        return _text(given, json.dumps({"ok": True, "result": [1, 2, 3]}))
    if rule.fault == "someone_elses_transaction_id":
        return plain(_anothers(partners, given))
    if rule.fault == "mismatch":
        return plain(Answer(given.status, _other(given.body, rule.field), given.headers))
    return plain(given)


def failed(rule: Rule | None, given: Answer) -> web.Response:
    """The response for a refusal or failure; without a problem body if the rule says so."""
    return _page(given.status) if rule and rule.fault in _BARE else plain(given)


def redirect(rule: Rule, request: web.Request) -> web.Response:
    location = rule.location or str(request.url.with_path(f"/redirected{request.path}"))
    return web.Response(status=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": location})


def plain(given: Answer) -> web.Response:
    return _text(given, json.dumps(given.body))


_BARE = {"bare_401", "bare_403_before"}
_PROBLEMS = {
    "bare_401": (HTTPStatus.UNAUTHORIZED, "unauthorized"),
    "bare_403_before": (HTTPStatus.FORBIDDEN, "unauthorized"),
    "unauthorized_403": (HTTPStatus.FORBIDDEN, "unauthorized"),
    "error_500_before": (HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error"),
    "unavailable_503": (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    "too_many_429": (HTTPStatus.TOO_MANY_REQUESTS, "rate_limited"),
}


def _text(given: Answer, text: str) -> web.Response:
    return web.Response(
        status=given.status,
        body=text.encode(),
        headers={"Content-Type": given.content_type, **given.headers},
    )


def _page(status: int) -> web.Response:
    """An HTML error page, as a gateway or a filter sends it."""
    text = f"<html><h1>{HTTPStatus(status).phrase}</h1></html>"
    return web.Response(status=status, text=text, content_type="text/html")


def _failure() -> Answer:
    return ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "The sandbox was told to fail."
    ).answer()


def _refuse(rule: Rule, call: Call) -> None:
    """Raise a refusal. It is raised inside the key's execution, so that the key keeps it."""
    refusal = ProblemError(rule.status, rule.code, "The sandbox was told to refuse.")
    credentials = (rule.status, rule.code) == (HTTPStatus.FORBIDDEN, "unauthorized")
    undecided = rule.status >= 500 or rule.status in NOT_REFUSALS or credentials
    if call.method == "GET" or undecided:
        raise refusal
    call.refusal = refusal


def _retry_after(rule: Rule) -> dict[str, str]:
    if rule.fault not in {"unavailable_503", "too_many_429"}:
        return {}
    if rule.http_date:
        return {"Retry-After": formatdate(time.time() + rule.retry_after, usegmt=True)}
    return {"Retry-After": f"{rule.retry_after:g}"}


async def _hang(request: web.Request, seconds: float) -> None:
    """Wait until the caller gives up, at most `seconds`, then close the connection."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end and not _left(request):
        await asyncio.sleep(POLL)
    if request.transport is not None:
        request.transport.close()
    raise HungUpError


def _left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _reset(request: web.Request) -> None:
    """End the connection with a TCP RST, which discards unsent bytes."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    raise HungUpError


async def _drip(request: web.Request, given: Answer, seconds: float) -> web.StreamResponse:
    """Send the whole answer one byte at a time, over `seconds`."""
    body = json.dumps(given.body).encode()
    response = web.StreamResponse(
        status=given.status,
        headers={"Content-Type": given.content_type, "Content-Length": str(len(body))},
    )
    await response.prepare(request)
    for position in range(len(body)):
        await response.write(body[position : position + 1])
        await asyncio.sleep(seconds / len(body))
    return response


async def _huge(request: web.Request, given: Answer) -> web.StreamResponse:
    """Send valid JSON of 16 MiB without a Content-Length, so that the client must count."""
    response = web.StreamResponse(status=given.status, headers={"Content-Type": given.content_type})
    await response.prepare(request)
    await response.write(json.dumps(given.body)[:-1].encode() + b', "padding": "')
    for _ in range(HUGE // 65536):
        await response.write(b"x" * 65536)
    await response.write(b'"}')
    return response


async def _early(partners: Partners, given: Answer) -> None:
    """End the fulfillment and send its webhook before the POST's answer, which says `accepted`."""
    identity = given.body.get("fulfillment_id")
    if identity and given.succeeded:
        with partners.store.write():
            partners.deliveries.settle_now(identity)
        await partners.courier.send_now(identity, EARLY_WAIT)


async def _lie(partners: Partners, given: Answer, kind: str) -> None:
    """Send a false webhook before the POST's answer."""
    identity = given.body.get("fulfillment_id")
    if identity and given.succeeded:
        with partners.store.write():
            partners.deliveries.lie(identity, kind)
        await partners.courier.send_now(identity, EARLY_WAIT)


def _other(body: Json, name: str | None) -> Json:
    """The same answer with another amount, account or reference."""
    names = (name,) if name else ("points", "balance", "reference", "account_id")
    changed: Json = json.loads(json.dumps(body))
    place = next(filter(None, (_place(changed, wanted) for wanted in names)), None)
    if place:
        holder, found = place
        value = holder[found]
        holder[found] = value + 1 if isinstance(value, int) else f"{value}-other"
    return changed


def _place(node: object, name: str) -> tuple[Json, str] | None:
    """Find a field in the answer, or in a list inside it. Returns its object and name."""
    if isinstance(node, dict) and name in node:
        return node, name
    parts = list(node.values()) if isinstance(node, dict) else node
    if not isinstance(parts, list):
        return None
    return next((place for part in parts if (place := _place(part, name))), None)
