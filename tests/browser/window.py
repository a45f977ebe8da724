"""A browser window that records what a page must never do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect

from tests.redemption.world import RECIPIENT

Scheme = Literal["light", "dark"]
PATIENCE = 20_000  # ms to wait for other processes
expect.set_options(timeout=PATIENCE)
FORGIVEN = re.compile(
    # Status 404 or 403 of the page itself: tests that open such a page expect it.
    r"Failed to load resource: the server responded with a status of 4"
    # HTMX aborts a request when a newer one replaces it. A failed request also logs sendError.
    r"|htmx:(sendAbort|afterRequest)"
)
# The rules that axe checks.
WCAG: dict[str, Any] = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
}
STRICT = {"type": "tag", "values": [*WCAG["values"], "best-practice"]}
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
Look = tuple[int, Scheme]
# Each width and each scheme once: colours do not depend on the width. Where there are many pages,
# `make test` looks at them in the first way, and `make test-long` in all.
WIDE: Look = (1280, "light")
NARROW: Look = (390, "dark")
LOOKS: tuple[Look, ...] = (WIDE, NARROW)
OTHER_LOOKS: tuple[Look, ...] = ((1280, "dark"), (390, "light"))
# During a transition a colour is neither the old nor the new one, so transitions are ended, until
# none has begun since: a change of the scheme begins them with the next frames.
COME_TO_REST = """async () => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const moving = () => document.getAnimations().filter((each) => each instanceof CSSTransition);
  for (let quiet = 0, frames = 0; quiet < 3 && frames < 60; frames += 1) {
    await frame();
    const found = moving();
    found.forEach((transition) => transition.finish());
    quiet = found.length ? 0 : quiet + 1;
  }
}"""


class Window:
    """A window. `page` is Playwright's page; `go("/orders/")` opens a path of the portal.

    `complaints` lists forbidden things that a page did, `loaded` all responses.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Scheme = "light",
        javascript: bool = True,
    ) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.loaded: list[Response] = []
        self._context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=javascript,
            reduced_motion="reduce",
        )
        self._context.set_default_timeout(PATIENCE)
        self._context.on("console", self._heard)
        self._context.on("weberror", lambda error: self._complain(f"threw {error.error}"))
        self._context.on("request", self._asked)
        self._context.on("response", self._answered)
        self.page: Page = self._context.new_page()

    def sign_in_with(self, session: str) -> None:
        self._context.add_cookies([{"name": "sessionid", "value": session, "url": self.url}])

    def another(self) -> Page:
        """Open a second tab of the same browser."""
        return self._context.new_page()

    def go(self, path: str) -> Page:
        self.page.goto(path)
        return self.page

    def close(self) -> None:
        self._context.close()

    # --- Checks of a page --------------------------------------------------------------------

    def axe_finds(self, only: dict[str, Any] = STRICT) -> list[str]:
        """The problems that axe finds, a line for each element."""
        self.page.evaluate(COME_TO_REST)
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        options = {"runOnly": only, "resultTypes": ["violations"]}
        run = "async (options) => (await axe.run(options)).violations"
        found = self.page.evaluate(run, options)
        return [
            f"{rule['id']}: {node['html'][:200]} ({node['failureSummary']})"
            for rule in found
            for node in rule["nodes"]
        ]

    def finds_for_everybody(
        self, paths: Iterable[str], rules: dict[str, Any] = WCAG, looks: Sequence[Look] = LOOKS
    ) -> list[str]:
        """The problems that axe finds on these pages, in each of these looks.

        An open page follows its reader's change of the scheme, so it is loaded once.
        """
        findings: list[str] = []
        for path in paths:
            self._look(*looks[0])
            self.go(path).wait_for_load_state("networkidle")
            findings += [f"{path}, {found}" for found in self.finds_in(looks, rules)]
        return findings

    def finds_in(self, looks: Iterable[Look], rules: dict[str, Any]) -> list[str]:
        """The problems that axe finds on the open page at these widths and in these schemes."""
        findings: list[str] = []
        for width, scheme in looks:
            self._look(width, scheme)
            found = self.axe_finds(rules)
            if self.sideways() > 0:
                found.append("can be scrolled sideways")
            findings += [f"{width}, {scheme}: {finding}" for finding in found]
        return findings

    def _look(self, width: int, scheme: Scheme) -> None:
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)

    def sideways(self) -> int:
        """How many pixels the page can be scrolled sideways."""
        root = "document.documentElement"
        return int(self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))

    def _complain(self, what: str) -> None:
        self.complaints.append(f"{self.page.url}: {what}")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not FORGIVEN.match(message.text):
            self._complain(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if request.url.startswith(("data:", "blob:")):
            return
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self._complain(f"asks another host: {request.url}")

    def _answered(self, response: Response) -> None:
        self.loaded.append(response)
        if response.status >= 500:
            self._complain(f"{response.status} from {response.url}")


def fill_in_recipient(page: Page, **instead: str) -> None:
    """Fill in the fields that the checkout's form has."""
    for field, words in (RECIPIENT | instead).items():
        box = page.locator(f"#id_{field}")
        if words and box.count() and field == "country":
            box.select_option(words)
        elif words and box.count():
            box.fill(words)
