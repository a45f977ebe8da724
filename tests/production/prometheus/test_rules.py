"""The rules of alerts, who is told, dashboards and runbooks: checked by their own tools."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.production.prometheus.watching import (
    SHIPPED,
    PagerDuty,
    alertmanager,
    configure_alertmanager,
    needs,
    shortened,
)
from tests.support.daemons import ROOT, Daemon
from tests.support.ports import answers, free_port
from tests.support.waiting import eventually

RUNBOOKS = ROOT / "docs/runbooks"
ALERTMANAGER = ROOT / "deploy/alertmanager"
GRAFANA = ROOT / "deploy/grafana"
RULES = ("recording", "slo", "alerts")
SCREEN = 50  # lines


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        command, env=paths | environment, capture_output=True, text=True, check=False
    )


def rules() -> dict[str, dict[str, Any]]:
    """All alerts by name."""
    found: dict[str, dict[str, Any]] = {}
    for name in RULES:
        for group in yaml.safe_load((SHIPPED / f"{name}.yml").read_text())["groups"]:
            found |= {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}
    return found


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    needs("promtool", "amtool")


def test_prometheus_reads_its_configuration_and_rules() -> None:
    done = run("promtool", "check", "config", str(SHIPPED / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_copy_of_the_rules_is_refused(tmp_path: Path) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "copy")
    (copy / "alerts.yml").write_text(
        (copy / "alerts.yml").read_text().replace("max(portal_alerts_unsent)", "max(portal_alerts")
    )
    assert run("promtool", "check", "config", str(copy / "prometheus.yml")).returncode != 0


@pytest.mark.parametrize("name", RULES)
def test_the_rules_do_what_their_tests_say(name: str) -> None:
    done = run("promtool", "test", "rules", str(SHIPPED / f"tests/{name}.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("alert", "written", "wrong"),
    [
        ("AlertsUnsent", "portal_alerts_unsent) > 0", "portal_alerts_unsent) > 1"),
        ("CertificateEnds", "< 14 * 86400", "< 9 * 86400"),
        ("DatabaseAway", 'max(pg_up{role="primary"}) == 0', "max(pg_up) == 0"),
        ("NobodySweeps", "min(portal:last_look:max)", "max(portal:last_look:max)"),
    ],
)
def test_a_rule_that_does_something_else_fails_its_test(
    tmp_path: Path, alert: str, written: str, wrong: str
) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "copy")
    tests = copy / "tests/alerts.yml"
    told = yaml.safe_load(tests.read_text())
    # only those of this alert, since all take seconds
    told["tests"] = [
        each
        for each in told["tests"]
        if any(case["alertname"] == alert for case in each.get("alert_rule_test", ()))
    ]
    tests.write_text(yaml.safe_dump(told))
    assert run("promtool", "test", "rules", str(tests)).returncode == 0
    text = (copy / "alerts.yml").read_text()
    assert written in text
    (copy / "alerts.yml").write_text(text.replace(written, wrong))
    assert run("promtool", "test", "rules", str(tests)).returncode != 0


def test_each_alert_is_shown_firing_and_not_firing() -> None:
    shown: set[tuple[str, bool]] = set()
    for name in RULES:
        for test in yaml.safe_load((SHIPPED / f"tests/{name}.yml").read_text())["tests"]:
            shown |= {
                (case["alertname"], bool(case["exp_alerts"]))
                for case in test.get("alert_rule_test", ())
            }
    always = {("Watchdog", False)}
    wanted = {(name, fires) for name in rules() for fires in (True, False)} - always
    assert wanted - shown == set()


def test_each_alert_has_a_runbook_of_one_screen_and_each_runbook_an_alert() -> None:
    files = {file.stem: file for file in RUNBOOKS.glob("*.md") if file.stem != "README"}
    assert set(files) == set(rules())
    listed = (RUNBOOKS / "README.md").read_text()
    for name, rule in rules().items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
        severity = rule["labels"]["severity"]
        text = files[name].read_text()
        assert text.startswith(f"# {name}\n\nSeverity: `{severity}`")
        assert all(f"\n## {part}\n" in text for part in ("What it means", "Look", "Do"))
        assert len(text.splitlines()) <= SCREEN
        assert f"| [{name}]({name}.md) | {severity} |" in listed


def test_each_alert_that_another_keeps_back_exists() -> None:
    settings = yaml.safe_load((ALERTMANAGER / "alertmanager.yml").read_text())
    for rule in settings["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, names = re.fullmatch(r'(\w+)=~?"(.+)"', matcher).groups()  # type: ignore[union-attr]
            if label == "alertname":
                for name in names.split("|"):
                    assert any(re.fullmatch(name, each) for each in rules()), name


def test_no_alert_is_about_what_has_an_incident() -> None:
    """The product pages about these itself."""
    said = " ".join(rule["expr"] for rule in rules().values())
    asked = re.sub(r"absent\([^)]*\)|unless.*", "", said)
    assert "portal_incidents_open" not in asked
    assert "portal_rows_put_aside" not in asked
    assert "portal_breaker_open" not in asked


# --- Alertmanager ----------------------------------------------------------------------------


def test_alertmanager_reads_its_configuration() -> None:
    done = run("amtool", "check-config", str(ALERTMANAGER / "alertmanager.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_copy_of_it_is_refused(tmp_path: Path) -> None:
    text = (ALERTMANAGER / "alertmanager.yml").read_text()
    copy = tmp_path / "alertmanager.yml"
    copy.write_text(text.replace("receiver: nobody", "receiver: somebody"))
    assert run("amtool", "check-config", str(copy)).returncode != 0


def configured(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, str(ALERTMANAGER / "configure.py"), str(folder), **variables)


KEY = "r" * 32


def test_the_file_that_runs_has_the_variables_and_no_key(tmp_path: Path) -> None:
    there = "https://events.eu.pagerduty.com"
    done = configured(
        tmp_path,
        PAGERDUTY_ROUTING_KEY=KEY,
        PAGERDUTY_URL=there,
        HEARTBEAT_URL="https://hc.example/abc",
    )
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "alertmanager.yml"
    assert f"{there}/v2/enqueue" in file.read_text()
    assert "https://hc.example/abc" in file.read_text()
    assert KEY not in file.read_text() + done.stdout
    key = tmp_path / "pagerduty_routing_key"
    assert key.read_text() == KEY
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert run("amtool", "check-config", str(file)).returncode == 0


def test_without_a_heartbeat_it_says_so_and_without_a_key_it_refuses(tmp_path: Path) -> None:
    done = configured(tmp_path, PAGERDUTY_ROUTING_KEY=KEY)
    assert done.returncode == 0
    assert "HEARTBEAT_URL is not set" in done.stdout
    assert run("amtool", "check-config", str(tmp_path / "alertmanager.yml")).returncode == 0
    assert "PAGERDUTY_ROUTING_KEY: is missing" in configured(tmp_path).stderr
    wrong = configured(tmp_path, PAGERDUTY_ROUTING_KEY=KEY, HEARTBEAT_URL="here")
    assert (wrong.returncode, "HEARTBEAT_URL: must be" in wrong.stderr) == (1, True)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "Watchdog", "severity": "none"}, "heartbeat"),
        ({"alertname": "DatabaseWasAway", "severity": "none"}, "nobody"),
        ({"alertname": "NobodySweeps", "severity": "page"}, "pagerduty"),
        ({"alertname": "RedisAway", "severity": "ticket"}, "pagerduty"),
    ],
)
def test_who_is_told(labels: dict[str, str], receiver: str) -> None:
    told = [f"{name}={value}" for name, value in labels.items()]
    file = f"--config.file={ALERTMANAGER / 'alertmanager.yml'}"
    done = run("amtool", "config", "routes", "test", file, *told)
    assert done.stdout.strip() == receiver


@pytest.fixture
def pagerduty() -> Iterator[PagerDuty]:
    with PagerDuty() as running:
        yield running


@pytest.fixture
def told(pagerduty: PagerDuty, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Tells a running Alertmanager of an alert, as Prometheus does. Its files are the shipped ones."""
    needs("prometheus-alertmanager")
    port = free_port()
    configure_alertmanager(tmp_path, pagerduty)
    environment = {"PATH": os.environ["PATH"]}
    process = Daemon("alertmanager", alertmanager(tmp_path, port), environment, tmp_path)
    process.launch()
    try:
        eventually(lambda: answers(port), "Alertmanager answers")

        def tell(name: str, severity: str, *more: str, end: str = "") -> None:
            url = f"--alertmanager.url=http://127.0.0.1:{port}"
            notes = ["--annotation=summary=Something", "--annotation=runbook=docs"]
            labels = [f"alertname={name}", f"severity={severity}", *more]
            ends = ["--start=2020-01-01T00:00:00Z", f"--end={end}"] if end else []
            done = run("amtool", url, "alert", "add", *labels, *notes, *ends)
            assert done.returncode == 0, done.stderr

        yield tell
    finally:
        process.kill()
        print(process.news())


