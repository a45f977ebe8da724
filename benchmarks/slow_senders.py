"""Clients who never finish a form: `python -m benchmarks.slow_senders PORT SOCKETS SECONDS`.

Each opens a POST, half of them to the partner's callbacks and half to the sign-in, sends one byte
of its body, and another each ten seconds. Prints, as JSON, how many were held open at the end, and
the slowest answer of /healthz meanwhile, in seconds. A process of its own, as the flood is.
"""

import asyncio
import json
import sys
import time
from itertools import cycle

from benchmarks.load import HOST

PATHS = ("/webhooks/fulfillment/", "/accounts/login/")
PAUSE = 10.0  # seconds between two bytes


async def sender(port: int, path: str, until: float, ready: asyncio.Semaphore) -> bool:
    """Whether the server still held the connection at the end."""
    async with ready:  # as many at once as a listening queue takes
        reader, writer = await asyncio.open_connection(HOST, port)
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode() + b"{")
    while (left := until - time.perf_counter()) > 0:
        try:
            async with asyncio.timeout(min(PAUSE, left)):
                await reader.read(1)  # an answer, or the end, is the server's giving up
        except TimeoutError:
            writer.write(b"x")
            continue
        writer.close()
        return False
    writer.close()
    return True


async def health(port: int, until: float) -> float:
    """The slowest of the answers, in seconds; each on a connection of its own."""
    slowest = 0.0
    while time.perf_counter() < until:
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(f"GET /healthz HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        line = await reader.readline()
        if b" 200 " not in line:
            raise RuntimeError(f"/healthz: {line!r}")
        writer.close()
        slowest = max(slowest, time.perf_counter() - began)
        await asyncio.sleep(0.1)
    return slowest


async def send(port: int, sockets: int, seconds: float) -> dict[str, float]:
    until, ready = time.perf_counter() + seconds, asyncio.Semaphore(50)
    senders = [sender(port, path, until, ready) for path, _ in zip(cycle(PATHS), range(sockets))]
    slowest, *held = await asyncio.gather(health(port, until), *senders)
    return {"held": sum(held), "healthz": slowest}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(send(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))))
