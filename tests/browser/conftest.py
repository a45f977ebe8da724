"""A real browser for the running portal, with a company and a catalogue."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, sync_playwright

from accounts.models import AccountManager, User
from catalog.models import Product
from tests.browser.importing import OUR_CATALOGUES, import_products
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.support import staff
from tests.support.stack import Databases, Stack

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def _whole_stack(
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    folder, settings = tmp_path_factory.mktemp("browser"), "tests.browser.settings"
    with Stack(folder, databases.create(), settings=settings) as running:
        yield running


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """The browser. It is closed after this folder's tests, because Playwright's event loop must not
    run during other tests.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's event loop runs in this thread, so Django believes that the code is
        # asynchronous.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="package")
def _catalogue(_whole_stack: Stack) -> list[str]:
    """Import our own catalogues with the command. Returns its output for each."""
    return [import_products(_whole_stack, path) for path in OUR_CATALOGUES]


_scenes: dict[Stack, Scene] = {}


@pytest.fixture
def scene(stack: Stack, _catalogue: list[str]) -> Scene:
    """A company with people, staff, the catalogue, and orders in many states, made once."""
    if stack not in _scenes:
        _scenes[stack] = Scene(stack)
    return _scenes[stack]


@pytest.fixture(autouse=True)
def _shelf_as_it_was(stack: Stack, scene: Scene) -> Iterator[None]:
    """Tests share the catalogue and count its products, so each leaves it as it was."""
    shelf = dict(Product.objects.filter(is_active=True).values_list("pk", "points_cost"))
    yield
    changed = Product.objects.filter(is_active=True).exclude(pk__in=shelf).update(is_active=False)
    for product in Product.objects.filter(pk__in=shelf):
        if product.points_cost != shelf[product.pk]:
            row = Product.objects.filter(pk=product.pk)
            changed += row.update(points_cost=shelf[product.pk])
    if changed:
        stack.redis.flush()  # it keeps lists of the catalogue


@pytest.fixture
def open_window(
    browser: Browser,
    stack: Stack,
    client_for: Callable[[AccountManager], Client],
) -> Iterator[Callable[..., Window]]:
    """Open windows: `open_window(seat_or_user, width=, scheme=, javascript=)`.

    Each window is a separate browser, signed in without the form unless nobody is given. Console
    errors, requests to other hosts and answers of 500 fail the test at its end.
    """
    windows: list[Window] = []

    def open_one(who: AccountManager | User | None = None, **given: Any) -> Window:
        window = Window(browser, stack.url, **given)
        windows.append(window)
        if isinstance(who, AccountManager):
            window.sign_in_with(client_for(who).cookies["sessionid"].value)
        elif who is not None:
            window.sign_in_with(staff.browser(who).cookies["sessionid"].value)
        return window

    yield open_one
    complaints = [complaint for window in windows for complaint in window.complaints]
    for window in windows:
        window.close()
    assert not complaints, "\n".join(complaints)
