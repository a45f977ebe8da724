"""A TCP proxy between the portal and its servers, which disturbs connections on command.

    python -m tests.chaos.actors.proxy CONTROL NAME=PORT:TARGET ...

All ports are on the loopback address. The command `NAME TROUBLE AMOUNT` to the port CONTROL is
answered `ok`:

  none        pass everything on
  latency     delay each piece by AMOUNT seconds
  drip        pass 16 bytes at a time, AMOUNT seconds apart
  freeze      pass nothing in either direction, and keep connections open
  half-open   pass on what the client sends, and lose the answers without notice
  cut         reset all connections, and new ones too
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
    """A client's connection and its connection to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.lost_some = False

    def abort(self) -> None:
        reset(self.client)
        reset(self.server)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP RST, so that the other side sees an error and not an end."""
    if not writer.transport.is_closing():
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


class Line:
    """The connections to one server."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.trouble, self.amount = "none", 0.0
        self.pairs: set[Pair] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    def spoil(self, trouble: str, amount: float) -> None:
        """Disturb all pieces from now on, including those in transit."""
        self.trouble, self.amount = trouble, amount
        for pair in list(self.pairs):
            # a stream with missing bytes must never continue
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
        """The data in one piece, or in small pieces while dripping."""
        while data:
            size = DROP if self.trouble == "drip" else PIECE
            yield data[:size]
            data = data[size:]


class Proxy:
    """All lines, and the control port."""

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
