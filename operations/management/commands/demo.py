"""`manage.py demo`: runs the whole portal on one machine, in the foreground, until Ctrl-C."""

import base64
import json
import os
import secrets
import shlex
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.access.factors.codes import code_now
from loyalty_portal.local.embedded import Services
from loyalty_portal.local.embedded_folder import EmbeddedError
from loyalty_portal.local.supervisor import ChildEndedError, StopAskedError, Supervisor
from operations.demo.people import APP_SECRET

READY_SECONDS = 90.0
LAST_PORT = 65_535
FOLDER = Path(settings.BASE_DIR) / ".local" / "demo"
LETTERS = FOLDER / "letters"


class Command(BaseCommand):
    help = (
        "Runs the portal with its worker, sweeper, scheduler, indexer and pretend partners, on an "
        "embedded PostgreSQL and Redis unless DATABASE_URL and REDIS_URL name others."
    )
    # This command starts the database, so it cannot be checked first; its children check
    # themselves.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="of the portal (8000)")
        parser.add_argument(
            "--sandbox-port", type=int, default=9100, help="of the pretend partners (9100)"
        )

    def handle(self, *_args: object, port: int, sandbox_port: int, **_options: object) -> None:
        _require_free(port, "--port", "PORT")
        _require_free(sandbox_port, "--sandbox-port", "SANDBOX_PORT")
        try:
            with Supervisor(sys.stdout) as house:
                self._run(house, port, sandbox_port)
        except StopAskedError:
            self.stdout.write("Stopped. The data stays in .local/; `make demo` starts it again.")
        except ChildEndedError as error:
            raise CommandError(f"{error}, so the rest was stopped.") from error
        except EmbeddedError as error:
            raise CommandError(str(error)) from error

    def _run(self, house: Supervisor, port: int, sandbox_port: int) -> None:
        services = house.hold(Services(FOLDER, environment=os.environ, durable=True))
        for server in services.servers:
            house.adopt(server.name, server.process, needed=server.needed)
            house.say(f"started {server.name}")
        environment = _environment(services.addresses, port, sandbox_port)

        ledger: tuple[str, ...] = ("--port", str(sandbox_port), "--data", str(FOLDER / "sandbox"))
        ledger += ("--mail", str(LETTERS))
        partners = _python("-m", "loyalty_portal.sandbox", *ledger)
        house.start("sandbox", partners, environment=environment)
        self._wait(house, "sandbox", sandbox_port, "/")
        house.say("preparing the database; the first time takes a minute")
        house.run("migrate", _manage("migrate", "--verbosity=0"), environment=environment)
        house.run("seed", _manage("seed_demo"), environment=environment)

        pages = {
            **environment,
            "DJANGO_SETTINGS_MODULE": "loyalty_portal.local.demo_settings",
        }
        house.start("web", _web(port), environment=pages)
        for name, command in _workers().items():
            house.start(name, command, environment=environment)
        self._wait(house, "web", port, "/readyz")
        for line in _welcome(port, sandbox_port):
            house.say(line)
        house.watch()

    def _wait(self, house: Supervisor, name: str, port: int, path: str) -> None:
        if not house.wait_until(lambda: _answers(port, path), seconds=READY_SECONDS):
            raise CommandError(f"{name} did not answer within {READY_SECONDS:.0f} seconds.")


def _require_free(port: int, flag: str, variable: str) -> None:
    if not 0 <= port <= LAST_PORT:
        raise CommandError(f"{flag} must be between 1 and {LAST_PORT}, not {port}.")
    with socket.socket() as probe:
        # A server that just ended leaves the port in TIME_WAIT, which may be reused.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"Port {port} is taken ({error.strerror}). Choose another: "
                f"make demo {variable}={port + 10}, or manage.py demo {flag} {port + 10}."
            ) from error


