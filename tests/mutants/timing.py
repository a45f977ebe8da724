"""A pytest plugin for the runs of `make mutants`: how long each test takes, and a clean start."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

SECONDS: dict[str, float] = defaultdict(float)
FAILED: set[str] = set()


@pytest.fixture(scope="session", autouse=True)
def _clean_start(django_db_setup: None, django_db_blocker: Any) -> None:
    """Empty the database, because an earlier run may have been interrupted."""
    with django_db_blocker.unblock():
        call_command("flush", interactive=False, verbosity=0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    SECONDS[report.nodeid] += report.duration
    if report.failed:
        FAILED.add(report.nodeid)


def pytest_unconfigure() -> None:
    told = os.environ.get("MUTANTS_SECONDS")
    if told:
        passed = {test: spent for test, spent in SECONDS.items() if test not in FAILED}
        Path(told).write_text(json.dumps(passed))
