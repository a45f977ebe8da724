"""The portal behind a real proxy: strangers' wrong passwords lock out only themselves."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import User
from tests.support.daemons import Redis, Web
from tests.support.ports import free_port
from tests.support.reverse_proxy import KINDS, proxy_to
from tests.support.stack import Databases, as_default
from tests.support.visitor import Visitor

PASSWORD = "correct horse battery staple"
STRANGERS, HOME = "127.0.0.66", "127.0.0.7"
MOST = 10  # wrong passwords in a minute from one IP address


class Street:
    """The portal's web server, which trusts `proxies`, behind a proxy."""

    def __init__(self, folder: Path, database: str, kind: str, proxies: int) -> None:
        self._redis = Redis(folder)
        port = free_port()
        environment = {
            **os.environ,
            "DATABASE_URL": database,
            "REDIS_URL": self._redis.url,
            "TRUSTED_PROXY_COUNT": str(proxies),
            "WEB_CONCURRENCY": "1",
        }
        bind = ["--bind", f"127.0.0.1:{port}"]
        gunicorn = [sys.executable, "-m", "gunicorn", "loyalty_portal.wsgi", *bind]
        self._web = Web("web", gunicorn, environment, folder)
        self._web.port = port
        self._proxy = proxy_to(port, kind=kind, folder=folder)
        self._running = ExitStack()

    def __enter__(self) -> Street:
        for process in (self._redis, self._web, self._proxy):
            self._running.callback(process.stop)
            process.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._running.close()

    def signs_in(self, email: str, password: str, *, address: str, **headers: str) -> bool:
        url = f"http://127.0.0.1:{self._proxy.port}"
        visitor = Visitor(url, {}, address=address, headers=headers)
        self._running.callback(visitor.close)
        page = visitor.get("/accounts/login/")
        form = visitor.form(page, "/accounts/login/")
        return visitor.send(form, login=email, password=password).status_code == 302

    def ten_strangers_guess(self, **headers: str) -> None:
        for number in range(MOST):
            stranger = f"stranger{number}@example.test"
            assert not self.signs_in(stranger, "wrong", address=STRANGERS, **headers)


@pytest.fixture
def database(databases: Databases, django_db_blocker: DjangoDbBlocker) -> str:
    """A fresh database with an account for Mara."""
    address = databases.create()
    with django_db_blocker.unblock(), as_default(address):
        User.objects.create_user("mara@northwind.example", PASSWORD, name="Mara")
    return address


@pytest.mark.parametrize("kind", KINDS)
def test_ten_strangers_behind_the_proxy_lock_out_nobody_whatever_they_say_of_themselves(
    tmp_path: Path, database: str, kind: str
) -> None:
    said = {"X-Forwarded-For": HOME}
    with Street(tmp_path, database, kind, proxies=1) as street:
        street.ten_strangers_guess(**said)
        assert not street.signs_in("mara@northwind.example", PASSWORD, address=STRANGERS, **said)
        assert street.signs_in("mara@northwind.example", PASSWORD, address=HOME)


def test_without_the_count_the_proxy_is_everybody(tmp_path: Path, database: str) -> None:
    """The negative control: without trusted proxies, ten strangers lock out everybody."""
    with Street(tmp_path, database, "own", proxies=0) as street:
        street.ten_strangers_guess()
        assert not street.signs_in("mara@northwind.example", PASSWORD, address=HOME)
