"""A small load generator: one process with keep-alive connections, one request at a time on
each.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HOST = "127.0.0.1"
# Who gets what is ordered, as in the form of the checkout.
RECIPIENT = {
    "recipient_name": "Ada Byron",
    "recipient_email": "ada@bench.example",
    "address_line1": "Invalidenstr. 43",
    "postcode": "10115",
    "city": "Berlin",
    "country": "DE",
}


@dataclass(frozen=True)
class Ask:
    """A request, and the status that counts as success."""

    path: str
    status: int
    cookie: str = ""
    form: str | None = None

    def wire(self, port: int) -> bytes:
        lines = [
            f"{'GET' if self.form is None else 'POST'} {self.path} HTTP/1.1",
            f"Host: {HOST}:{port}",
            "Accept: text/html",
        ]
        if self.cookie:
            lines.append(f"Cookie: {self.cookie}")
        body = (self.form or "").encode()
        if self.form is not None:
            lines += [
                "Content-Type: application/x-www-form-urlencoded",
                f"Content-Length: {len(body)}",
            ]
            lines.append(f"Origin: http://{HOST}:{port}")
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Result:
    """Requests per second, and latencies in milliseconds."""

    seconds: float
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def p95(self) -> float:
        return sorted(self.latencies)[int(len(self.latencies) * 0.95)]


async def _one(
    ask: Ask, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Send a request and read the response. Returns whether the connection stays open."""
    writer.write(ask.wire(port))
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    headers = head.lower()
    if b"content-length:" in headers:
        length = int(headers.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
    else:
        body = await _chunks(reader)
    if status != ask.status:
        raise RuntimeError(f"{ask.path}: {status} instead of {ask.status}: {body[:300]!r}")
    return b"connection: close" not in headers


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """Read a chunked body, which Django sends where no middleware adds a length."""
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)


async def _buyer(asks: Iterator[Ask], port: int, until: float, latencies: list[float]) -> None:
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for ask in asks:
        if time.perf_counter() >= until:
            break
        began = time.perf_counter()
        if connection is None:
            connection = await asyncio.open_connection(HOST, port)
        if not await _one(ask, port, *connection):
            connection[1].close()
            connection = None
        latencies.append((time.perf_counter() - began) * 1000)
    if connection is not None:
        connection[1].close()


def run(asks: Iterable[Ask], *, port: int, at_once: int, seconds: float) -> Result:
    """Send `asks`, `at_once` in parallel, until they or the seconds run out."""

    async def everybody() -> Result:
        shared, latencies = iter(asks), []  # type: ignore[var-annotated]
        began = time.perf_counter()
        await asyncio.gather(
            *(_buyer(shared, port, began + seconds, latencies) for _ in range(at_once))
        )
        return Result(time.perf_counter() - began, latencies)

    return asyncio.run(everybody())
