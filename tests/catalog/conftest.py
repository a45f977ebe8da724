"""Fixtures of the catalogue's tests, which use no room above it."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _no_layout_providers(settings: Any) -> None:
    settings.LAYOUT_PROVIDERS = []
