"""`python -m tests.screenshots.pictures URL`: takes each picture from the running demo at this address."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_portal.local.demo_settings")

import django

django.setup()

from django.db.models import Count
from django.test import Client
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from accounts.models import User
from redemption.models import LoyaltyTransaction, RedemptionOrder, TransactionType
from redemption.states import LineStatus, TransactionStatus
from tests.support.embedded_plugin import HOW_TO_GET_CHROMIUM, find_chromium

FOLDER = Path(__file__).resolve().parents[2] / "docs/img"
WHO = "mara@northwind.example"
SCALE = 1.5  # pixels of the picture for one of the page
COLOURS = 256
SCHEMES: dict[Literal["light", "dark"], str] = {"light": "", "dark": "-dark"}


class Picture(NamedTuple):
    """A page as one picture for each scheme: `name`.png and `name`-dark.png."""

    name: str
    path: Callable[[], str]
    height: int  # of the window, in pixels of the page


def _told_order() -> str:
    """The page of an order whose story has most: points taken and given back, and parcels sent."""
    back = LoyaltyTransaction.objects.filter(
        transaction_type=TransactionType.CREDIT, status=TransactionStatus.SUCCEEDED
    )
    orders = RedemptionOrder.objects.filter(
        company__seats__user__email=WHO,
        transactions__in=back,
        items__fulfillment_status=LineStatus.FAILED,
    )
    by_lines = orders.annotate(lines=Count("items__product", distinct=True))
    return by_lines.order_by("-lines", "-created_at")[0].get_absolute_url()


PICTURES = (
    Picture("catalogue", lambda: "/catalog/", 1000),
    Picture("order", _told_order, 1040),
)


def main(url: str) -> None:
    program = find_chromium()
    if not program:
        sys.exit(HOW_TO_GET_CHROMIUM)
    visitor = Client()
    visitor.force_login(User.objects.get(email=WHO), backend="accounts.backends.SeatsBackend")
    session = visitor.cookies["sessionid"].value
    paths = {picture: picture.path() for picture in PICTURES}
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for picture, path in paths.items():
            for scheme, ending in SCHEMES.items():
                file = FOLDER / f"{picture.name}{ending}.png"
                _take(browser, url, session, path, picture.height, scheme, file)
                print(file.relative_to(FOLDER.parents[1]), path)
        browser.close()


def _take(
    browser: Browser,
    url: str,
    session: str,
    path: str,
    height: int,
    scheme: Literal["light", "dark"],
    file: Path,
) -> None:
    context = browser.new_context(
        base_url=url,
        viewport={"width": 1280, "height": height},
        device_scale_factor=SCALE,
        color_scheme=scheme,
        locale="en-GB",
    )
    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page = context.new_page()
    page.goto(path)
    page.wait_for_load_state("networkidle")
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    taken.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    context.close()


if __name__ == "__main__":
    main(sys.argv[1])
