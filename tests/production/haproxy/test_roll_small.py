"""deploy/roll, the balancer and the product's web worker, with an application that starts quickly.

The balancer asks four times as often as with the shipped configuration, so that SHUTDOWN_DELAY may be
shorter; tests/production/haproxy/test_roll.py has the shipped times. The negative control shows that the
same clients see errors when somebody stops both machines.
"""

from __future__ import annotations

import fcntl
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.production.control import Control
from tests.production.haproxy.balancer import HAPROXY, Balancer
from tests.production.stack import MACHINES, make_certificate
from tests.support.daemons import ROOT, Daemon
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    not HAPROXY, reason="haproxy is missing (Debian: apt install haproxy)"
)
CLIENTS = 10
START_SECONDS = 120.0


class Small:
    """Two machines with a process each, which serves pages and the API, behind the balancer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.orders = folder / "orders"
        self.orders.touch()
        self.tls = ssl.create_default_context(cadata=make_certificate(folder / "portal.pem"))
        self.version = 1
        ports = {name: free_port() for name in MACHINES}
        first, second = ports.values()
        servers = {"WEB_1": first, "API_1": first, "WEB_2": second, "API_2": second}
        self.balancer = Balancer(folder, folder / "portal.pem", servers, asks_each="250ms")
        self.machines: dict[str, Daemon] = {}
        for name, port in ports.items():
            command = [sys.executable, "-m", "gunicorn", "tests.production.haproxy.small_app"]
            command += ["--bind", f"127.0.0.1:{port}", "--workers", "1"]
            more = {"ORDERS": str(self.orders), "SHUTDOWN_DELAY": "2"}
            self.machines[name] = Daemon(name, command, os.environ | more, folder)
        self.control = Control({"stop": self.stop, "start": self.start})

    def stop(self, machine: str) -> None:
        self.machines[machine].stop()

    def start(self, machine: str) -> None:
        self.machines[machine].environment["VERSION"] = str(self.version)
        self.machines[machine].launch()

    def roll(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "deploy/roll"), "--socket", str(self.balancer.socket)]
        command += ["--command", self.control.command, *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    def all_ready(self) -> bool:
        return self.balancer.sends_to_all()

    def browser(self) -> httpx.Client:
        address = f"https://127.0.0.1:{self.balancer.port}"
        return httpx.Client(base_url=address, verify=self.tls, timeout=60, trust_env=False)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = Small(tmp_path)
    with ExitStack() as stack:
        stack.enter_context(made.control)
        for machine in made.machines.values():
            stack.callback(machine.kill)
        for name in made.machines:
            made.start(name)
        stack.callback(made.balancer.stop)
        made.balancer.start()
        # HAProxy takes all servers for ready until it has asked them.
        with made.browser() as browser:
            eventually(
                lambda: made.all_ready() and browser.get("/").status_code == 200,
                "both are ready",
                within=START_SECONDS,
            )
        yield made


class Crowd:
    """Clients who look at a page and order, again and again, until `end`."""

    def __init__(self, small: Small) -> None:
        self._small = small
        self.failed: list[str] = []
        self.placed: list[str] = []
        self.unanswered: list[str] = []
        self.versions: set[str] = set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._go, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        eventually(lambda: len(self.placed) > CLIENTS, "they order", within=START_SECONDS)

    def _go(self) -> None:
        with self._small.browser() as browser:
            while not self._over.wait(0.05):
                self._look(browser)
                self._order(browser)

    def _look(self, browser: httpx.Client) -> None:
        try:
            answer = browser.get("/")
        except httpx.HTTPError as error:
            self.failed.append(f"GET: {error!r}")
            return
        if answer.status_code == 200:
            self.versions.add(answer.text)
        else:
            self.failed.append(f"GET: {answer.status_code}")

    def _order(self, browser: httpx.Client) -> None:
        number = uuid4().hex
        try:
            status = browser.post("/order", content=number.encode()).status_code
        except httpx.HTTPError as error:
            status = 0
            self.failed.append(f"POST: {error!r}")
        else:
            if status != 201:
                self.failed.append(f"POST: {status}")
        (self.placed if status == 201 else self.unanswered).append(number)

    def end(self) -> None:
        """Let everybody go round again, then stop them."""
        so_far = len(self.placed)
        eventually(
            lambda: len(self.placed) > so_far + 2 * CLIENTS, "they order", within=START_SECONDS
        )
        self._over.set()
        for thread in self._threads:
            thread.join(START_SECONDS)

    def each_is_there_once(self) -> None:
        """Each order that was answered is written once, and none twice."""
        written = self._small.orders.read_text().split()
        assert len(set(written)) == len(written)
        assert set(self.placed) <= set(written) <= set(self.placed) | set(self.unanswered)


def test_three_rolls_are_noticed_by_nobody(small: Small) -> None:
    crowd = Crowd(small)
    for _ in range(3):
        small.version += 1
        done = small.roll()
        assert done.returncode == 0, done.stdout + done.stderr
    crowd.end()

    assert crowd.failed == []
    assert {"1", "2", "3", "4"} == crowd.versions
    crowd.each_is_there_once()
    print(f"{len(crowd.placed)} orders, none failed\n{done.stdout}")


def test_a_stop_without_a_roll_is_noticed_by_nobody_either(small: Small) -> None:
    """SHUTDOWN_DELAY alone: /readyz says 503 while the process serves on."""
    crowd = Crowd(small)
    for name in MACHINES:
        small.stop(name)
        small.start(name)
        eventually(small.all_ready, "it is back", within=START_SECONDS)
    crowd.end()

    assert crowd.failed == []
    crowd.each_is_there_once()


def test_everybody_notices_when_both_machines_are_stopped_at_once(small: Small) -> None:
    """Negative control."""
    crowd = Crowd(small)
    for machine in small.machines.values():
        assert machine.process is not None
        machine.process.send_signal(signal.SIGTERM)
    eventually(lambda: len(crowd.failed) > CLIENTS, "they notice", within=START_SECONDS)
    for name in MACHINES:
        small.stop(name)
        small.start(name)
    eventually(small.all_ready, "both are back", within=START_SECONDS)
    crowd.end()

    crowd.each_is_there_once()


def test_a_process_that_is_killed_costs_no_page_and_no_form_is_sent_twice(small: Small) -> None:
    crowd = Crowd(small)
    for name in MACHINES:
        small.machines[name].kill()
        eventually(
            lambda name=name: small.balancer.states()[f"web/{name}"] == "DOWN",  # type: ignore[misc]
            "the balancer has noticed",
        )
        small.start(name)
        eventually(small.all_ready, "it is back", within=START_SECONDS)
    crowd.end()

    assert [each for each in crowd.failed if each.startswith("GET")] == []
    crowd.each_is_there_once()
    print(f"{len(crowd.placed)} orders, {len(crowd.unanswered)} forms without an answer")


def test_nobody_notices_that_haproxy_reads_its_configuration_again(small: Small) -> None:
    crowd = Crowd(small)
    before = pid(small)
    small.balancer.reload()
    eventually(lambda: pid(small) != before, "another process serves")
    crowd.end()

    assert crowd.failed == []
    crowd.each_is_there_once()


def pid(small: Small) -> str:
    [found] = [
        line for line in small.balancer.order("show info").splitlines() if line.startswith("Pid:")
    ]
    return found


def test_a_second_roll_is_refused(small: Small) -> None:
    with Path(f"{small.balancer.socket}.roll").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = small.roll()

    assert (done.returncode, done.stdout) == (1, "")
    assert "Another roll is under way. Nothing was done." in done.stderr
    assert small.all_ready()


def test_a_roll_stops_nothing_while_the_other_machine_is_not_ready(small: Small) -> None:
    small.balancer.order("set server api/machine2 state maint")
    done = small.roll("machine1")

    assert done.returncode == 1
    assert "machine1 is not replaced, since it is needed (api/machine2 is MAINT)" in done.stderr
    assert small.machines["machine1"].is_running
    assert small.balancer.states()["web/machine1"] == "UP"


def test_a_version_that_does_not_become_ready_stays_out_and_the_other_serves(small: Small) -> None:
    small.machines["machine1"].command[3] = "tests.production.no_such_app"
    done = small.roll("--seconds", "2")

    assert done.returncode == 1
    assert "machine1 is not ready after 2 s. It stays drained" in done.stderr
    assert small.balancer.states()["web/machine2"] == "UP"
    with small.browser() as browser:
        assert browser.get("/").text == "1"


def test_a_machine_that_nobody_knows_is_named(small: Small) -> None:
    done = small.roll("machine3")

    assert done.returncode == 1
    assert "HAProxy knows no machine3, but machine1, machine2." in done.stderr
