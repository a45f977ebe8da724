"""`python -m benchmarks.senders.calls PORT KEY RATE SECONDS`: calls the API at a steady rate.

Prints as JSON how often each status came. It is a separate process, so that it does not slow down
the client that measures another company.
"""

import asyncio
import json
import sys
import time
from collections import Counter

from benchmarks.load import HOST, Result
from benchmarks.senders.flood import exchange

LINES = 16  # connections, which share the rate
USUAL = 5.0  # calls a second of a company that keeps to its limit
PATH = "/api/v1/products?limit=10"


def usual(port: int, key: str, seconds: float) -> Result:
    """The latencies of calls at a usual pace. Fails when one is refused."""
    seen, took = asyncio.run(send(port, key, USUAL, seconds))
    if set(seen) != {"200"}:
        raise SystemExit(f"A company that keeps to its limit was refused: {dict(seen)}")
    return Result(seconds, took)


async def send(
    port: int, key: str, rate: float, seconds: float
) -> tuple[Counter[str], list[float]]:
    """Call at this rate. Returns how often each status came, and the latencies in ms."""
    seen: Counter[str] = Counter()
    took: list[float] = []
    began = time.perf_counter()
    lines = min(LINES, max(1, round(rate)))

    async def line(first: float) -> None:
        next_at, link = first, None
        while next_at < began + seconds:
            await asyncio.sleep(next_at - time.perf_counter())
            next_at += lines / rate
            before = time.perf_counter()
            link = link or await asyncio.open_connection(HOST, port)
            status, stays = await exchange(_wire(port, key), *link)
            took.append((time.perf_counter() - before) * 1000)
            seen[str(status)] += 1
            if not stays:
                link[1].close()
                link = None
        if link:
            link[1].close()

    await asyncio.gather(*(line(began + number / rate) for number in range(lines)))
    return seen, took


def _wire(port: int, key: str) -> bytes:
    head = f"GET {PATH} HTTP/1.1\r\nHost: {HOST}:{port}\r\nAuthorization: Bearer {key}\r\n\r\n"
    return head.encode()


if __name__ == "__main__":
    counted, _latencies = asyncio.run(
        send(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
    )
    print(json.dumps(counted))
