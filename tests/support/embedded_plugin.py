"""A pytest plugin that prepares the environment before Django reads its settings.

It sets the tests' environment variables, starts an embedded PostgreSQL and Redis if DATABASE_URL
and REDIS_URL are not set, finds Chromium, and reports at the end which tests were skipped without
it.
"""

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from loyalty_portal.local.embedded import Services
from loyalty_portal.local.embedded_folder import FolderInUseError

ROOT = Path(__file__).resolve().parents[2]
RUNS_AT_ONCE = 20
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_GET_CHROMIUM = (
    "Chromium was not found. Install it (Debian, Ubuntu: apt install chromium; anywhere: "
    ".venv/bin/playwright install chromium) or name it: CHROMIUM=/path/to/chromium make test"
)

ENVIRONMENT = {
    "DEBUG": "true",
    "SECRET_KEY": "a-key-for-tests-only",
    "FIELD_ENCRYPTION_KEYS": "Zm9yIHRlc3RzIG9ubHk6IHRoaXJ0eS10d28gYnl0ZXM=",
    "FULFILLMENT_WEBHOOK_SECRETS": "whsec_Zm9yIHRlc3RzIG9ubHk6IHRoaXJ0eS10d28gYnl0ZXM=",
    # Several of each process run beside each other. Those whose figures are tested have a port.
    "METRICS_PORT": "0",
    # No index: pages ask PostgreSQL. Tests of the search have a folder of their own.
    "SEARCH_INDEX_PATH": "/nonexistent/search",
}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Prepare everything before other plugins, such as pytest-django, load the settings."""
    for name in _documented_variables() - {"DATABASE_URL", "REDIS_URL", "FASTPATH"}:
        os.environ.pop(name, None)  # tests ignore a developer's own settings
    os.environ.update(ENVIRONMENT)
    if not _only_distributes(early_config):
        gc.disable()  # until all tests are collected, since most of what is loaded stays
        services = _services()
        early_config.add_cleanup(services.close)
        os.environ.update(services.addresses)
    yield


def _only_distributes(config: pytest.Config) -> bool:
    """Whether this process only distributes tests to workers, each with its own services."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return False
    several = bool(config.known_args_namespace.numprocesses)
    if several and ({"DATABASE_URL", "REDIS_URL"} & os.environ.keys()):
        raise pytest.UsageError(
            "Test processes beside each other cannot share one Redis: leave out -n, "
            "or DATABASE_URL and REDIS_URL."
        )
    return several


def _documented_variables() -> set[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {line.lstrip("# ").split("=")[0] for line in lines if "=" in line}


def _services() -> Services:
    """Start the services in a free folder; parallel runs use different folders."""
    for number in range(1, RUNS_AT_ONCE):
        with suppress(FolderInUseError):
            folder = ROOT / ".local" / f"test-{number}"
            return Services(folder, environment=os.environ, durable=False).__enter__()
    raise pytest.UsageError(f"{RUNS_AT_ONCE - 1} test runs are going on in this checkout.")


def find_chromium() -> str | None:
    """The path of a Chromium: CHROMIUM, one on the PATH, or the one that playwright installed."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    for name in CHROMIUM_NAMES:
        path = shutil.which(name)
        if path:
            return path
    home = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "~/.cache/ms-playwright")
    found = sorted(Path(home).expanduser().glob("chromium-*/chrome-linux*/chrome"))
    return str(found[-1]) if found else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser. Tests that use it are marked `browser`."""
    path = find_chromium()
    assert path, HOW_TO_GET_CHROMIUM
    return path


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking at thousands of collected tests again and again,
    which took a fifth of the processes' time.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_chromium():
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="no Chromium"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if "browser" in report.keywords and not find_chromium()
    ]
    if left_out:
        terminalreporter.section("the browser's tests")
        terminalreporter.line(f"{len(left_out)} of them were skipped. {HOW_TO_GET_CHROMIUM}")
