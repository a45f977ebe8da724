"""The image's processes as in production, started as the Dockerfile and compose say."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from psycopg import sql

from tests.house.env_files import production, signing_key
from tests.house.image.processes import SERVICES, Image, Redis, make_database, seconds
from tests.support.daemons import Daemon
from tests.support.ports import free_port
from tests.support.stack import fill_migrated
from tests.support.waiting import eventually

LOOPING = ("worker", "sweeper", "beat")
ASK = """
import django, logging
django.setup()
logging.disable()
from django.test import Client
answer = Client().get("/readyz", headers={"host": "127.0.0.1"})
print(answer.status_code, answer.content.decode())
"""


class House:
    """The processes, with a database and a Redis made as compose makes them."""

    def __init__(self, folder: Path) -> None:
        self.server = os.environ["DATABASE_URL"]
        self.role = f"image_{secrets.token_hex(5)}"
        password = secrets.token_urlsafe()
        make_database(self.server, self.role, password)
        there = urlsplit(self.server)
        self.database = f"postgresql://{self.role}:{password}@{there.hostname}:{there.port}"
        self.database += f"/{self.role}"
        port = free_port()
        self.redis_password = secrets.token_urlsafe()
        self.redis = Redis(folder, port, self.redis_password)
        self.redis_url = f"redis://:{self.redis_password}@127.0.0.1:{port}/0"
        (folder / "keys").mkdir()
        shutil.copy(signing_key(), folder / "keys/jwt.pem")
        self.file = production(
            DATABASE_URL=self.database,
            REDIS_URL=self.redis_url,
            JWT_SIGNING_KEYS="/keys/jwt.pem",
        )
        self.image = Image(folder)
        self.port = free_port()
        self.daemons = {name: self.daemon(name) for name in ("web", *LOOPING)}

    def environment(self, service: str, **more: str) -> dict[str, str]:
        return self.image.environment(service, self.file, **more)

    def daemon(self, service: str, **more: str) -> Daemon:
        here = {"PORT": str(self.port), "WEB_CONCURRENCY": "2"} if service == "web" else {}
        return self.image.daemon(service, self.environment(service, **here | more))

    def start(self) -> None:
        self.redis.launch()
        for daemon in self.daemons.values():
            daemon.launch()
        web = self.daemons["web"]
        eventually(
            lambda: self.answers() or not web.is_running, "the web process answers", within=120
        )
        assert web.is_running, web.news()

    def answers(self) -> bool:
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, HTTPMessage, str]:
        """Fetch a page as the proxy does for a browser."""
        link = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            link.request(
                "GET", path, headers={"Host": "portal.example", "X-Forwarded-Proto": "https"}
            )
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            link.close()

    def readyz_elsewhere(self, **more: str) -> tuple[str, dict[str, str]]:
        """The status and parts of /readyz of a web process with other variables."""
        environment = self.environment("web", **more)
        environment["DJANGO_SETTINGS_MODULE"] = "loyalty_portal.settings"
        done = self.image.run(["python", "-c", ASK], environment)
        code, body = done.stdout.split(" ", 1)
        return code, json.loads(body)["parts"]

    def close(self) -> None:
        for daemon in (*self.daemons.values(), self.redis):
            daemon.kill()
        with psycopg.connect(self.server, autocommit=True) as administrator:
            name = sql.Identifier(self.role)
            administrator.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            administrator.execute(sql.SQL("DROP ROLE {}").format(name))


@pytest.fixture(scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("image"))
    try:
        house.redis.launch()
        fill_migrated(house.database)  # as this role
        house.image.once("migrate", house.environment("migrate"))
        house.image.once("groups", house.environment("groups"))
        yield house
    finally:
        house.close()


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    _house.start()
    yield _house
    for daemon in _house.daemons.values():
        print(daemon.news())  # pytest shows it when the test has failed


def test_a_page_comes_with_its_stylesheet(house: House) -> None:
    code, _headers, page = house.get("/accounts/login/")
    assert code == 200
    sheets = re.findall(r'<link[^>]+rel="stylesheet"[^>]*?href="([^"]+)"', page)
    sheets += re.findall(r'<link[^>]+href="([^"]+)"[^>]*?rel="stylesheet"', page)
    assert sheets
    for sheet in sheets:
        code, headers, text = house.get(sheet)
        assert (code, headers["Content-Type"]) == (200, 'text/css; charset="utf-8"')
        assert "immutable" in headers["Cache-Control"], "its name has no hash"
        assert "{" in text


def test_it_is_ready_with_all_its_parts(house: House) -> None:
    code, _headers, body = house.get("/readyz")
    told = json.loads(body)
    assert (code, told["status"]) == (200, "degraded"), body
    # Another process makes the index, without which pages ask PostgreSQL.
    assert set((told["parts"] | {"search index": "ok"}).values()) == {"ok"}, body


def test_the_health_check_of_each_process_finds_it_alive(house: House) -> None:
    assert house.image.is_healthy("web", house.environment("web", PORT=str(house.port)))
    for service in LOOPING:
        daemon, environment = house.daemons[service], house.environment(service)
        eventually(
            lambda: house.image.is_healthy(service, environment),  # noqa: B023 - asked at once
            f"{service} gives a sign of life\n{daemon.news()}",
            within=120,
            pause=1,
        )
        # the heartbeat becomes old when the process stands still
        daemon.pause()
        old = Path(environment["HEARTBEAT_FILE"]).stat().st_mtime - 3_600
        os.utime(environment["HEARTBEAT_FILE"], (old, old))
        assert not house.image.is_healthy(service, environment)
        daemon.resume()


def test_the_portals_role_is_no_superuser(house: House) -> None:
    with psycopg.connect(house.database) as link:
        row = link.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, False, False)


def test_redis_wants_its_password_and_keeps_to_its_memory(house: House) -> None:
    with redis.Redis.from_url(house.redis_url) as client:
        assert int(client.config_get("maxmemory")["maxmemory"]) == 256 * 1024 * 1024
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-lru"}
        assert client.config_get("save") == {"save": ""}
    with (
        redis.Redis.from_url(house.redis_url.replace(f":{house.redis_password}@", "")) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_it_is_not_ready_without_its_collected_files(house: House, tmp_path: Path) -> None:
    """Every page would fail, because it looks up its stylesheet in collectstatic's manifest."""
    code, parts = house.readyz_elsewhere(STATIC_ROOT=str(tmp_path))
    assert (code, parts["static files"], parts["database"]) == ("503", "not collected", "ok")


