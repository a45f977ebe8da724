"""What the tests of a session that stays loaded share (serving.py): made once, before it forks."""

from __future__ import annotations

from typing import Any

from tests.support.sandbox_process import SandboxProcess
from tests.support.shortcuts import QuickEmptying

BLOCKERS: list[Any] = []


def test_everything_that_the_session_shares_is_made(
    sandbox: SandboxProcess, transactional_db: None, django_db_blocker: Any
) -> None:
    BLOCKERS.append(django_db_blocker)


def empty_database() -> None:
    with BLOCKERS[0].unblock():
        QuickEmptying()._delete()
