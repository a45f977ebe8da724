"""The sandbox's HTTP server. `serve` handles every call to a partner."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from loyalty_portal.sandbox import fulfillment, loyalty, receiver
from loyalty_portal.sandbox.calls import Call
from loyalty_portal.sandbox.control import api, mailbox, page, texts
from loyalty_portal.sandbox.faults import fault_effects
from loyalty_portal.sandbox.faults.contract_violations import violate
from loyalty_portal.sandbox.faults.rules import EARLY, REQUEST, Rule
from loyalty_portal.sandbox.keys import PARTNERS
from loyalty_portal.sandbox.partners import Options, Partners
from loyalty_portal.sandbox.problems import Answer, ProblemError

MAX_UPLOAD = 256 * 1024 * 1024  # for imports through the control API; calls.py limits the calls

# Seconds in which a second call with the same key can arrive, for a partner that does not lock
# keys.
RACE = 0.2

COURIER = web.AppKey("courier", list[asyncio.Task[None]])

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _token(partners: Partners, call: Call) -> Answer:
    return partners.door.grant(call.headers, call.raw, partners.dials.now.token_life)


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    handle: Callable[[Partners, Call], Answer]
    api: str | None


OPERATIONS = (
    Operation("balance", "GET", "/loyalty/balance/{account_id}", loyalty.balance, loyalty.API),
    Operation("debit", "POST", "/loyalty/debit", loyalty.debit, loyalty.API),
    Operation("credit", "POST", "/loyalty/credit", loyalty.credit, loyalty.API),
    Operation(
        "statement", "GET", "/loyalty/transactions/{account_id}", loyalty.statement, loyalty.API
    ),
    Operation("fulfill", "POST", "/fulfillment/fulfillments", fulfillment.create, fulfillment.API),
    Operation("find", "GET", "/fulfillment/fulfillments", fulfillment.find, fulfillment.API),
    Operation(
        "get_fulfillment",
        "GET",
        "/fulfillment/fulfillments/{fulfillment_id}",
        fulfillment.get,
        fulfillment.API,
    ),
    Operation(
        "cancel",
        "POST",
        "/fulfillment/fulfillments/{fulfillment_id}/cancel",
        fulfillment.cancel,
        fulfillment.API,
    ),
    Operation(
        "resend",
        "POST",
        "/fulfillment/fulfillments/{fulfillment_id}/resend",
        fulfillment.resend,
        fulfillment.API,
    ),
    Operation("text", "POST", "/sms/messages", texts.send, texts.API),
    Operation("token", "POST", "/oauth/token", _token, None),
    Operation("token", "POST", "/loyalty/oauth/token", _token, None),
    Operation("token", "POST", "/fulfillment/oauth/token", _token, None),
)


def build(options: Options) -> web.Application:
    app = web.Application(client_max_size=MAX_UPLOAD)
    app[PARTNERS] = Partners(options)
    app[COURIER] = []
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, _serve(operation))
    app.router.add_get("/healthz", _healthz)
    app.router.add_post("/receiver", receiver.receive)
    api.add_routes(app)
    page.add_routes(app)
    mailbox.add_routes(app)
    app.router.add_route("*", "/{path:.*}", _serve(Operation("unknown", "*", "", _unknown, None)))
    app.cleanup_ctx.append(_courier)
    return app


async def _courier(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(app[PARTNERS].courier.run())
    app[COURIER].append(task)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    app[PARTNERS].store.close()


async def _healthz(request: web.Request) -> web.Response:
    """Answer 200 while the courier runs; without it nothing would be delivered."""
    if any(task.done() for task in request.app[COURIER]):
        return web.json_response({"status": "the courier has stopped"}, status=503)
    return web.json_response({"status": "ok"})


def _unknown(_partners: Partners, call: Call) -> Answer:
    """Record a call to an unknown address, so that tests see who follows a redirect."""
    raise ProblemError(HTTPStatus.NOT_FOUND, "not_found", f"Nothing is at {call.path}.")


def _serve(operation: Operation) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        call = Call(
            operation=operation.name,
            method=request.method,
            path=request.path,
            headers=request.headers,
            query=request.query,
            params=request.match_info,
            raw=await request.read(),
        )
        response = await _work(request.app[PARTNERS], operation, request, call)
        violate(response, request.app[PARTNERS].dials.now.slips)
        return response

    return serve


async def _work(
    partners: Partners, operation: Operation, request: web.Request, call: Call
) -> web.StreamResponse:
    rule = None
    sent = False
    given = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"code": "no_answer"})
    try:
        if operation.api:
            _admit(partners, call)
        rule = _strike(partners, operation, call)
        partners.calls.begin(call, rule.fault if rule else None)
        if rule and rule.fault == "redirect":
            given = Answer(HTTPStatus.TEMPORARY_REDIRECT, {"code": "redirect"})
            sent = True
            return fault_effects.redirect(rule, request)
        given = await _given(partners, operation, request, call, rule)
        response = await fault_effects.answer(rule, request, given, partners)
        sent = True
        return response
    except ProblemError as problem:
        given = problem.answer()
        sent = True
        return fault_effects.failed(rule, given)
    except fault_effects.HungUpError:
        return web.Response()
    finally:
        partners.calls.end(call, given, sent=sent)


async def _given(
    partners: Partners,
    operation: Operation,
    request: web.Request,
    call: Call,
    rule: Rule | None,
) -> Answer:
    """The partner's answer without faults of the response. The key is locked meanwhile."""
    races = "race" in partners.dials.now.slips and call.key is not None
    call.unheld = races and partners.answers.is_running(operation.api or "", call.key)
    with partners.answers.running(operation.api or "", None if call.unheld else call.key):
        if races:
            await asyncio.sleep(RACE)
        await fault_effects.before(rule, request, call, partners)
        try:
            if call.refusal and call.key is None:
                raise call.refusal
            return operation.handle(partners, call)
        except ProblemError as problem:
            return problem.answer()


def _strike(partners: Partners, operation: Operation, call: Call) -> Rule | None:
    if operation.name == "unknown":
        return None
    subjects = call.subjects()
    rule = partners.faults.take((operation.name,), subjects, REQUEST)
    if rule is None and operation.name == "fulfill":
        rule = partners.faults.take(("fulfill", "webhook"), subjects, EARLY)
    return rule


def _admit(partners: Partners, call: Call) -> None:
    if "open_door" in partners.dials.now.slips:
        return
    try:
        partners.door.admit(call.headers)
    except ProblemError:
        partners.calls.begin(call, None)
        if "odd_door" in partners.dials.now.slips:
            raise ProblemError(HTTPStatus.FORBIDDEN, "forbidden", "Who are you?") from None
        raise
