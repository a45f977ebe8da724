"""Checks docker-compose.yml and the Dockerfile without a container engine."""

import importlib.util
import json
import re
import runpy
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from celery import Celery
from django.core.management import get_commands, load_command_class
from django.utils.module_loading import import_string

from loyalty_portal.queue.heartbeat import FRESH_SECONDS
from loyalty_portal.settings import CELERY_BEAT_MAX_LOOP_INTERVAL
from redemption.management.commands.sweep import BEAT_SECONDS
from tests.house.env_files import read
from tests.house.image.processes import DOCKERFILE, SERVICES, instruction, seconds

ROOT = Path(__file__).resolve().parents[3]
NGINX = ROOT / "deploy/nginx/nginx.conf"
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)


def check_celery(words: list[str]) -> None:
    assert words[0] == "-A"
    assert isinstance(import_string(f"{words[1]}.celery.app"), Celery)
    assert words[2] in {"worker", "beat"}


def check_python(words: list[str]) -> None:
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1])
        return
    assert (ROOT / words[0]).exists()
    if words[0] == "manage.py":
        commands = get_commands()
        assert words[1] in commands
        parser = load_command_class(commands[words[1]], words[1]).create_parser("", words[1])
        parser.parse_args(words[2:])


WEB = ("web", "api")  # the same image and command; the proxy sends them different addresses
CHECKS = {"celery": check_celery, "python": check_python}


def test_every_process_has_its_service() -> None:
    expected = {
        "proxy",
        "web",
        "api",
        "worker",
        "sweeper",
        "indexer",
        "beat",
        "migrate",
        "db",
        "redis",
        "groups",
        "sandbox",
        "seed",
        "prometheus",
        "postgres-exporter",
        "redis-exporter",
        "blackbox-exporter",
        "alertmanager-files",
        "alertmanager",
    }
    assert set(SERVICES) == expected


@pytest.mark.parametrize("name", [name for name in OURS if name not in WEB])
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    program, *words = shlex.split(SERVICES[name]["command"])
    CHECKS[program](words)


def test_the_web_process_is_what_the_image_starts_by_itself() -> None:
    """The command is written once, in the image; tests/house/image/test_image.py runs it."""
    assert "command" not in SERVICES["web"]
    assert json.loads(instruction("CMD")) == ["python", "-m", "loyalty_portal.web"]


def test_the_image_takes_files_that_exist_and_does_not_run_as_root() -> None:
    for path in re.findall(r"^COPY (\S+) \.$|^RUN python (\.\S+)", DOCKERFILE, re.MULTILINE):
        assert (ROOT / "".join(path)).exists()
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)


def test_the_worker_hears_every_queue() -> None:
    app = import_string("loyalty_portal.celery.app")
    routed = {route["queue"] for route in app.conf.task_routes.values()}
    heard = SERVICES["worker"]["command"].split("-Q ")[1].split(",")
    assert routed | {app.conf.task_default_queue} == set(heard)


@pytest.mark.parametrize("name", OURS)
def test_a_service_takes_its_environment_from_the_documented_file(name: str) -> None:
    service = SERVICES[name]
    assert service["env_file"] == "${ENV_FILE:-.env}"
    assert set(service.get("environment", {})) <= set(read(".env.example"))


def test_the_trial_names_the_services_by_their_names() -> None:
    hosts = re.findall(r"(?:@|//)([a-z]+):[0-9]+", "\n".join(read(".env.demo").values()))
    assert set(hosts) == {"db", "redis", "sandbox", "localhost"}  # the last one is for browsers


def test_the_trials_passwords_are_those_of_its_servers() -> None:
    trial = read(".env.demo")
    assert urlsplit(trial["DATABASE_URL"]).password == trial["PORTAL_DATABASE_PASSWORD"]
    assert urlsplit(trial["REDIS_URL"]).password == trial["REDIS_PASSWORD"]


def test_compose_does_not_start_without_the_servers_passwords() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert re.findall(r"\$\{(\w*PASSWORD)[^:]*\}", text) == []
    assert set(re.findall(r"\$\{(\w*PASSWORD):\?", text)) == {
        "POSTGRES_PASSWORD",
        "PORTAL_DATABASE_PASSWORD",
        "REDIS_PASSWORD",
    }


