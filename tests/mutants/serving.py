"""A pytest plugin: a session that stays loaded, and tries each mutant in a fork of its process.

It reads a line of JSON for each mutant: `path`, the texts `before` and `after`, the ids of the
`tests` in order, and `seconds` until it is given up. It answers with a line of JSON: `failed`, the
first test that failed or hung ("" if none did), or `cannot`, why it cannot be tried here.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import pytest
from django.db import connection

from tests.mutants.patching import CannotPatchError, Functions, loaded, patch
from tests.mutants.running import ROOMS
from tests.mutants.timing import FAILED

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--serve", help="the file descriptors to read from and to write to: 5,6")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    given = session.config.getoption("serve")
    if not given:
        return None
    first = _first(session)
    other = next(item for item in session.items if item is not first)
    first.ihook.pytest_runtest_protocol(item=first, nextitem=other)
    connection.close()  # each fork opens its own
    _import_everything()
    functions = loaded(ROOT)
    reader, writer = map(int, given.split(","))
    with os.fdopen(reader) as asked, os.fdopen(writer, "w") as answers:
        for line in asked:
            answers.write(json.dumps(_in_a_fork(session, functions, json.loads(line))) + "\n")
            answers.flush()
    return True


def _import_everything() -> None:
    """Import each module of the rooms; many are imported only by the first request."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def _first(session: pytest.Session) -> Any:
    """The one test of tests/mutants/shared.py."""
    return next(item for item in session.items if item.nodeid.startswith("tests/mutants/shared.py"))


def _in_a_fork(
    session: pytest.Session, functions: Functions, asked: Mapping[str, Any]
) -> dict[str, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setsid()
            with os.fdopen(writer, "w") as told:
                _try_out(session, functions, asked, told)
        finally:
            os._exit(0)
    os.close(writer)
    *begun, last = _read(reader, seconds=asked["seconds"]).split("\n")
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # Without a last line it hung or died in the test that it had begun.
    answer: dict[str, str] = json.loads(last) if last else {"failed": begun[-1] if begun else ""}
    return answer


def _read(reader: int, *, seconds: float) -> str:
    """What is written to this pipe until its end, for so many seconds at most."""
    text, until = b"", time.monotonic() + seconds
    while select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
        piece = os.read(reader, 65_536)
        if not piece:
            break
        text += piece
    os.close(reader)
    return text.decode()


def _try_out(
    session: pytest.Session, functions: Functions, asked: Mapping[str, Any], told: TextIO
) -> None:
    """Write the id of each test before it begins, and the answer as last line."""
    try:
        patch(functions, asked["path"], asked["before"], asked["after"])
    except CannotPatchError as error:
        told.write(json.dumps({"cannot": str(error)}))
        return
    first = _first(session)
    first.module.empty_database()  # an earlier fork may have been interrupted
    items = {item.nodeid: item for item in session.items}
    chosen = [items[test] for test in asked["tests"]]
    for item, after in zip(chosen, [*chosen[1:], first], strict=True):
        print(item.nodeid, file=told, flush=True)
        item.ihook.pytest_runtest_protocol(item=item, nextitem=after)
        if FAILED:
            session._setupstate.teardown_exact(first)
            break
    told.write(json.dumps({"failed": next(iter(FAILED), "")}))
