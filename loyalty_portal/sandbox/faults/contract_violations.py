"""Contract violations that can be switched on one by one (the setting `slips`).

A fault happens to single calls. A violation is the way a partner was built and happens to every
call. Violations are for the tests of `check_partners`.
"""

from __future__ import annotations

import json

from aiohttp import web

VIOLATIONS = {
    "open_door": "answers who shows no credentials",
    "odd_door": "turns away who shows no credentials with 403 and a code of its own",
    "reuse": "a used key with another body gets the first answer",
    "race": "two at once with one key are both executed",
    "overdraft": "takes more than there is, and the balance goes below zero",
    "over_credit": "gives back more than was taken",
    "stale_balance": "the balance does not move",
    "statement_gap": "the statement leaves out the newest movement",
    "statement_order": "the statement has the newest first",
    "references": "a used reference gets the first fulfillment",
    "no_repeat": "a webhook is sent once, whatever it is answered",
    "codes": "refusals have codes of its own",
    "plain_errors": "errors are not problem+json",
    "no_retry_after": "429 without Retry-After",
}


def violate(response: web.StreamResponse, slips: list[str]) -> None:
    """Change a response before it is sent, as the violations in `slips` say."""
    if not isinstance(response, web.Response):
        return
    if "no_retry_after" in slips:
        response.headers.popall("Retry-After", None)
    if response.content_type != "application/problem+json":
        return
    if "codes" in slips and isinstance(response.body, bytes):
        problem = json.loads(response.body)
        response.body = json.dumps(problem | {"code": f"E{problem['status']}"}).encode()
    if "plain_errors" in slips:
        response.content_type = "application/json"
