"""Each use of the fastpath has a measurement: `make bench-pieces` shows what it saves."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from benchmarks.pieces.parts import OF_A_TIER, PIECES
from benchmarks.pieces.requests import REQUESTS
from loyalty_portal.fastpath import fragments, sql, together, updates
from tests.redemption.world import ROOMS

# What is quicker with the fastpath. The others of its modules prepare for it, or forget.
QUICK = {
    getattr(module, name)
    for module, names in (
        (sql, ("insert", "insert_unknown")),
        (updates, ("update", "delete")),
        (together, ("read_together",)),
        (
            fragments,
            ("cached_fragment", "cached_fragments", "cached_page", "cached_value", "held_value"),
        ),
    )
    for name in names
}
KINDS = (sql.Prepared, updates.PreparedUpdate, updates.PreparedPair)


def modules() -> Iterator[ModuleType]:
    for package in (*ROOMS, "loyalty_portal"):
        path = import_module(package).__path__
        for found in pkgutil.walk_packages(path, f"{package}."):
            left_out = (".migrations", ".fastpath", ".sandbox", ".local", ".web", ".wsgi")
            if not any(part in f"{found.name}." for part in left_out):
                yield import_module(found.name)


def is_use(value: Any) -> bool:
    if isinstance(value, KINDS):
        return True
    plain = inspect.unwrap(value) if callable(value) else None
    told = getattr(plain, "__annotations__", {}).get("return")
    per_tier = hasattr(value, "cache_info") and "Prepared" in str(told)
    return per_tier or (inspect.isfunction(value) and value in QUICK)


def test_each_use_of_the_fastpath_is_a_piece_that_is_measured() -> None:
    measured = {(owner.__name__, name) for piece in PIECES for owner, name in piece.off}
    used = {
        (module.__name__, name)
        for module in modules()
        for name, value in vars(module).items()
        if is_use(value)
    }
    assert used - measured == set()
    assert {place for place in measured - used if place[0] != "DatabaseWrapper"} == set()
    assert {piece.request for piece in PIECES} <= set(REQUESTS)
    assert {name for _module, name in measured} >= OF_A_TIER
