"""nginx as the balancer and as the origin of static files, with the shipped configurations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from tests.production.haproxy.balancer import MOST_AT_ONCE, Origin
from tests.production.stack import make_certificate
from tests.support.daemons import ROOT, Daemon
from tests.support.ports import answers, free_port
from tests.support.reverse_proxy import NGINX
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    not NGINX, reason="nginx is missing (Debian: apt install nginx-light)"
)
FOLDER = ROOT / "deploy/nginx"
MADE = re.compile(r"[0-9a-f]{32}")


def checked(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What nginx says of a configuration."""
    make_certificate(folder / "portal.pem")
    for theirs in ("/tmp/", "/run/", "/etc/nginx/portal.pem"):
        text = text.replace(theirs, f"{folder}/{theirs.rsplit('/', 1)[1]}")
    text = re.sub(r"server (web|api):8000", "server 127.0.0.1:8000", text)
    (folder / "nginx.conf").write_text(text)
    command = [str(NGINX), "-t", "-e", "stderr", "-c", str(folder / "nginx.conf")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("nginx.conf", "proxy_next_upstream off", "proxy_next_upstrem off"),
        ("balancer.conf", "ssl_protocols TLSv1.2", "ssl_protocols TLSv1.9"),
        ("balancer.conf", "proxy_pass http://api", "proxy_pass htp://api"),
        ("static.conf", "gzip_static on", "gzip_static yes"),
    ],
)
def test_nginx_takes_the_configuration_and_refuses_a_broken_copy(
    tmp_path: Path, name: str, right: str, wrong: str
) -> None:
    text = (FOLDER / name).read_text()
    assert right in text
    assert checked(text, tmp_path).returncode == 0, checked(text, tmp_path).stderr
    assert checked(text.replace(right, wrong), tmp_path).returncode != 0


@pytest.mark.parametrize("name", ["nginx.conf", "balancer.conf"])
def test_no_process_gets_more_connections_than_behind_haproxy(name: str) -> None:
    upstreams = re.findall(
        r"^ +upstream (\w+) {\n(.*?)^ +}", (FOLDER / name).read_text(), re.MULTILINE | re.DOTALL
    )
    assert [each for each, _servers in upstreams] == ["web", "api"]
    for each, servers in upstreams:
        caps = re.findall(r"^ +server .*?( max_conns=\d+)?;", servers, re.MULTILINE)
        assert set(caps) == {f" max_conns={MOST_AT_ONCE}"}, each
        assert f"zone {each} " in servers, "without it each worker would count for itself"


# --- The balancer ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A browser before balancer.conf. Both servers are one application that echoes."""
    folder = tmp_path_factory.mktemp("balancer")
    secure, plain, behind = free_port(), free_port(), free_port()
    make_certificate(folder / "portal.pem")
    text = (FOLDER / "balancer.conf").read_text()
    for theirs, ours in (
        ("/tmp/", f"{folder}/"),  # first, since the folder may lie there
        ("listen 443 ssl", f"listen 127.0.0.1:{secure} ssl"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("10.0.0.11:8000", f"127.0.0.1:{behind}"),
        ("10.0.0.11:8001", f"127.0.0.1:{behind}"),
        ("10.0.0.12:8000", f"127.0.0.1:{free_port()}"),
        ("10.0.0.12:8001", f"127.0.0.1:{free_port()}"),
        ("/etc/nginx/portal.pem", f"{folder}/portal.pem"),
        ("/run/", f"{folder}/"),
        ("/dev/stdout", f"{folder}/access.log"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    (folder / "nginx.conf").write_text(text)
    server = [sys.executable, "-m", "gunicorn", "tests.loyalty_portal.http.echo_app"]
    server += ["--bind", f"127.0.0.1:{behind}", "--log-level", "warning"]
    user = " user root;" if os.geteuid() == 0 else ""
    proxy = [str(NGINX), "-e", "stderr", "-g", f"daemon off;{user}", "-c", f"{folder}/nginx.conf"]
    with ExitStack() as stack:
        for name, command, at in (("web", server, behind), ("nginx", proxy, secure)):
            process = Daemon(name, command, {**os.environ, "WEB_CONCURRENCY": "1"}, folder)
            stack.callback(process.stop)
            process.start()
            eventually(lambda at=at: answers(at), name)  # type: ignore[misc]
        address = f"https://127.0.0.1:{secure}"
        yield stack.enter_context(
            httpx.Client(base_url=address, verify=False, timeout=30, trust_env=False)
        )


def test_what_a_client_says_about_proxies_is_replaced(front: httpx.Client) -> None:
    said = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=1.2.3.4",
    }
    told = front.post("/form", content=b"x=1", headers=said).json()

    assert told["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert told["HTTP_X_FORWARDED_PROTO"] == "https"
    assert not {"HTTP_FORWARDED", "HTTP_X_FORWARDED_HOST"} & told.keys()


@pytest.mark.parametrize("said", ["short", "a" * 10_240, "a b c d e f g h"])
def test_an_id_that_is_none_is_replaced(front: httpx.Client, said: str) -> None:
    answer = front.get("/", headers={"X-Request-ID": said})

    assert MADE.fullmatch(answer.json()["HTTP_X_REQUEST_ID"])
    assert answer.headers["X-Request-ID"] == answer.json()["HTTP_X_REQUEST_ID"]


def test_the_figures_are_shown_to_nobody_and_bodies_have_limits(front: httpx.Client) -> None:
    for path in ("/metrics", "/METRICS", "/%6detrics"):
        assert front.get(path).status_code == 404
    large = front.post("/api/v1/orders", content=b"x" * (2 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    assert large.json()["request_id"] == large.headers["X-Request-ID"]


# --- The origin --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    made = Origin(tmp_path_factory.mktemp("origin"))
    (made.files / "css").mkdir()
    (made.files / "css/a.1234.css").write_text("body {}")
    (made.files / ".part-7-b.css").write_text("half")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def asked(origin: Origin, method: str, path: str) -> tuple[int, dict[str, str]]:
    link = HTTPConnection("127.0.0.1", origin.port, timeout=20)
    link.request(method, path)
    answer = link.getresponse()
    answer.read()
    return answer.status, dict(answer.headers)


def test_a_file_may_be_kept_for_ever_and_a_missing_one_not_at_all(origin: Origin) -> None:
    status, headers = asked(origin, "GET", "/static/css/a.1234.css")
    assert (status, headers["Content-Type"]) == (200, "text/css")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["X-Content-Type-Options"] == "nosniff"

    status, headers = asked(origin, "GET", "/static/css/a.5678.css")
    assert (status, "Cache-Control" in headers) == (404, False)


def test_only_whole_files_are_served_and_nothing_else(origin: Origin) -> None:
    assert asked(origin, "GET", "/static/.part-7-b.css")[0] == 404
    assert asked(origin, "GET", "/static/")[0] in {403, 404}
    assert asked(origin, "GET", "/etc/passwd")[0] == 404
    assert asked(origin, "GET", "/static../static.conf")[0] == 404
    assert asked(origin, "POST", "/static/css/a.1234.css")[0] in {403, 405}