def _environment(addresses: Mapping[str, str], port: int, sandbox_port: int) -> dict[str, str]:
    partners = f"http://127.0.0.1:{sandbox_port}"
    environment = {
        **addresses,
        **_kept_secrets(),
        "DEBUG": "true",
        "DJANGO_SETTINGS_MODULE": "loyalty_portal.settings",
        "PORTAL_URL": f"http://localhost:{port}",
        "LOYALTY_API_URL": f"{partners}/loyalty",
        "LOYALTY_OAUTH_TOKEN_URL": f"{partners}/oauth/token",
        "LOYALTY_OAUTH_CLIENT_ID": "portal",
        "LOYALTY_OAUTH_CLIENT_SECRET": "portal-secret",
        "FULFILLMENT_API_URL": f"{partners}/fulfillment",
        "FULFILLMENT_API_KEY": "sandbox-key",
        "FULFILLMENT_API_RESEND": "true",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "API_KEY_ENVIRONMENT": "test",
        "SEARCH_INDEX_PATH": str(FOLDER / "search"),
        "BEAT_SCHEDULE_FILE": str(FOLDER / "beat"),
        "SMS_URL": f"{partners}/sms",
        "SMS_KEY": "sandbox-key",
        "EMAIL_URL": f"filemail:///{quote(str(LETTERS))}",
        "ALERT_EMAILS": "on-call@meridian.example",
    }
    if settings.PORTAL_PAUSED:  # else what a terminal starts with this file would send things
        environment["PORTAL_PAUSED"] = "true"
    lines = (f"{key}={shlex.quote(value)}\n" for key, value in environment.items())
    _write_secret(FOLDER / "env", "".join(lines))
    return {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}


def _kept_secrets() -> dict[str, str]:
    """Secrets made once for this checkout: signatures and encrypted data must survive a restart."""
    file = FOLDER / "secrets.json"
    if not file.exists():
        made = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "FULFILLMENT_WEBHOOK_SECRETS": "whsec_"
            + base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        _write_secret(file, json.dumps(made, indent=2))
    return dict(json.loads(file.read_text()))


def _write_secret(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _manage(*arguments: str) -> list[str]:
    return _python(str(Path(settings.BASE_DIR) / "manage.py"), *arguments)


def _web(port: int) -> list[str]:
    # The demo does not run collectstatic: static files are served from their source folders.
    python = _python("-W", "ignore:No directory at")
    return [*python, "-m", "loyalty_portal.web", "--bind", f"127.0.0.1:{port}"]


def _workers() -> dict[str, list[str]]:
    # The warning is about workers that run as root and unpickle; ours reads only JSON.
    celery = ["-W", "ignore:You're running the worker", "-m", "celery", "-q"]
    celery += ["-A", "loyalty_portal"]
    queues = "loyalty,fulfillment,notifications,default"
    return {
        "worker": _python(*celery, "worker", "-P", "threads", "-c", "8", "-Q", queues),
        "beat": _python(*celery, "beat"),
        "sweeper": _manage("sweep"),
        "indexer": _manage("index_catalog", "--follow"),
    }


def _answers(port: int, path: str) -> bool:
    link = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", path)
        return link.getresponse().status < 400
    except (OSError, HTTPException):
        return False
    finally:
        link.close()


def _welcome(port: int, sandbox_port: int) -> list[str]:
    return [
        "",
        f"The portal     http://localhost:{port}/",
        f"The admin      http://localhost:{port}/admin/",
        f"The partners   http://127.0.0.1:{sandbox_port}/   (faults can be set there)",
        f"The mailbox    http://127.0.0.1:{sandbox_port}/mailbox/   (letters and text messages)",
        "",
        "The sign-ins are above, by `seed`, with the secret of the staff's codes. A code for now:",
        f"{code_now(APP_SECRET)}   (later: make demo-code)",
        "For manage.py in another terminal:",
        f"set -a; . {shlex.quote(str(FOLDER / 'env'))}; set +a",
        "Ctrl-C stops everything and keeps the data.",
        "",
    ]
