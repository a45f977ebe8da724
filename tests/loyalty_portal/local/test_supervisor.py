"""Processes that the supervisor starts never outlive it. Uses real small processes."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from loyalty_portal.local.supervisor import ChildEndedError, StopAskedError, Supervisor

ROOT = Path(__file__).resolve().parents[3]
# All processes of these tests have this mark, so that processes of other tests do not count.
MARK = ("STARTED_BY_THIS_TEST", uuid.uuid4().hex)
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1", MARK[0]: MARK[1]}
FOREVER = "import time; print('ready'); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"
# a process with a child, as a web server has workers
WITH_WORKER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {FOREVER!r}])"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def marked_processes() -> list[psutil.Process]:
    """The running processes with our mark, including orphans."""
    return [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get(MARK[0]) == MARK[1]
    ]


def left_behind() -> list[psutil.Process]:
    """The processes that still run after a moment. They are killed for the next test."""
    _gone, alive = psutil.wait_procs(marked_processes(), timeout=10)
    for process in alive:
        process.kill()
    return alive


def when_written(output: io.StringIO, text: str) -> Callable[[], bool]:
    return lambda: text in output.getvalue()


def test_output_is_passed_on_by_name() -> None:
    output = io.StringIO()
    with Supervisor(output) as house:
        house.run("greeter", python("print('one'); print('two', end='')"), environment=ENVIRONMENT)
    assert output.getvalue() == "greeter  | one\ngreeter  | two\n"


def test_a_failing_step_is_an_error_with_its_name_and_code() -> None:
    step = python("raise SystemExit(3)")
    failing = pytest.raises(ChildEndedError, match="migrate ended with code 3")
    with failing, Supervisor(io.StringIO()) as house:
        house.run("migrate", step, environment=ENVIRONMENT)


def run_web_and_a_worker_that_crashes(output: io.StringIO) -> None:
    with Supervisor(output) as house:
        house.start("web", python(WITH_WORKER), environment=ENVIRONMENT)
        assert house.wait_until(when_written(output, "web      | ready"), seconds=30)
        crash = python("print('no more memory'); raise SystemExit(7)")
        assert len(marked_processes()) == 2  # the web process and its worker
        house.start("worker", crash, environment=ENVIRONMENT)
        house.watch()


def test_a_crash_is_shown_and_ends_the_rest() -> None:
    output = io.StringIO()
    with pytest.raises(ChildEndedError, match="worker ended with code 7"):
        run_web_and_a_worker_that_crashes(output)
    assert "worker   | no more memory" in output.getvalue()
    assert left_behind() == []


def run_web_on_a_database_that_ends() -> None:
    with subprocess.Popen(python("")) as database, Supervisor(io.StringIO()) as house:
        house.adopt("postgres", database)
        house.start("web", python(FOREVER), environment=ENVIRONMENT)
        house.watch()


def test_an_ended_database_ends_the_rest() -> None:
    with pytest.raises(ChildEndedError, match="postgres ended with code 0"):
        run_web_on_a_database_that_ends()
    assert left_behind() == []


def test_an_ended_redis_is_told_and_the_rest_goes_on() -> None:
    output = io.StringIO()
    with subprocess.Popen(python("")) as redis, Supervisor(output) as house:
        house.adopt("redis", redis, needed=False)
        house.start("web", python(FOREVER), environment=ENVIRONMENT)
        told = when_written(output, "redis ended with code 0; all goes on without it")
        assert house.wait_until(told, seconds=30)
        assert house.wait_until(when_written(output, "web      | ready"), seconds=30)
    assert output.getvalue().count("redis ended") == 1


def test_a_child_that_ignores_the_request_to_stop_is_ended_by_force() -> None:
    output = io.StringIO()
    with Supervisor(output, grace=0.3) as house:
        house.start("worker", python(STUBBORN), environment=ENVIRONMENT)
        assert house.wait_until(when_written(output, "ready"), seconds=30)
    assert "ended by force" in output.getvalue()
    assert left_behind() == []


def run_web_until(number: signal.Signals) -> None:
    output = io.StringIO()
    with Supervisor(output) as house:
        house.start("web", python(WITH_WORKER), environment=ENVIRONMENT)
        assert house.wait_until(when_written(output, "ready"), seconds=30)
        os.kill(os.getpid(), number)
        house.watch()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_parent_stops_everything(number: signal.Signals) -> None:
    with pytest.raises(StopAskedError):
        run_web_until(number)
    assert left_behind() == []


def test_a_signal_during_a_step_stops_the_step() -> None:
    step = python(f"import os, signal; os.kill(os.getppid(), signal.SIGINT); {FOREVER}")
    with pytest.raises(StopAskedError), Supervisor(io.StringIO()) as house:
        house.run("seed", step, environment=ENVIRONMENT)
    assert left_behind() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
def test_nothing_outlives_a_parent_that_is_killed() -> None:
    parent = textwrap.dedent(f"""
        import os, sys
        from loyalty_portal.local.supervisor import Supervisor
        with Supervisor(sys.stdout) as house:
            for name in ("web", "worker"):
                house.start(name, [sys.executable, "-c", {FOREVER!r}], environment=os.environ)
            house.watch()
    """)
    with subprocess.Popen(
        python(parent), cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().split("|")[1].strip() for _ in range(2)] == ["ready"] * 2
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 2
        process.kill()
    _gone, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
