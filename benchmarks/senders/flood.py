"""`python -m benchmarks.senders.flood PORT RATE SECONDS`: sends callbacks at a steady rate, mostly forged.

Prints as JSON how many were sent, and how many genuine and forged ones got the right answer. It is
a separate process, so that it does not slow down the client that measures the shop.
"""

import asyncio
import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from standardwebhooks import Webhook

from benchmarks.load import HOST

GENUINE = 20  # one of so many callbacks is genuine
LINES = 50  # connections, which share the rate


def callbacks(port: int) -> Iterator[tuple[bytes, int]]:
    """Yield requests, each with the status that it should get."""
    signer, number = Webhook(os.environ["FULFILLMENT_WEBHOOK_SECRETS"]), 0
    while True:
        number += 1
        now = datetime.now(UTC)
        data = {
            "fulfillment_id": f"ful_{number}",
            "reference": str(uuid.uuid4()),
            "status": "processing",
            "updated_at": now.isoformat().replace("+00:00", "Z"),
        }
        body = json.dumps(
            {"type": "fulfillment.processing", "timestamp": data["updated_at"], "data": data}
        )
        genuine = number % GENUINE == 0
        name = f"msg_{uuid.uuid4()}"
        signature = signer.sign(name, now, body if genuine else "something else")
        head = (
            f"POST /webhooks/fulfillment/ HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"webhook-id: {name}\r\nwebhook-timestamp: {int(now.timestamp())}\r\n"
            f"webhook-signature: {signature}\r\n\r\n"
        )
        yield (head + body).encode(), 204 if genuine else 401


async def line(
    requests: Iterator[tuple[bytes, int]],
    port: int,
    times: tuple[float, float, float],
    seen: Counter[str],
) -> None:
    """Send requests over one connection. `times`: the first, the interval, the last."""
    next_at, pause, until = times
    link = None
    while next_at < until:
        await asyncio.sleep(next_at - time.perf_counter())
        next_at += pause
        wire, due = next(requests)
        seen["sent"] += 1
        try:
            link = link or await asyncio.open_connection(HOST, port)
            status, stays = await exchange(wire, *link)
        except (OSError, asyncio.IncompleteReadError):
            seen["unanswered"] += 1
            link = None
            continue
        seen["stored" if due == 204 else "refused"] += status == due
        if not stays:
            link[1].close()
            link = None


async def exchange(
    wire: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[int, bool]:
    """Send a request. Returns the status, and whether the connection stays open."""
    writer.write(wire)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n")[0]))
    return int(head[9:12]), b"connection: close" not in head


async def flood(port: int, rate: float, seconds: float) -> Counter[str]:
    seen: Counter[str] = Counter(sent=0, stored=0, refused=0, unanswered=0)
    requests, began, pause = callbacks(port), time.perf_counter(), LINES / rate
    await asyncio.gather(
        *(
            # Spread the connections over the interval.
            line(requests, port, (began + number / rate, pause, began + seconds), seen)
            for number in range(LINES)
        )
    )
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(flood(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))))
