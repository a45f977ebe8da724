"""The demo's data in a database of its own, with the pretend partners that belong to it."""

from __future__ import annotations

import secrets
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.support.sandbox_process import WEBHOOK_SECRET, SandboxProcess

ROOT = Path(__file__).resolve().parents[2]


def seeded(stack: ExitStack, folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """Start the sandbox, and fill the database of `environment` with the demo. Returns the
    environment with the partners' addresses. `stack` ends the sandbox.
    """
    key = secrets.token_urlsafe()  # production refuses the one that is known to everybody
    sandbox = SandboxProcess.start(data_dir=folder / "sandbox", options=("--api-key", key))
    stack.callback(sandbox.kill)
    there = {"FULFILLMENT_WEBHOOK_SECRETS": WEBHOOK_SECRET} | environment
    there |= {
        "LOYALTY_API_URL": sandbox.loyalty_url,
        "LOYALTY_API_KEY": key,
        "FULFILLMENT_API_URL": sandbox.fulfillment_url,
        "FULFILLMENT_API_KEY": key,
        "EMAIL_URL": "dummymail://",
        "METRICS_PORT": "0",
    }
    seeding = {**there, "DEBUG": "true", "DJANGO_SETTINGS_MODULE": "loyalty_portal.settings"}
    for command in (["migrate", "--verbosity=0"], ["seed_demo"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=seeding, check=True)
    return there
