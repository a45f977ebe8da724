"""Endpoints on this machine, which production refuses."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _inner(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.WEBHOOK_TIMEOUT = 5.0
