"""`python -m loyalty_portal.sandbox`: runs the pretend partners, for the demo and the tests."""

from __future__ import annotations

import argparse
import binascii
import errno
import logging
import os
import socket
import sqlite3
import sys
from pathlib import Path

from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from loyalty_portal.sandbox.app import build
from loyalty_portal.sandbox.faults.behaviour import Behaviour
from loyalty_portal.sandbox.oauth import Credentials
from loyalty_portal.sandbox.partners import Options

PORT = 9100
TRUE = {"true", "1", "yes", "on"}
WEBHOOK_PATH = "/webhooks/fulfillment/"


class StartError(Exception):
    """The sandbox cannot start; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Returns 0 after a stop, 2 when it could not start."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    given = _parser().parse_args(arguments)
    try:
        _refuse_production()
        app = _build(_options(given))
        listener = _listen(given.host, given.port)
    except StartError as reason:
        sys.stderr.write(f"The sandbox cannot start: {reason}\n")
        return 2
    host, port = listener.getsockname()[:2]
    logging.getLogger("sandbox").info("listening on http://%s:%s data=%s", host, port, given.data)
    web.run_app(
        app,
        sock=listener,
        print=None,
        access_log=None,
        handle_signals=True,
        shutdown_timeout=1.0,
    )
    logging.getLogger("sandbox").info("stopped")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loyalty_portal.sandbox",
        description="Pretends to be the partners: points, fulfillment, and text messages.",
    )
    known = Credentials()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=os.environ.get("SANDBOX_PORT") or PORT)
    parser.add_argument("--data", type=Path, default=Path(".sandbox"), help="folder of the ledger")
    parser.add_argument("--mail", type=Path, help="folder of letters, for the page /mailbox/")
    parser.add_argument("--webhook-url", help="default: PORTAL_URL's webhook address")
    parser.add_argument(
        "--webhook-secret", help="default: the first of FULFILLMENT_WEBHOOK_SECRETS"
    )
    parser.add_argument("--client-id", default=known.client_id)
    parser.add_argument("--client-secret", default=known.client_secret)
    parser.add_argument("--api-key", default=known.api_key)
    parser.add_argument("--token-life", type=float, default=Behaviour.token_life, help="seconds")
    parser.add_argument("--seed", type=int, help="makes the faults' rates repeatable")
    return parser


def _refuse_production() -> None:
    """Refuse to run when DEBUG is not set, which the portal takes for production."""
    if os.environ.get("DEBUG", "").strip().lower() not in TRUE:
        raise StartError(
            "DEBUG is not on, so these are production settings, and the sandbox pretends to move"
            " points. Set DEBUG=true where this is a test."
        )


def _options(given: argparse.Namespace) -> Options:
    portal = os.environ.get("PORTAL_URL", "").strip().rstrip("/")
    secrets = os.environ.get("FULFILLMENT_WEBHOOK_SECRETS", "").split(",")
    secret = given.webhook_secret or secrets[0].strip() or None
    url = given.webhook_url or (f"{portal}{WEBHOOK_PATH}" if portal else None)
    if url and not secret:
        raise StartError(
            "webhooks need a secret: give --webhook-secret or FULFILLMENT_WEBHOOK_SECRETS."
        )
    try:
        if secret:
            Webhook(secret)
    except (binascii.Error, ValueError, EmptyWebhookSecretError):
        raise StartError("the webhook secret must be whsec_ and base64.") from None
    return Options(
        data=given.data,
        webhook_url=url,
        webhook_secret=secret,
        token_life=given.token_life,
        seed=given.seed,
        mail=given.mail,
        credentials=Credentials(given.client_id, given.client_secret, given.api_key),
    )


def _build(options: Options) -> web.Application:
    try:
        return build(options)
    except (OSError, sqlite3.Error) as error:
        raise StartError(f"it cannot keep its ledger in {options.data}: {error}.") from None


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} of {host} is taken; give another with --port or SANDBOX_PORT."
            ) from None
        raise StartError(f"cannot listen on {host}:{port}: {error}.") from None
    return listener


if __name__ == "__main__":
    sys.exit(main())
