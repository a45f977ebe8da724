"""docker-compose.yml and the Dockerfile, as far as they can be checked without an engine."""

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery import Celery
from django.core.management import get_commands, load_command_class
from django.utils.module_loading import import_string

from tests.house.test_environment import example

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)


def check_gunicorn(words: list[str]) -> None:
    assert callable(import_string(f"{words[0]}.application"))


def check_celery(words: list[str]) -> None:
    assert words[0] == "-A"
    assert isinstance(import_string(f"{words[1]}.celery.app"), Celery)
    assert words[2] in {"worker", "beat"}


def check_python(words: list[str]) -> None:
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1])
    else:
        assert (ROOT / words[0]).exists()
        commands = get_commands()
        assert words[1] in commands
        parser = load_command_class(commands[words[1]], words[1]).create_parser("", words[1])
        parser.parse_args(words[2:])


CHECKS = {"gunicorn": check_gunicorn, "celery": check_celery, "python": check_python}


def test_every_process_has_its_service() -> None:
    expected = {
        "web",
        "worker",
        "sweeper",
        "beat",
        "migrate",
        "db",
        "redis",
        "groups",
        "sandbox",
        "seed",
    }
    assert set(SERVICES) == expected


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    program, *words = shlex.split(SERVICES[name]["command"])
    CHECKS[program](words)


def test_the_image_starts_the_web_process() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert 'CMD ["gunicorn", "loyalty_portal.wsgi"' in dockerfile
    check_gunicorn(["loyalty_portal.wsgi"])


def test_the_image_takes_files_that_exist_and_does_not_run_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for path in re.findall(r"^COPY (\S+) \.$|^RUN python (\.\S+)", dockerfile, re.MULTILINE):
        assert (ROOT / "".join(path)).exists()
    assert re.search(r"^USER (?!root)\w+$", dockerfile, re.MULTILINE)


def test_the_worker_hears_every_queue() -> None:
    app = import_string("loyalty_portal.celery.app")
    routed = {route["queue"] for route in app.conf.task_routes.values()}
    heard = SERVICES["worker"]["command"].split("-Q ")[1].split(",")
    assert routed | {app.conf.task_default_queue} == set(heard)


@pytest.mark.parametrize("name", OURS)
def test_a_service_takes_its_environment_from_the_documented_file(name: str) -> None:
    service = SERVICES[name]
    assert service["env_file"] == ".env"
    assert set(service.get("environment", {})) <= set(example())


def test_the_example_names_the_services_by_their_names() -> None:
    hosts = re.findall(r"(?:@|//)([a-z]+):[0-9]+", "\n".join(example().values()))
    assert set(hosts) == {"db", "redis", "sandbox"}


def test_what_a_service_waits_for_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_the_pretend_partners_start_only_when_asked() -> None:
    assert [name for name in SERVICES if SERVICES[name].get("profiles") == ["demo"]] == [
        "sandbox",
        "seed",
    ]
