"""A TCP proxy between the portal and what it needs, which spoils a line when it is told to.

    python -m tests.chaos.actors.proxy CONTROL NAME=PORT:TARGET ...

All ports are on the loopback address. A line `NAME TROUBLE AMOUNT` to CONTROL is answered `ok`:

none        what goes in comes out
latency     each piece is AMOUNT seconds late
drip        16 bytes at a time, AMOUNT seconds apart
freeze      nothing moves, in either direction, and the connections stay
half-open   what the client says arrives; what it is answered gets lost, and it is not told
cut         connections are reset, and new ones too
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress

HOST = "127.0.0.1"
TROUBLES = ("none", "latency", "drip", "freeze", "half-open", "cut")
PIECE, DROP = 65536, 16  # bytes


class Pair:
    """A client's connection and the one that was opened for it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.lost_some = False

    def abort(self) -> None:
        reset(self.client)
        reset(self.server)


def reset(writer: asyncio.StreamWriter) -> None:
    """With a TCP RST, rather than as if all had been said."""
    if not writer.transport.is_closing():
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


class Line:
    """One way to one server."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.trouble, self.amount = "none", 0.0
        self.pairs: set[Pair] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def spoil(self, trouble: str, amount: float) -> None:
        """From now on, for what is on its way as well."""
        self.trouble, self.amount = trouble, amount
        for pair in list(self.pairs):
            # A stream with a hole in it must not go on as if it were whole.
            if trouble == "cut" or pair.lost_some:
                pair.abort()
        if trouble == "freeze":
            self._flowing.clear()
        else:
            self._flowing.set()

    async def accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self.trouble == "cut":
            reset(client)
            return
        try:
            answers, server = await asyncio.open_connection(HOST, self.target)
        except OSError:
            reset(client)
            return
        pair = Pair(client, server)
        self.pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump(reader, server, pair, back=False),
                self._pump(answers, client, pair, back=True),
            )
        except OSError:
            pair.abort()
        finally:
            self.pairs.discard(pair)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, pair: Pair, *, back: bool
    ) -> None:
        while data := await source.read(PIECE):
            await self._flowing.wait()
            if self.trouble == "half-open" and back:
                pair.lost_some = True
                continue
            for piece in self._pieces(data):
                if self.trouble in {"latency", "drip"}:
                    await asyncio.sleep(self.amount)
                sink.write(piece)
                await sink.drain()
        await self._flowing.wait()
        sink.close()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """All at once, or in drops for as long as it drips."""
        while data:
            size = DROP if self.trouble == "drip" else PIECE
            yield data[:size]
            data = data[size:]


class Proxy:
    """All lines, and the door for orders."""

    def __init__(self, targets: dict[str, tuple[int, int]]) -> None:
        self._ports = {name: port for name, (port, _target) in targets.items()}
        self._lines = {name: Line(target) for name, (_port, target) in targets.items()}

    async def serve(self, control: int) -> None:
        servers = [
            await asyncio.start_server(line.accept, HOST, self._ports[name])
            for name, line in self._lines.items()
        ]
        servers.append(await asyncio.start_server(self._orders, HOST, control))
        await asyncio.gather(*(server.serve_forever() for server in servers))

    async def _orders(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                name, trouble, amount = line.decode().split()
                assert trouble in TROUBLES, trouble
                self._lines[name].spoil(trouble, float(amount))
                writer.write(b"ok\n")
                await writer.drain()
        writer.close()


def main(control: str, *lines: str) -> None:
    targets: dict[str, tuple[int, int]] = {}
    for line in lines:
        name, _, ports = line.partition("=")
        port, _, target = ports.partition(":")
        targets[name] = (int(port), int(target))
    asyncio.run(Proxy(targets).serve(int(control)))


if __name__ == "__main__":
    main(*sys.argv[1:])
