"""SQS and S3 as moto plays them, a process on loopback."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.support.daemons import Daemon
from tests.support.ports import answers, free_port
from tests.support.waiting import eventually

KEY, PASSWORD = "any", "any"  # moto takes every pair
ACCESS = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": PASSWORD,
    "AWS_DEFAULT_REGION": "eu-central-1",
}


class Aws(Daemon):
    """`start` waits until it answers. It forgets everything when it ends."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # its account's number is part of what it calls a queue
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        super().__init__("aws", command, {**os.environ, **ACCESS}, folder)

    def start(self) -> None:
        super().start()
        eventually(lambda: answers(self.port), "SQS and S3 answer", within=120, pause=0.1)
