"""A reverse proxy in front of the portal: nginx if installed, and a small one of our own.

    python -m tests.support.reverse_proxy PORT TARGET_PORT

Both append the client's address to X-Forwarded-For.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.daemons import Web
from tests.support.ports import free_port

HOST = "127.0.0.1"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
missing = pytest.mark.skipif(not NGINX, reason="nginx is missing (Debian: apt install nginx)")
KINDS = ("own", pytest.param("nginx", marks=missing))

CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/a; uwsgi_temp_path {folder}/b; scgi_temp_path {folder}/c;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{target};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


def proxy_to(target: int, *, kind: str, folder: Path) -> Web:
    """A proxy that is not started yet. It answers once the portal behind it does."""
    port = free_port()
    if kind == "nginx":
        assert NGINX
        written = folder / "nginx.conf"
        written.write_text(CONFIGURATION.format(folder=folder, port=port, target=target))
        command = [NGINX, "-e", "stderr", "-c", str(written)]
    else:
        command = [sys.executable, "-m", __name__, str(port), str(target)]
    proxy = Web(f"proxy-{kind}", command, os.environ, folder)
    proxy.port = port
    return proxy


async def serve(port: int, target: int) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            inside, outside = await asyncio.open_connection(HOST, target)
            outside.write(forwarded(head, writer.get_extra_info("peername")[0]))
            sending = asyncio.ensure_future(pump(reader, outside))
            await pump(inside, writer)
            sending.cancel()
            outside.close()
        writer.close()

    async with await asyncio.start_server(pass_on, HOST, port) as server:
        await server.serve_forever()


def forwarded(head: bytes, peer: str) -> bytes:
    """The head of the request for the portal: with the peer's address, and closing after it."""
    request, *lines = head.rstrip().split(b"\r\n")
    said = {line.partition(b":")[0].lower(): line.partition(b":")[2].strip() for line in lines}
    earlier = said.get(b"x-forwarded-for")
    told = b", ".join(filter(None, [earlier, peer.encode()]))
    dropped = (b"x-forwarded-for:", b"connection:")
    lines = [line for line in lines if not line.lower().startswith(dropped)]
    lines += [b"X-Forwarded-For: " + told, b"Connection: close"]
    return b"\r\n".join([request, *lines]) + b"\r\n\r\n"


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(65536):
        sink.write(piece)
        await sink.drain()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
