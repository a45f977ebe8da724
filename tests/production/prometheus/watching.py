"""Prometheus, its exporters, Alertmanager and a pretended PagerDuty, with the files of deploy/."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests.support.daemons import ROOT, Daemon
from tests.support.ports import answers, free_port
from tests.support.waiting import eventually

SHIPPED = ROOT / "deploy/prometheus"
PROGRAMS = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "prometheus-blackbox-exporter": "prometheus-blackbox-exporter",
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# Limits that are seconds of waiting, in the shipped rules.
_WAITS = {"> 120)": 120, "> 600": 600}


def needs(*programs: str) -> None:
    """Skip the test when a program is missing, with the name of its Debian package."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{PROGRAMS.get(program, 'prometheus')} is missing (Debian: apt install)")


def shortened(rules: str, by: int) -> str:
    """The shipped rules with every time divided by `by`, and at least a second: each `for` and
    `keep_firing_for`, each range of a query, and the limits that are seconds of waiting.
    """

    def less(found: re.Match[str]) -> str:
        seconds = int(found[2]) * _UNITS[found[3]]
        return f"{found[1]}{max(seconds // by, 1)}s{found[4]}"

    text = re.sub(r"(for: )(\d+)([smhd])($)", less, rules, flags=re.MULTILINE)
    text = re.sub(r"(\[)(\d+)([smhd])([\]:])", less, text)
    text = re.sub(r"(\[\w+:)(\d+)([smhd])(\])", less, text)
    for written, seconds in _WAITS.items():
        text = text.replace(written, written.replace(str(seconds), f"{seconds / by:g}"))
    return text


class PagerDuty(AbstractContextManager["PagerDuty"]):
    """Takes events as PagerDuty's Events API v2 does, and heartbeats at every other address."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.events: list[dict[str, Any]] = []
        self.heartbeats = 0
        self.refuses = False
        self._lock = Lock()
        taken = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                status, said = taken._take(self.path, body)
                raw = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_args: object) -> None:
                """Nothing: the events are looked at."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Answer)

    def _take(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str]]:
        with self._lock:
            if path != "/v2/enqueue":
                self.heartbeats += 1
                return 200, {}
            # Alertmanager's own events arrive while the product's are refused.
            if self.refuses and body.get("payload", {}).get("component") != "prometheus":
                return 500, {"status": "down"}
            self.events.append(body)
            return 202, {"status": "success", "message": "ok", "dedup_key": body["dedup_key"]}

    def pages(self, since: int = 0) -> dict[str, str]:
        """What was triggered: the class (an alert's name, or an incident's kind), by its key. An
        alert has the same key each time, so a test looks at the events `since` its beginning.
        """
        return {
            event["dedup_key"]: event["payload"]["class"]
            for event in self.events[since:]
            if event["event_action"] == "trigger"
        }

    def is_over(self, name: str, since: int = 0) -> bool:
        """Whether each page of this class was resolved."""
        keys = {key for key, told in self.pages(since).items() if told == name}
        events = self.events[since:]
        over = {each["dedup_key"] for each in events if each["event_action"] == "resolve"}
        return bool(keys) and keys <= over

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def configure_alertmanager(folder: Path, pagerduty: PagerDuty) -> None:
    """Write its files as an operator does. Only its waiting is shorter."""
    configure = [sys.executable, str(ROOT / "deploy/alertmanager/configure.py"), str(folder)]
    environment = {
        "PATH": os.environ["PATH"],
        "PAGERDUTY_ROUTING_KEY": "pretended",
        "PAGERDUTY_URL": pagerduty.url,
        "HEARTBEAT_URL": f"{pagerduty.url}/heartbeat",
    }
    subprocess.run(configure, env=environment, check=True)
    file = folder / "alertmanager.yml"
    file.write_text(re.sub(r"(group_wait|group_interval): \w+", r"\1: 2s", file.read_text()))


