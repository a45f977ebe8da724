"""Measures coverage only in the tests that have to show it. To measure takes a third more time.

`make test` asks for every branch of the files in the Makefile's SAGA, and their tests are in MEASURED.
`make coverage` measures nearly all tests: those in NOT_MEASURED start processes, or run lines that others
run too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest
from coverage import Coverage
from django.conf import settings

MEASURED = (
    "tests/accounts/test_loyalty_client.py",
    "tests/fulfillment/",
    "tests/inventory/",
    "tests/loyalty_portal/configuration/",
    "tests/loyalty_portal/data/",
    "tests/loyalty_portal/fastpath/",
    "tests/loyalty_portal/partners/",
    "tests/operations/conformance/",
    "tests/redemption/",
)
NOT_MEASURED = (
    "tests/browser/",
    "tests/chaos/",
    "tests/house/",
    "tests/journeys/",
    "tests/loyalty_portal/api/test_fuzzed.py",
    "tests/operations/test_admin_",
    "tests/operations/test_permission_matrix.py",
    "tests/sandbox/",
)
# What loads the product, so that the lines of its modules are measured before those of the tests load.
LOADED = ("redemption.management.commands.sweep",)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--measure-all", action="store_true", help="Measure coverage in nearly all tests."
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    for name in (settings.ROOT_URLCONF, *LOADED):
        import_module(name)
    with _unmeasured():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if _is_measured(item):
        return (yield)
    with _unmeasured():
        return (yield)


def _is_measured(item: pytest.Item) -> bool:
    if item.config.getoption("measure_all"):
        return not item.nodeid.startswith(NOT_MEASURED)
    return item.nodeid.startswith(MEASURED)


@contextmanager
def _unmeasured() -> Iterator[None]:
    measuring = Coverage.current()
    if measuring is None:  # with --no-cov
        yield
        return
    measuring.stop()
    try:
        yield
    finally:
        measuring.start()
