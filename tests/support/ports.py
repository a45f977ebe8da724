"""Ports for what tests start."""

from __future__ import annotations

import socket
from random import SystemRandom

# Below those that systems give to outgoing connections, of which busy processes have many: one of
# them would take the port between our look and the start of whoever is to listen there.
PORTS = range(12_000, 32_000)


def free_port() -> int:
    """One on which nobody listens, drawn so that runs beside each other hardly meet."""
    dice = SystemRandom()  # what seeds the other one must not give two runs the same ports
    while True:
        port = dice.choice(PORTS)
        if not answers(port):
            return port


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
