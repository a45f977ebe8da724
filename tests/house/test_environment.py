"""The variables that are read, documented and in the example files are the same."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings

from loyalty_portal.configuration.environment import Environment
from tests.house.env_files import production, read

ROOT = Path(__file__).resolve().parents[2]
# Read by Django and by gunicorn themselves.
READ_BY_OTHERS = {"DJANGO_SETTINGS_MODULE", "PORT", "WEB_CONCURRENCY"}
FILES = [".env.demo", ".env.example"]
SECRET = re.compile(r"SECRET|KEYS?$|PASSWORD")


@pytest.mark.parametrize("name", FILES)
def test_a_shell_reads_the_files_as_compose_does(name: str) -> None:
    """`set -a; . ./.env` passes every variable on, outside containers."""
    command = f'set -eu; set -a; . "$0"; exec "{sys.executable}" -c "import json, os; print(json.dumps(dict(os.environ)))"'
    done = subprocess.run(
        ["/bin/sh", "-c", command, str(ROOT / name)],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert {variable: told.get(variable) for variable in read(name)} == read(name)


def read_by_settings() -> set[str]:
    files = [
        ROOT / "loyalty_portal/settings.py",
        *(ROOT / "loyalty_portal/configuration").glob("*.py"),
    ]
    text = "".join(file.read_text() for file in files)
    return set(re.findall(r'\benv\.(?!wrong)\w+\(\s*"([A-Z_]+)"', text)) | READ_BY_OTHERS


def read_by_compose() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))


def documented() -> set[str]:
    text = (ROOT / "docs/operations.md").read_text()
    table = text.split("## Environment", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([A-Z_]+)`", " ".join(rows)))


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a new process with only `environment`."""
    return subprocess.run(
        [sys.executable, "-c", "import loyalty_portal.settings"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("file", FILES)
def test_every_variable_that_is_read_is_in_the_examples(file: str) -> None:
    assert set(read(file)) == read_by_settings() | read_by_compose()


def test_every_variable_that_is_read_is_documented() -> None:
    assert documented() == read_by_settings() | read_by_compose()


def test_settings_are_the_only_reader() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for room in ("accounts", "catalog", "inventory", "fulfillment", "redemption")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"os\.environ|getenv", path.read_text())
    ]
    assert readers == []


def test_the_trial_starts() -> None:
    done = start(**read(".env.demo"))
    assert done.returncode == 0, done.stderr


def test_productions_example_holds_no_secret() -> None:
    held = {name: value for name, value in read(".env.example").items() if SECRET.search(name)}
    assert len(held) > 8
    assert set(held.values()) == {""}


def test_productions_example_starts_once_it_is_filled_in() -> None:
    done = start(**production())
    assert done.returncode == 0, done.stderr


def test_productions_example_as_it_is_names_what_is_missing() -> None:
    done = start(**read(".env.example"))
    assert done.returncode != 0
    for name in ("SECRET_KEY", "ALLOWED_HOSTS", "PORTAL_URL", "DATABASE_URL"):
        assert f"{name}: " in done.stderr
    for name in ("LOYALTY_API_URL", "FULFILLMENT_WEBHOOK_SECRETS", "FIELD_ENCRYPTION_KEYS"):
        assert f"{name}: " in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("SECRET_KEY", "ALLOWED_HOSTS", "PORTAL_URL", "DATABASE_URL", "FIELD_ENCRYPTION_KEYS"),
        "JWT_SIGNING_KEYS",
    ],
)
def test_production_names_what_is_missing(name: str) -> None:
    done = start(**production(**{name: ""}))
    assert done.returncode != 0
    assert f"{name}: " in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "must be between 0 and 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "a tenth", "must be between 0 and 1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "must be"),
        ("SENTRY_DSN", "nonsense", "must be an http(s) address, not 'nonsense'."),
        ("SENTRY_DSN", "s3cret@sentry.example/7", "must be an http(s) address."),
        ("LOG_FORMAT", "xml", "must be one of console, json, ecs"),
    ],
)
def test_where_logs_and_traces_go_is_checked(name: str, value: str, why: str) -> None:
    done = start(**production(**{name: value}))
    assert done.returncode != 0
    assert f"{name}: {why}" in done.stderr
    assert "s3cret" not in done.stderr


