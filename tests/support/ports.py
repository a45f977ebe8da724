"""Free ports for servers that tests start."""

from __future__ import annotations

import socket
from random import SystemRandom

# Below the range that systems use for outgoing connections: otherwise one of these could take the
# port before the server opens it.
PORTS = range(12_000, 32_000)
_given: set[int] = set()  # a server may open its port long after it was drawn


def free_port() -> int:
    """A port on which nobody listens, and that this process was not given before. It is drawn at
    random, so that parallel runs rarely collide.
    """
    dice = SystemRandom()  # not `random`: two runs with the same seed would draw the same ports
    while True:
        port = dice.choice(PORTS)
        if port not in _given and not answers(port):
            _given.add(port)
            return port


def answers(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
