"""Calls of the whole API that schemathesis makes out of its document, over HTTP.

They are as the document allows and as it forbids, alone and one after another. Whatever is sent,
the answer is one that the document names, in the shape that it says, and never a 500.
`SEED=1 make check-api` makes the calls of seed 1 again.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest

from accounts.access import bearer
from accounts.models import Role
from loyalty_portal.http.limits import Limit
from redemption.models import RedemptionOrder
from tests.accounts.access.making import new_key
from tests.catalog.factories import ProductFactory
from tests.journeys.test_api_of_two_companies import side
from tests.support.sandbox_process import SandboxProcess

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def portal(
    live_server: Any, partners: SandboxProcess, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The address of a portal that counts no calls."""
    settings.PORTAL_URL = live_server.url
    settings.API_RATE_KEY = settings.API_RATE_COMPANY = 10**9
    # replaced: the limit of strangers, whom schemathesis plays often
    monkeypatch.setattr(bearer, "BY_STRANGERS", Limit("all", most=10**9, seconds=60))
    return str(live_server.url)


@pytest.fixture
def key() -> str:
    """An owner's key of a company with one of everything, whose order the examples name."""
    own = side("Northwind")
    ProductFactory.create(sku="MUG-01", points_cost=300, in_stock=1_000_000)
    orders = RedemptionOrder.objects.filter(pk=own.ids["order"])
    orders.update(order_number="R-7KQ4M-2XDTP")
    return new_key(own.seat.company, role=Role.OWNER).secret


def calls_made(portal: str, key: str, folder: Path, *options: str) -> int:
    """How many calls schemathesis made. Fails when it found something, and prints the seed."""
    seed = os.environ.get("SEED") or str(SystemRandom().randrange(2**32))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)]
    command += ["run", f"{portal}/api/v1/openapi.json", "--seed", seed, *options]
    environment = os.environ | {"API_KEY": key, "COLUMNS": "160"}
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    print(f"SEED={seed}\n{run.stdout}{run.stderr}")
    assert run.returncode == 0, f"SEED={seed}\n{run.stdout}{run.stderr}"
    (generated,) = re.findall(r"(\d+) generated", run.stdout)
    return int(generated)


def test_whatever_is_sent_the_answer_is_one_that_the_document_names(
    portal: str, key: str, tmp_path: Path
) -> None:
    one_by_one = ("--phases", "coverage", "--mode", "positive")
    assert calls_made(portal, key, tmp_path, *one_by_one) > 200
    by_chance = ("--phases", "examples,fuzzing,stateful", "--max-examples", "5")
    assert calls_made(portal, key, tmp_path, *by_chance) > 100


@pytest.mark.long
def test_the_same_holds_for_many_calls(portal: str, key: str, tmp_path: Path) -> None:
    every_phase = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "40")
    assert calls_made(portal, key, tmp_path, *every_phase) > 3_000
