"""Measures each piece of the fastpath: requests with it and with its plain form, one by one in turn.

What is measured is the CPU of this process and of its database connection, so that other work on
the machine counts little. For each round the times of both sides are added up; the gain is what
the piece saves of the request without it. The table gives the median of the rounds, and between
what figures the middle half of them lies.
"""

import gc
import logging
import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.conf import settings
from django.db import close_old_connections, connection

from benchmarks.pieces.parts import PIECES, all_plain, without
from benchmarks.pieces.requests import REQUESTS, Requests
from loyalty_portal.http.rates import Rate
from redemption.orders.api import placing

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
ONLY = os.environ.get("BENCH_PIECES", "").split("|")
PAIRS = 10  # requests of each side in a round
LEAST = 0.05  # of its request
PLENTY = 1_000_000  # calls a minute, so that no limit ends the measuring


def backend_cpu() -> int:
    """Nanoseconds that the server's process of our connection has run."""
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def settle_down() -> None:
    """Collect no more what is loaded, as the web process (gunicorn.conf.py): in a process as large as
    this one the collector's looks at it would be a fifth of what is measured.
    """
    gc.collect()
    gc.freeze()


def cpu_of(act: Callable[[], Any]) -> int:
    """Nanoseconds of CPU, after a look at the connection as at each request and task."""
    before = time.process_time_ns() + backend_cpu()
    close_old_connections()
    act()
    return time.process_time_ns() + backend_cpu() - before


def gains(request: Callable[[], Any], off: Callable[[], Any]) -> tuple[list[float], float]:
    """For each round the share of the request that the piece saves; and the request's milliseconds
    with it.
    """
    shares, each = [], []
    for turn in range(-1, ROUNDS):  # the first is for warming up
        fast = plain = 0
        for pair in range(PAIRS):
            for side in ("fast", "plain") if pair % 2 else ("plain", "fast"):
                act = request()
                if side == "fast":
                    fast += cpu_of(act)
                else:
                    with off():
                        plain += cpu_of(act)
        if turn >= 0:
            shares.append(1 - fast / plain)
            each.append(fast / PAIRS / 1e6)
    return shares, statistics.median(each)


def _wanted(name: str) -> bool:
    return any(part in name for part in ONLY)


def show(name: str, request: str, shares: list[float], milliseconds: float) -> None:
    low, gain, high = statistics.quantiles(shares, n=4)
    told = f"{gain:7.1%}{low:9.1%} to {high:5.1%}"
    short = "" if gain >= LEAST else "   under 5 %"
    print(f"{name:28}{request:24}{milliseconds:8.2f}{told}{short}", flush=True)


def main() -> None:
    logging.disable(logging.WARNING)
    # A new connection on the way would be another process of the server.
    connection.settings_dict["CONN_MAX_AGE"] = None
    settings.API_RATE_KEY = settings.API_RATE_COMPANY = PLENTY
    requests = Requests()
    ready = {name: partial(make, requests) for name, make in REQUESTS.items()}
    settle_down()
    with patch.object(placing, "ORDERS", Rate("orders", most=PLENTY, burst=PLENTY)):
        _show_all(ready)


def _show_all(ready: Mapping[str, Callable[[], Any]]) -> None:
    print(f"{'piece':28}{'request':24}{'CPU ms':>8}{'saves':>7}{'middle half':>18}")
    for name, request in ready.items():
        if _wanted(f"all of it {name}"):
            show("all of it", name, *gains(request, all_plain))
    for piece in PIECES:
        if _wanted(f"{piece.name} {piece.request}"):
            measured = gains(ready[piece.request], partial(without, piece))
            show(piece.name, piece.request, *measured)


if __name__ == "__main__":
    main()
