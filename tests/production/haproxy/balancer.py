"""HAProxy and nginx's origin of static files, with the configurations that are shipped."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import signal
import socket
from pathlib import Path

from tests.support.daemons import ROOT, Daemon
from tests.support.ports import answers, free_port
from tests.support.reverse_proxy import NGINX
from tests.support.waiting import eventually

SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
HAPROXY = shutil.which("haproxy", path=SBIN)
CONFIGURATION = ROOT / "deploy/haproxy/haproxy.cfg"
STATIC_CONFIGURATION = ROOT / "deploy/nginx/static.conf"
EACH = "1s"
MOST_AT_ONCE = 256  # requests that a process behind a balancer gets


def for_this_user(text: str) -> str:
    """The configuration without the lines that only root can follow, when this is not root."""
    if os.geteuid() == 0:
        return text
    return re.sub(r"^  (user|group|chroot) .*\n", "", text, flags=re.MULTILINE)


class Balancer(Daemon):
    """HAProxy on free ports of the loopback address. `start` waits until it listens."""

    def __init__(
        self, folder: Path, certificate: Path, servers: dict[str, int], *, asks_each: str = EACH
    ) -> None:
        """`servers` are the variables of the configuration, such as WEB_1, with their ports. It asks
        each server `asks_each` whether it is ready; EACH is the shipped time.
        """
        self.port, self.plain_port = free_port(), free_port()
        self.socket = folder / "admin.sock"
        environment = {
            "PATH": SBIN,
            "HTTPS_BIND": f"127.0.0.1:{self.port}",
            "HTTP_BIND": f"127.0.0.1:{self.plain_port}",
            "CERTIFICATE": str(certificate),
            "ADMIN_SOCKET": str(self.socket),
            **{name: f"127.0.0.1:{port}" for name, port in servers.items()},
        }
        written = folder / "haproxy.cfg"
        text = for_this_user(CONFIGURATION.read_text())
        assert f" inter {EACH}" in text
        written.write_text(text.replace(f" inter {EACH}", f" inter {asks_each}"))
        command = [str(HAPROXY), "-W", "-f", str(written)]
        super().__init__("haproxy", command, environment, folder)

    def start(self) -> None:
        super().start()
        eventually(
            lambda: self.socket.exists() and answers(self.port),
            f"{self.name} listens\n{self.news()}",
        )

    def reload(self) -> None:
        """Read the configuration again, as `systemctl reload haproxy` does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGUSR2)

    def order(self, command: str) -> str:
        """Send a command to the admin socket. Returns the answer."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.socket))
            link.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: link.recv(65536), b"")).decode()

    def states(self) -> dict[str, str]:
        """The state of each server, such as {"web/machine1": "UP"}."""
        return self.told_of_servers("status")

    def told_of_servers(self, column: str) -> dict[str, str]:
        """A column of the statistics for each server, by names such as "web/machine1"."""
        text = self.order("show stat -1 4 -1").removeprefix("# ")
        return {
            f"{row['pxname']}/{row['svname']}": row[column]
            for row in csv.DictReader(io.StringIO(text))
        }

    def sends_to_all(self) -> bool:
        return set(self.states().values()) == {"UP"}


class Origin(Daemon):
    """nginx with the published static files, which are in `files`."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.files = folder / "published"
        self.files.mkdir()
        written = folder / "static.conf"
        written.write_text(here(STATIC_CONFIGURATION.read_text(), folder, self.files, self.port))
        # as root, nginx would switch its workers to a user that cannot read the tests' folder
        user = " user root;" if os.geteuid() == 0 else ""
        command = [str(NGINX), "-e", "stderr", "-g", f"daemon off;{user}", "-c", str(written)]
        super().__init__("static", command, os.environ, folder)

    def start(self) -> None:
        super().start()
        eventually(lambda: answers(self.port), f"{self.name} listens\n{self.news()}")


def here(text: str, folder: Path, files: Path, port: int) -> str:
    """The origin's configuration with folders and a port of this run."""
    for theirs, ours in (
        ("listen 8090", f"listen 127.0.0.1:{port}"),
        ("/tmp/", f"{folder}/"),
        ("/srv/portal/static/", f"{files}/"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    return text
