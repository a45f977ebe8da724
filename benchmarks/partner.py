"""`python -m benchmarks.partner PORT SECONDS`: both partners, slow but almost without CPU.

They answer each debit, and each request by a delivery, as the contracts say, after the given
seconds. They store nothing: the sandbox
would add its own cost to the measurement.
"""

import asyncio
import itertools
import json
import sys
from datetime import UTC, datetime
from typing import Any

numbers = itertools.count(1)


def answer(body: bytes) -> bytes:
    asked = json.loads(body)
    made = delivered(asked) if "sku" in asked else taken(asked)
    return json.dumps(made).encode()


def delivered(asked: dict[str, Any]) -> dict[str, Any]:
    number = next(numbers)
    units = range(asked["quantity"])
    return {
        "fulfillment_id": f"bench-{number}",
        "reference": asked["reference"],
        "status": "delivered",
        "updated_at": datetime.now(UTC).isoformat(),
        "reason": None,
        "deliverables": [
            {"code": f"BENCH-{number}-{unit}", "pin": None, "url": None, "expires_on": None}
            for unit in units
        ],
    }


def taken(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "transaction_id": f"bench-{next(numbers)}",
        "type": "debit",
        "account_id": asked["account_id"],
        "points": asked["points"],
        "reference": asked["reference"],
        "original_transaction_id": None,
        "balance_after": 1_000_000,
        "created_at": datetime.now(UTC).isoformat(),
    }


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        body = answer(await reader.readexactly(length))
        await asyncio.sleep(seconds)
        writer.write(
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # a probe that only checks whether the port is open
    finally:
        writer.close()


async def main(port: int, seconds: float) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: serve(reader, writer, seconds), "127.0.0.1", port, backlog=1024
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