# --- Secure, limited, monitored ----------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service.get("user", instruction("USER")) in {
        "10001",
        "postgres",
        "redis",
        "nginx",
        "nobody",
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_takes_a_bounded_part_of_the_machine(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}


def test_images_are_of_an_exact_version() -> None:
    images = [service["image"] for service in SERVICES.values() if "build" not in service]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(images) == 10
    for image in images:
        assert re.fullmatch(r"[a-z0-9/_-]+:v?\d+\.\d+(\.\d+)?(-[a-z-]+)?", image), image


def test_prometheus_finds_each_process_by_its_service() -> None:
    folder = ROOT / "deploy/prometheus"
    shipped = {path.name for path in (folder / "targets").glob("*.yml")}
    here = {path.name for path in (folder / "compose").glob("*.yml")}
    assert here == shipped - {"node.yml"}, "each job of prometheus.yml but the machine's"
    for path in (folder / "compose").glob("*.yml"):
        for group in yaml.safe_load(path.read_text()):
            for target in group["targets"]:
                host = urlsplit(target if "//" in target else f"//{target}").hostname
                assert host in {*SERVICES, "127.0.0.1"}, target


LASTING = sorted(name for name in SERVICES if SERVICES[name]["restart"] != "no")


@pytest.mark.parametrize("name", [name for name in LASTING if name != "sandbox"])
def test_what_runs_on_is_asked_whether_it_lives(name: str) -> None:
    service = SERVICES[name]
    check = service.get("healthcheck", {})
    assert not check.get("disable")
    if name in WEB:
        assert "healthcheck" not in service, "the image has one"
    else:
        assert check["test"][0] in {"CMD", "CMD-SHELL"}


def test_a_sign_of_life_is_written_more_often_than_it_is_asked_for() -> None:
    assert CELERY_BEAT_MAX_LOOP_INTERVAL * 2 < FRESH_SECONDS
    assert BEAT_SECONDS * 2 < FRESH_SECONDS
    for name in ("worker", "sweeper", "beat"):
        assert SERVICES[name]["environment"]["HEARTBEAT_FILE"].startswith("/tmp/")


def test_a_process_gets_longer_to_end_than_it_takes() -> None:
    server = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    written = read(".env.example")
    drains = float(written["SHUTDOWN_DELAY"]) + server["graceful_timeout"]
    assert seconds(SERVICES["web"]["stop_grace_period"]) > drains
    deadline = float(written["PARTNER_DEADLINE"])
    for name in ("worker", "sweeper", "beat"):
        assert seconds(SERVICES[name]["stop_grace_period"]) > deadline


@pytest.mark.parametrize("name", [name for name in OURS if name != "migrate"])
def test_no_process_of_ours_has_the_administrators_password(name: str) -> None:
    assert SERVICES[name]["environment"]["POSTGRES_PASSWORD"] == ""


def test_only_this_machine_reaches_what_is_published() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_people_reach_the_web_process_through_the_proxy_alone() -> None:
    for name in WEB:
        assert "ports" not in SERVICES[name]
        port = SERVICES[name]["environment"]["PORT"]
        assert f"server {name}:{port} " in NGINX.read_text()
    assert SERVICES["proxy"]["volumes"] == ["./deploy/nginx/nginx.conf:/etc/nginx/nginx.conf:ro"]
    assert SERVICES["proxy"]["ports"][0].endswith(":8080")
    assert read(".env.demo")["TRUSTED_PROXY_COUNT"] == "1"


def test_what_a_service_waits_for_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_pretend_partners_figures_and_alerts_start_only_when_asked() -> None:
    asked = {
        profile: {name for name in SERVICES if SERVICES[name].get("profiles") == [profile]}
        for profile in ("demo", "metrics", "alerts")
    }
    assert asked == {
        "demo": {"sandbox", "seed"},
        "metrics": {"prometheus", "postgres-exporter", "redis-exporter", "blackbox-exporter"},
        "alerts": {"alertmanager", "alertmanager-files"},
    }
    assert {name for name in SERVICES if "profiles" in SERVICES[name]} == set().union(
        *asked.values()
    )
