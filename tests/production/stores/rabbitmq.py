"""A private node of Debian's RabbitMQ, on loopback, with folders and a port mapper of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.daemons import Daemon
from tests.support.ports import answers, free_port
from tests.support.waiting import eventually

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
needs_rabbitmq = pytest.mark.skipif(
    not PROGRAM.exists(), reason="rabbitmq-server is missing (Debian: apt install rabbitmq-server)"
)
STARTS_WITHIN = 400.0  # seconds on a machine that does much else


class RabbitMQ(Daemon):
    """`start` waits until it takes connections."""

    def __init__(self, folder: Path) -> None:
        self.port, mapper, others = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        home = folder / "rabbitmq"
        home.mkdir()
        (home / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n"
        )
        self._mapper = {
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_RELAXED_COMMAND_CHECK": "1",  # so that it may be killed from outside
        }
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),  # of the nodes' shared secret
            "RABBITMQ_NODENAME": f"portal-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_DIST_PORT": str(others),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}"
            ),
            **self._mapper,
        }
        super().__init__("rabbitmq", [str(PROGRAM)], environment, folder)

    def start(self) -> None:
        super().start()
        eventually(self._answers, "RabbitMQ answers", within=STARTS_WITHIN, pause=0.5)

    def _answers(self) -> bool:
        assert self.is_running, f"RabbitMQ ended:\n{self.news()}"
        return answers(self.port) and "completed with" in self.log.read_text()

    def remove(self) -> None:
        """Kill it, and the port mapper that it has started."""
        self.kill()
        with suppress(OSError):
            subprocess.run(
                ["epmd", "-kill"],
                env={**os.environ, **self._mapper},
                capture_output=True,
                check=False,
            )

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)