def alertmanager(folder: Path, port: int) -> list[str]:
    """The command that runs Alertmanager with the files in the folder."""
    return [
        "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


class Watch(AbstractContextManager["Watch"]):
    """Prometheus with the shipped rules, exporters and targets; Alertmanager if `pagerduty`.

    `targets` are ports by job. `disk`: only this file system is looked at. `without`: alerts that
    are left out. `trusts`: a certificate of the address `outside`. `by` shortens all times
    (`shortened`); 1 leaves them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        targets: Mapping[str, int],
        database: str,
        redis: str,
        outside: str,
        pagerduty: PagerDuty | None = None,
        disk: Path | None = None,
        trusts: Path | None = None,
        without: Sequence[str] = (),
        by: int = 1,
    ) -> None:
        self.folder = folder
        self._pagerduty = pagerduty
        self._by = by
        self._without = set(without)
        self._trusts = trusts
        self._disk = disk
        self.port = free_port()
        ports = {name: free_port() for name in ("postgres", "redis", "node", "blackbox", "am")}
        self.alertmanager_port = ports["am"]
        self._write(targets, outside, ports)
        listen = "--web.listen-address=127.0.0.1:"
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_SOURCE_NAME": f"{database}?sslmode=disable",
        }
        data = f"--storage.tsdb.path={folder / 'data'}"
        commands: dict[str, tuple[Sequence[str], int]] = {
            "postgres": (
                [
                    "prometheus-postgres-exporter",
                    "--no-collector.bgwriter",
                    f"{listen}{ports['postgres']}",
                ],
                ports["postgres"],
            ),
            "redis": (
                ["prometheus-redis-exporter", "-redis.addr", redis, f"{listen}{ports['redis']}"],
                ports["redis"],
            ),
            "node": (["prometheus-node-exporter", f"{listen}{ports['node']}"], ports["node"]),
            "blackbox": (
                [
                    "prometheus-blackbox-exporter",
                    f"--config.file={folder / 'blackbox.yml'}",
                    f"{listen}{ports['blackbox']}",
                ],
                ports["blackbox"],
            ),
            "prometheus": (
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    # At first it knows no Alertmanager yet, and tells it a minute later by default.
                    "--rules.alert.resend-delay=10s",
                    data,
                    f"{listen}{self.port}",
                ],
                self.port,
            ),
        }
        if pagerduty:
            commands["alertmanager"] = (alertmanager(folder / "am", ports["am"]), ports["am"])
        self.processes = {
            name: (Daemon(f"watch-{name}", command, environment, folder), port)
            for name, (command, port) in commands.items()
        }
        for process, _port in self.processes.values():
            process.folder = folder
        self._running = ExitStack()

    def _write(self, targets: Mapping[str, int], outside: str, ports: Mapping[str, int]) -> None:
        shutil.copytree(SHIPPED, self.folder, dirs_exist_ok=True)
        for name in ("recording.yml", "slo.yml", "alerts.yml"):
            file = self.folder / name
            text = shortened(file.read_text(), self._by) if self._by > 1 else file.read_text()
            rules = yaml.safe_load(text)
            for group in rules["groups"]:
                kept = (each for each in group["rules"] if each.get("alert") not in self._without)
                group["rules"] = list(kept)
                for each in group["rules"]:
                    if each.get("alert") == "DatabaseAway":
                        # A sweeper looks 30 s after the database is back, however short the rest.
                        each["keep_firing_for"] = "45s"
            file.write_text(yaml.safe_dump(rules))
        settings = yaml.safe_load((self.folder / "prometheus.yml").read_text())
        settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        settings["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [
            f"127.0.0.1:{ports['am']}"
        ]
        # It tries three seconds long before it says that the database is away.
        [postgres] = [each for each in settings["scrape_configs"] if each["job_name"] == "postgres"]
        postgres.update(scrape_interval="5s", scrape_timeout="5s")
        if self._disk:
            keep: dict[str, Any] = {"source_labels": ["__name__", "mountpoint"], "action": "keep"}
            keep["regex"] = f"node_filesystem.*;{self._disk}|up;.*"
            [node] = [each for each in settings["scrape_configs"] if each["job_name"] == "node"]
            node["metric_relabel_configs"] = [keep]
        if self._trusts:
            modules = yaml.safe_load((self.folder / "blackbox.yml").read_text())
            trusts = {"ca_file": str(self._trusts), "insecure_skip_verify": True}
            modules["modules"]["portal"]["http"]["tls_config"] = trusts
            (self.folder / "blackbox.yml").write_text(yaml.safe_dump(modules))
        text = yaml.safe_dump(settings, sort_keys=False).replace(
            "127.0.0.1:9115", f"127.0.0.1:{ports['blackbox']}"
        )
        (self.folder / "prometheus.yml").write_text(text)
        all_targets = {**targets, **{job: ports[job] for job in ("redis", "node")}}
        for job, port in all_targets.items():
            self._target(job, f"127.0.0.1:{port}")
        self._target("postgres", f"127.0.0.1:{ports['postgres']}", role="primary")
        self._target("outside", outside)
        if self._pagerduty:
            configure_alertmanager(self.folder / "am", self._pagerduty)

    def _target(self, job: str, address: str, **labels: str) -> None:
        told = [{"targets": [address], "labels": labels}]
        (self.folder / f"targets/{job}.yml").write_text(yaml.safe_dump(told))

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for process, _port in self.processes.values():
                starting.callback(process.kill)
                process.launch()
            for name, (_process, port) in self.processes.items():
                eventually(lambda port=port: answers(port), f"{name} answers")  # type: ignore[misc]
            self._running = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.close()

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression finds now."""
        query = urlencode({"query": expression})
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{query}", timeout=20) as answer:
            told = json.load(answer)
        assert told["status"] == "success", told
        found: list[dict[str, Any]] = told["data"]["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {each["metric"]["alertname"] for each in self.ask('ALERTS{alertstate="firing"}')}
