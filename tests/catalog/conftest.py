"""The catalogue's own tests: nothing of a room above it is there."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _no_layout_providers(settings: Any) -> None:
    settings.LAYOUT_PROVIDERS = []
