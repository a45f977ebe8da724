"""Servers that several tests here use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.production.stores.aws import Aws


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    server = Aws(tmp_path_factory.mktemp("aws"))
    try:
        server.start()
        yield server
    finally:
        server.kill()
