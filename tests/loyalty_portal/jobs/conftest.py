"""The tests' own kinds of jobs instead of the rooms'."""

from typing import Any

import pytest

from tests.loyalty_portal.jobs.kinds_tried import NAMES


@pytest.fixture(autouse=True)
def _kinds(settings: Any) -> None:
    settings.JOB_KINDS = NAMES
