"""A log that nobody reads costs lines, and never the process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.daemons import ROOT
from tests.support.waiting import eventually

# Writes 3,000 lines, far more than a pipe holds, then a file, and one line each time it is asked.
WRITER = """
import logging, sys
from pathlib import Path
from loyalty_portal.configuration.observability import output
{before}
handler = {handler}
handler.setFormatter(logging.Formatter("%(message)s"))
logging.getLogger().addHandler(handler)
for number in range(3000):
    logging.warning("line %d %s", number, "x" * 100)
Path(sys.argv[1]).touch()
sys.stdin.readline()
logging.warning("and on it goes")
"""
OURS = {"handler": "output.Output(sys.stdout)", "before": "output.PATIENCE = 0.2"}
PLAIN = {"handler": "logging.StreamHandler(sys.stdout)", "before": ""}
Start = Callable[[dict[str, str], "int | IO[Any]"], subprocess.Popen[bytes]]


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """The file that the writer makes when all its lines are behind it."""
    return tmp_path / "done"


@pytest.fixture
def start(done: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def run(how: dict[str, str], output: int | IO[Any]) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-c", WRITER.format(**how), str(done)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=output,
            )
            stack.callback(process.kill)
            return process

        yield run


def test_a_pipe_that_nobody_reads_costs_lines_and_says_so(start: Start, done: Path) -> None:
    process = start(OURS, subprocess.PIPE)
    eventually(done.exists, "all lines are written or lost")

    assert process.stdout
    first = [process.stdout.readline().decode() for _each in range(100)]
    assert [each.split()[1] for each in first] == [str(number) for number in range(100)]
    out, _errors = process.communicate(b"go on\n", timeout=40)
    *_others, told, last = out.decode().splitlines()
    assert told == "log lines were lost: nobody read them"
    assert last == "and on it goes"


def test_without_the_guard_the_process_would_hang(start: Start, done: Path) -> None:
    process = start(PLAIN, subprocess.PIPE)
    where = Path(f"/proc/{process.pid}/syscall")
    in_a_write = "1 0x1 "  # on x86-64: the call's number, and the descriptor of stdout
    if os.uname().machine != "x86_64":
        pytest.skip("x86-64 is missing: other machines number system calls otherwise")
    eventually(lambda: where.read_text().startswith(in_a_write), "it waits for its reader")
    assert not done.exists()


def test_a_socket_that_nobody_reads_as_that_of_the_journal(start: Start, done: Path) -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        start(OURS, theirs.fileno())
        eventually(done.exists, "all lines are written or lost")
        assert ours.recv(6) == b"line 0"


def test_a_reader_that_is_gone_stops_nobody(start: Start, done: Path) -> None:
    reading, writing = os.pipe()
    process = start(OURS, writing)
    os.close(writing)
    os.close(reading)
    eventually(done.exists, "all lines are lost")
    process.communicate(b"go on\n", timeout=40)
    assert process.returncode == 0


def test_a_file_gets_every_line(start: Start, done: Path, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = start(OURS, log)
        process.communicate(b"go on\n", timeout=40)
    assert len((tmp_path / "log").read_text().splitlines()) == 3001