def test_production_refuses_to_open_inner_networks_to_webhooks() -> None:
    done = start(**production(WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8"))
    assert done.returncode != 0
    assert "WEBHOOK_ALLOWED_NETWORKS: " in done.stderr
    nonsense = start(DEBUG="true", WEBHOOK_ALLOWED_NETWORKS="here")
    assert "WEBHOOK_ALLOWED_NETWORKS: 'here'" in nonsense.stderr


def test_a_file_that_holds_no_signing_key_stops_the_start(tmp_path: Path) -> None:
    nothing, short = tmp_path / "nothing.pem", tmp_path / "short.pem"
    short.write_bytes(
        rsa.generate_private_key(65537, 1024).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    done = start(**production(JWT_SIGNING_KEYS=f"{nothing},{short}"))
    assert f"JWT_SIGNING_KEYS: cannot read {nothing} (No such file or directory)." in done.stderr
    assert f"JWT_SIGNING_KEYS: {short} holds no RSA key of 2048 bits or more" in done.stderr


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = {
        "DEBUG": "perhaps",
        "PARTNER_TIMEOUT": "soon",
        "REDIS_URL": "http://cache",
        "PROGRAMME_TIME_ZONE": "Mars/Olympus",
        "METRICS_PORT": "99999",
        "METRICS_HOST": "everywhere",
        "HEARTBEAT_URL": "here",
    }
    done = start(**wrong)
    for name in (*wrong, "SECRET_KEY", "DATABASE_URL"):
        assert f"{name}: " in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "loyalty_portal.web"],
        ["-m", "celery", "-A", "loyalty_portal", "worker"],
        ["-m", "celery", "-A", "loyalty_portal", "beat"],
        ["manage.py", "sweep"],
        ["manage.py", "migrate"],
    ],
    ids=" ".join,
)
def test_each_process_says_what_is_wrong_and_nothing_else(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DEBUG": "true", "APPROVAL_WINDOW_HOURS": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (done.stdout + done.stderr).splitlines() == [
        "The environment is not right:",
        "  - APPROVAL_WINDOW_HOURS: must be a whole number from 0 to 8784, not 'x'.",
    ]


