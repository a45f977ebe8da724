"""An application as small as possible behind the product's web worker, to replace it often.

`POST /order` writes a line to ORDERS and answers 201, `/readyz` tells what the portal's would, any
other page names VERSION.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from loyalty_portal.http.draining import draining


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/readyz":
        start_response("503 Service Unavailable" if draining.is_set() else "200 OK", [])
        return []
    if environ["REQUEST_METHOD"] == "POST":
        with Path(os.environ["ORDERS"]).open("ab") as orders:  # one short write is whole
            orders.write(environ["wsgi.input"].read() + b"\n")
        start_response("201 Created", [])
        return []
    start_response("200 OK", [])
    return [os.environ["VERSION"].encode()]