def test_it_is_not_ready_while_the_database_only_reads(house: House) -> None:
    change = sql.SQL("ALTER ROLE {} {} default_transaction_read_only{}")
    name, to = sql.Identifier(house.role), sql.SQL(" = on")
    with psycopg.connect(house.server, autocommit=True) as administrator:
        administrator.execute(change.format(name, sql.SQL("SET"), to))
        try:
            code, parts = house.readyz_elsewhere()
        finally:
            administrator.execute(change.format(name, sql.SQL("RESET"), sql.SQL("")))
    assert (code, parts["database"]) == ("503", "can only be read")


def test_the_first_administrator_is_made_in_a_container(house: House) -> None:
    make = ["python", "manage.py", "first_administrator", "ada@meridian.example"]
    asked = house.image.run(make, house.environment("migrate"), check=False)
    assert (asked.returncode, "Traceback" in asked.stderr) == (1, False)
    made = house.image.run([*make, "--by-letter"], house.environment("migrate"))
    assert "may do everything" in made.stdout
    again = house.image.run([*make, "--by-letter"], house.environment("migrate"), check=False)
    assert "There is an administrator already" in again.stderr


def test_a_web_process_that_was_told_to_stop_says_so_and_serves_on(house: House) -> None:
    """A balancer sends it no requests any more before it refuses any."""
    house.daemons["web"].stop()
    slow = house.daemon("web", SHUTDOWN_DELAY="100", WEB_CONCURRENCY="1")
    slow.launch()
    try:
        eventually(house.answers, "the web process answers", within=120)
        assert slow.process is not None
        slow.process.send_signal(signal.SIGTERM)
        eventually(lambda: house.get("/readyz")[0] == 503, "/readyz says that it stops")
        assert json.loads(house.get("/readyz")[2])["parts"]["process"] == "is stopping"
        assert house.get("/accounts/login/")[0] == 200
    finally:
        slow.kill()


@pytest.mark.parametrize("service", ["web", *LOOPING])
def test_sigterm_ends_a_process_well_within_the_time_that_compose_gives(
    house: House, service: str
) -> None:
    daemon = house.daemons[service]
    heartbeat = house.environment(service).get("HEARTBEAT_FILE")
    if heartbeat:
        eventually(Path(heartbeat).exists, f"{service} has begun", within=120)
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    try:
        code = daemon.process.wait(seconds(SERVICES[service]["stop_grace_period"]))
    except subprocess.TimeoutExpired:
        pytest.fail(f"{service} goes on:\n{daemon.news()}")
    assert (code, "Traceback" in daemon.news()) == (0, False)
    if heartbeat:
        Path(heartbeat).unlink()
