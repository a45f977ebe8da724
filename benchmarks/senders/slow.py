"""`python -m benchmarks.senders.slow PORT SOCKETS SECONDS`: clients that never finish a form.

Each opens a POST, half of them to the callbacks and half to the sign-in, and sends one byte of its
body every ten seconds. Prints as JSON how many connections were still open at the end, and the
slowest answer of /healthz in seconds. It is a separate process, as the flood is.
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
    """Send slowly. Returns whether the connection was still open at the end."""
    async with ready:  # a listening queue takes only so many at once
        reader, writer = await asyncio.open_connection(HOST, port)
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode() + b"{")
    while (left := until - time.perf_counter()) > 0:
        try:
            async with asyncio.timeout(min(PAUSE, left)):
                await reader.read(1)  # the server answers or closes when it gives up
        except TimeoutError:
            writer.write(b"x")
            continue
        writer.close()
        return False
    writer.close()
    return True


async def health(port: int, until: float) -> float:
    """The slowest answer in seconds; each request uses a new connection."""
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