def test_production_mode_has_no_warning() -> None:
    check = [sys.executable, ".ci/production.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- What the address of a database says ------------------------------------------------------

CHOSEN = "-c lock_timeout=9s -c timezone=Europe/Berlin -c work_mem=9MB"


@pytest.mark.parametrize("place", ["query", "PGOPTIONS", "both"])
def test_options_of_the_operator_are_joined_with_ours(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Read from a session. Only what the portal needs wins over what the operator chose."""
    address = "postgresql://portal@db/portal?sslmode=disable"
    if place != "PGOPTIONS":
        address += f"&options={quote(CHOSEN)}"
    monkeypatch.setenv("PGOPTIONS", CHOSEN if place == "PGOPTIONS" else "-c work_mem=8MB")
    monkeypatch.setenv("DATABASE_URL", address)
    env = Environment()
    read_from = env.database("DATABASE_URL")
    assert read_from is not None
    assert (read_from["OPTIONS"]["sslmode"], env.problems) == ("disable", [])
    here = settings.DATABASES["default"]
    with psycopg.connect(
        host=here["HOST"],
        port=here["PORT"],
        user=here["USER"],
        password=here["PASSWORD"],
        dbname="postgres",
        options=read_from["OPTIONS"]["options"],
    ) as session:
        names = ("lock_timeout", "work_mem", "idle_in_transaction_session_timeout", "timezone")
        told = [session.execute(f"SHOW {name}").fetchone() for name in names]
        ignored = session.execute("SHOW pgtrigger.ignore").fetchone()
    assert told == [("9s",), ("9MB",), ("1min",), ("UTC",)]
    assert ignored == ("{}",)


def test_what_the_portal_cannot_work_with_is_refused_in_the_address_of_a_database() -> None:
    query = "?atomic_requests=true&autocommit=false&prepare_threshold=0&conn_max_age=5"
    address = f"postgresql://portal@127.0.0.1:9/portal{query}"
    done = start(**production(DATABASE_URL=address, REPLICA_DATABASE_URL=address))
    assert done.returncode != 0
    for name in ("DATABASE_URL", "REPLICA_DATABASE_URL"):
        for taken in ("ATOMIC_REQUESTS", "AUTOCOMMIT", "prepare_threshold"):
            assert f"  - {name}: sets {taken}, which" in done.stderr
    assert done.stderr.count("  - ") == 6


def test_how_long_connections_are_kept_is_the_operators_choice() -> None:
    address = "postgresql://portal@127.0.0.1:9/portal?conn_max_age=5&connect_timeout=3"
    held = settings_with(production(DATABASE_URL=address))
    assert "'CONN_MAX_AGE': 5" in held
    assert "'CONN_HEALTH_CHECKS': True" in held
    assert "'connect_timeout': 3" in held


# --- Empty counts as unset ----------------------------------------------------------------------

SHOW = """
import django, json
from loyalty_portal.configuration.environment import forget_empty
forget_empty()
django.setup()
from django.conf import settings
# Without what looks up collected files when it is shown.
names = [name for name in dir(settings) if name.isupper() and name != "UNFOLD"]
print(json.dumps({name: repr(getattr(settings, name)) for name in names}))
"""


def settings_with(environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            **environment,
            "DJANGO_SETTINGS_MODULE": "loyalty_portal.settings",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return re.sub(r"0x[0-9a-f]+", "", done.stdout)


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    given = {name: value for name, value in production().items() if value}
    empty = {name: "" for name in read(".env.example") if name not in given}
    blank = dict.fromkeys(empty, "  ")
    assert len(empty) > 10
    assert settings_with(given) == settings_with(given | empty) == settings_with(given | blank)


def test_what_others_read_may_be_empty_too(tmp_path: Path) -> None:
    """gunicorn would read an empty WEB_CONCURRENCY as a number, Django an empty module's name."""
    done = subprocess.run(
        [sys.executable, "-m", "loyalty_portal.web", "--print-config"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | production() | dict.fromkeys(READ_BY_OTHERS, ""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = dict(re.findall(r"^(\w+)\s+= (.*)$", done.stdout, re.MULTILINE))
    assert (shown["workers"], shown["bind"]) == ("4", "['0.0.0.0:8000']")


def test_the_port_is_a_variable() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loyalty_portal.web", "--print-config"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | production(PORT="8123", WEB_CONCURRENCY="3"),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = dict(re.findall(r"^(\w+)\s+= (.*)$", done.stdout, re.MULTILINE))
    assert (shown["workers"], shown["bind"]) == ("3", "['0.0.0.0:8123']")


def test_what_browsers_are_told_about_https_can_be_set() -> None:
    held = settings_with(production(SECURE_HSTS_SECONDS="300", SECURE_HSTS_PRELOAD="false"))
    assert '"SECURE_HSTS_SECONDS": "300"' in held
    assert '"SECURE_HSTS_PRELOAD": "False"' in held
    assert '"SECURE_HSTS_INCLUDE_SUBDOMAINS": "True"' in held


def test_compose_reads_the_file_that_is_named() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    files = {service["env_file"] for service in services.values() if "env_file" in service}
    assert files == {"${ENV_FILE:-.env}"}
    assert [read(file)["ENV_FILE"] for file in FILES] == [".env.demo", ".env"]
