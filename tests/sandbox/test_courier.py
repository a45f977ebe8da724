"""The courier can be stopped at any moment, even while it is being woken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loyalty_portal.sandbox.partners import Options, Partners

DEADLINE = 10


@pytest.mark.parametrize("ticks", range(8))
def test_the_courier_stops_although_it_was_just_woken(tmp_path: Path, ticks: int) -> None:
    """`asyncio.wait_for` of Python 3.11 loses the cancellation here, so the process would
    not end.
    """

    async def stop() -> bool:
        courier = Partners(Options(tmp_path)).courier
        task = asyncio.create_task(courier.run())
        await asyncio.wait([task], timeout=0.05)
        courier.wake()
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=DEADLINE)
        return task.done()

    assert asyncio.run(stop())
