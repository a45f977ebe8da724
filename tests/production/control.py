"""What systemctl is to a machine: `python -m tests.production.control PORT stop machine1`."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

HOST = "127.0.0.1"


class Control(AbstractContextManager["Control"]):
    """Does what is asked with verbs of `verbs`, one after the other. `command` is for deploy/roll.

    One thread lives as long as this: the kernel ends a process when the thread that began it ends.
    """

    def __init__(self, verbs: dict[str, Callable[[str], object]]) -> None:
        class Asked(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                verb, name = self.rfile.readline().decode().split()
                verbs[verb](name)
                self.wfile.write(b"done\n")

        self._server = socketserver.TCPServer((HOST, 0), Asked)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def command(self) -> str:
        port = self._server.server_address[1]
        return f"{sys.executable} -m tests.production.control {port} {{verb}} {{machine}}"

    def __enter__(self) -> Control:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def ask(port: int, verb: str, name: str) -> bool:
    with socket.create_connection((HOST, port), timeout=600) as link:
        link.sendall(f"{verb} {name}\n".encode())
        return link.recv(16) == b"done\n"


if __name__ == "__main__":
    sys.exit(not ask(int(sys.argv[1]), *sys.argv[2:4]))
