"""Buyers who order again and again, and note what went wrong."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.support.visitor import Visitor, order_number

READING = 1.0  # seconds between two rounds; without them few buyers would be a load test
ASSET = re.compile(r'(?:href|src)="([^"#]*/static/[^"#]+)["#]')


@dataclass
class Noted:
    """What all of them saw. `failed`: requests without a proper answer; `missing`: static files
    that a page named and nobody had; `placed`: the numbers of orders, as they were answered.
    """

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    placed: list[str] = field(default_factory=list)


class Shopper(threading.Thread):
    """Looks at the catalogue, orders one product and looks at the order, until told to stop.

    Presses a button once: a request that fails is noted, and the next round begins.
    """

    def __init__(self, browser: Visitor, product: str, noted: Noted, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._browser = browser
        self._product = product
        self._noted = noted
        self._over = over

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self._round()
                self._over.wait(READING)
            except httpx.RequestError as error:
                asked = error.request
                self._noted.failed.append(f"{asked.method} {asked.url.path}: {error!r}")
                self._over.wait(0.2)
            except AssertionError as error:  # the visitor's: an answer that is none
                self._noted.failed.append(str(error)[:200])
                self._over.wait(0.2)

    def _round(self) -> None:
        self._look(self._browser.get("/catalog/"))
        self._look(self._browser.put_in_cart(self._product))
        answer = self._browser.send(self._browser.checkout())
        number = order_number(answer)
        self._noted.placed.append(number)
        self._look(self._browser.get(f"/orders/{number}/"))
        self._noted.requests += 6

    def _look(self, page: httpx.Response) -> None:
        """Fetch what the page names, as a browser with an empty cache does, once for each name."""
        assert page.status_code == 200, f"GET {page.request.url.path} answered {page.status_code}"
        for address in set(ASSET.findall(page.text)) - self._noted.found:
            answer = self._browser.get(address)
            self._noted.requests += 1
            (self._noted.found if answer.status_code == 200 else self._noted.missing).add(address)


def shopping(
    browsers: Sequence[Visitor], product: str, noted: Noted, over: threading.Event
) -> list[Shopper]:
    """Send each browser shopping. They end after `over` is set."""
    shoppers = [Shopper(browser, product, noted, over) for browser in browsers]
    for shopper in shoppers:
        shopper.start()
    return shoppers
