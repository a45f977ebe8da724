"""Fixtures of the catalogue's tests, which use no room above it."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _no_layout_providers(settings: Any) -> None:
    settings.LAYOUT_PROVIDERS = []


@pytest.fixture(autouse=True)
def _own_pictures(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"