def test_an_alert_arrives_at_pagerduty_once_and_ends_there(
    pagerduty: PagerDuty, told: Callable[..., None]
) -> None:
    told("NobodySweeps", "page")
    told("TargetDown", "ticket", "job=sweeper")  # follows from it
    eventually(pagerduty.pages, "the page")
    assert list(pagerduty.pages().values()) == ["NobodySweeps"]
    [event] = pagerduty.events
    assert (event["routing_key"], event["payload"]["severity"]) == ("pretended", "critical")
    assert event["payload"]["summary"] == "Something"
    told("NobodySweeps", "page", end="2020-01-02T00:00:00Z")
    eventually(lambda: pagerduty.is_over("NobodySweeps"), "its end")


def test_a_heartbeat_goes_to_its_own_address_and_pages_nobody(
    pagerduty: PagerDuty, told: Callable[..., None]
) -> None:
    told("Watchdog", "none")
    told("DatabaseWasAway", "none")
    eventually(lambda: pagerduty.heartbeats, "a heartbeat")
    assert pagerduty.events == []


# --- Dashboards ------------------------------------------------------------------------------


def test_the_dashboards_are_those_of_the_script(tmp_path: Path) -> None:
    assert run(sys.executable, str(GRAFANA / "make.py"), "--check").returncode == 0
    copy = shutil.copytree(GRAFANA, tmp_path / "copy")
    (copy / "web.json").write_text("{}")
    done = run(sys.executable, str(copy / "make.py"), "--check")
    assert (done.returncode, "web.json" in done.stderr) == (1, True)


def test_dashboards_have_the_form_that_grafana_imports() -> None:
    files = sorted(file.stem for file in GRAFANA.glob("*.json"))
    assert files == ["database", "overview", "partners", "saga", "web"]
    for name in files:
        told = json.loads((GRAFANA / f"{name}.json").read_text())
        assert {"uid", "title", "panels", "schemaVersion", "templating"} <= set(told)
        places = [tuple(panel["gridPos"].values()) for panel in told["panels"]]
        assert len(set(places)) == len(places)


# --- Times are shortened in the slow proof -----------------------------------------------------


def test_shortened_rules_are_read_and_only_their_times_differ() -> None:
    for name in RULES:
        text = (SHIPPED / f"{name}.yml").read_text()
        less = shortened(text, 12)
        numbers = re.compile(r"\d+(\.\d+)?[smhd]?")
        assert numbers.sub("N", less) == numbers.sub("N", text)
    assert "for: 5s" in shortened("        for: 1m\n", 12)
    assert shortened("rate(x[1h])", 12) == "rate(x[300s])"
    assert shortened("(max(x)[40m:15s])", 12) == "(max(x)[200s:1s])"
