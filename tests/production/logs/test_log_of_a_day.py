"""A day of the demo, through everything that production has: no line of any process tells an address,
an e-mail, a code or a token, in any format.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import override_settings
from pytest_django.plugin import DjangoDbBlocker

from accounts.access.factors.codes import code_now
from accounts.models import User
from catalog.models import Product
from fulfillment.models import VirtualCode
from loyalty_portal.configuration.logs import FORMATS
from operations.demo.people import APP_SECRET, MARA, PASSWORD, PRIYA, STAFF, SUPERUSER
from redemption.models import Letter, RedemptionOrder
from tests.chaos.actors.house import own_postgres
from tests.production.haproxy.balancer import HAPROXY
from tests.production.logs.day.people import SECONDS, Caller, Day, Person
from tests.production.logs.day.wanted import Wanted
from tests.production.stack import Production
from tests.support.daemons import ROOT
from tests.support.reverse_proxy import NGINX
from tests.support.visitor import order_number
from tests.support.waiting import eventually

pytestmark = pytest.mark.long

SOFIA, DANIEL, CLAIRE = (f"{name}@haldenmoore.example" for name in ("sofia", "daniel", "claire"))
API_KEY = re.compile(r"lrp_(?:live|test)_[0-9A-Za-z]{36}")
WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
# Variables of the processes that are secrets.
SECRETS = re.compile(r"SECRET|KEY|PASSWORD|TOKEN")


@dataclass
class Told:
    """What all processes wrote, by the name of the file."""

    files: dict[str, str]
    wanted: Wanted
    failed: list[str]


class Demo(Production):
    """With the demo's people, products and orders, which come before the worker and the sweeper."""

    _is_seeded = False

    def _variables(self) -> dict[str, str]:
        lines = self.folder / "lines"
        lines.mkdir()
        variables = super()._variables()
        return variables | {
            "DJANGO_SETTINGS_MODULE": "tests.production.logs.day.every_format",
            "PYTHONPATH": str(ROOT),
            "ALL_LINES": str(lines),
            "LOG_FORMAT": "ecs",
            "ALERT_EMAILS": "on-call@typed.example",
            "SMS_URL": variables["LOYALTY_API_URL"].replace("loyalty", "sms"),
            "SMS_KEY": secrets.token_urlsafe(),
        }

    def mend(self) -> None:
        if not self._is_seeded:
            self.manage("seed_demo", DEBUG="true")
            self._is_seeded = True
        super().mend()


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if not HAPROXY or not NGINX:
        pytest.skip("haproxy or nginx is missing (Debian: apt install haproxy nginx-light)")
    with (
        own_postgres("day") as postgres,
        Demo(tmp_path_factory.mktemp("day"), postgres) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def told(production: Production, django_db_blocker: DjangoDbBlocker) -> Told:
    """The day."""
    keys = production.variables["FIELD_ENCRYPTION_KEYS"].split(",")
    wanted = Wanted()
    day = Day(production, wanted)
    with (
        django_db_blocker.unblock(),
        production.as_default(),
        override_settings(FIELD_ENCRYPTION_KEYS=keys),
    ):
        mornings(day)
        failed = walks(day)
        wanted.add_rows()
    for name, value in production.variables.items():
        if SECRETS.search(name) and not Path(value).exists():
            wanted.add("secret", *value.split(","))
        wanted.add("secret", urlsplit(value).password or "")
    wanted.add("secret", PASSWORD, APP_SECRET)
    files = {file.name: file.read_text(errors="replace") for file in logs(production.folder)}
    return Told(files, wanted, failed)


def logs(folder: Path) -> list[Path]:
    """What the processes write, and each line in all formats."""
    found = [*folder.glob("*.log"), *folder.glob("lines/*.log"), *folder.glob("sandbox/*.log")]
    assert {file.stem for file in found} >= {*FORMATS, "haproxy", "beat", "machine1-web"}
    return found


def mornings(day: Day) -> None:
    """What each role does, by the pages that are there for it."""
    for what in (
        a_gift, an_address_by_a_link, an_approval, an_invitation, a_reset, an_app, a_system, strangers,
        a_page_that_breaks, a_letter_that_cannot_be_written,
    ):  # fmt: skip
        what(day)


def walks(day: Day) -> list[str]:
    """Everybody looks at all that they may see, and sends each form. Returns which pages broke."""
    failed = []
    for email in (PRIYA, DANIEL, CLAIRE, MARA):
        failed += walked(Person(day, email), "/")
    for email in (*STAFF, SUPERUSER[0]):
        failed += walked(Person(day, email), "/admin/")
    return failed


def walked(person: Person, start: str) -> list[str]:
    person.walk(start)
    return person.failed


def redeem(person: Person, product: Product, pieces: int = 1, **more: str) -> RedemptionOrder:
    person.browser.put_in_cart(product.get_absolute_url(), pieces)
    form = person.browser.checkout()
    for name in ("recipient_name", "recipient_email", "recipient_phone", "address_line1", "note"):
        if name in form.fields:
            form.fields[name] = person.day.typed(name)
    number = order_number(person.browser.send(form, **more))
    return RedemptionOrder.objects.get(order_number=number)


def the(kind: str) -> Product:
    """A product that may be redeemed."""
    return next(
        iter(
            Product.objects.filter(product_type=kind, stock_status="IN_STOCK").order_by(
                "points_cost"
            )
        )
    )


def is_at(order: RedemptionOrder, status: str) -> None:
    def look() -> bool:
        order.refresh_from_db()
        return order.status == status

    eventually(look, f"the order is {status}, not {order.status}", within=SECONDS)


def a_gift(day: Day) -> None:
    """A code by e-mail, which the buyer looks at; the balance is asked, words are searched."""
    priya = Person(day, PRIYA)
    priya.get(f"/catalog/?q={day.typed('q')}")
    order = redeem(priya, the("VIRTUAL"))
    is_at(order, "COMPLETED")
    item = order.items.get()
    page = priya.fill(f"/orders/{order.order_number}/", f"/codes/{item.pk}/")
    code = VirtualCode.objects.filter(fulfillment__reference=item.pk).first()
    assert code
    assert str(code.code) in page.text
    priya.fill(f"/orders/{order.order_number}/", "/ask/", text=day.typed("text"))


def an_address_by_a_link(day: Day) -> None:
    jonas = Person(day, "jonas@northwind.example")
    address = day.typed("email")
    jonas.browser.put_in_cart(the("PHYSICAL").get_absolute_url())
    form = jonas.browser.checkout()
    form.fields |= dict.fromkeys(
        ("address_line1", "city", "postcode", "country", "recipient_phone"), ""
    )
    said = {"recipient_name": day.typed("name"), "recipient_email": address, "asks": "on"}
    order_number(jonas.browser.send(form, **said))
    link = day.link(address, "/for-you/")
    recipient = Person(day)
    page = recipient.get(link)
    theirs = {name: day.typed(name) for name in ("address_line1", "recipient_phone")}
    home = {"city": "Berlin", "postcode": "10115", "country": "DE", **theirs}
    done = recipient.browser.send(recipient.browser.form(page, page.url.path), **home)
    assert done.headers.get("location") == "/for-you/done/", done.text
    recipient.note_cookies()


def an_approval(day: Day) -> None:
    sofia, daniel = Person(day, SOFIA), Person(day, DANIEL)
    first, second = (redeem(sofia, the("PHYSICAL"), 30) for _ in range(2))
    assert first.status == second.status == "AWAITING_APPROVAL"
    daniel.fill(f"/orders/{first.order_number}/", "/approve/")
    daniel.fill(f"/orders/{second.order_number}/", "/reject/", reason=day.typed("reason"))
    is_at(first, "CONFIRMED")
    is_at(second, "REJECTED")


def an_invitation(day: Day) -> None:
    claire = Person(day, CLAIRE)
    address, password = day.typed("email"), day.typed("password") + "-long-enough"
    claire.fill("/people/", "/people/invite/", email=address, role="buyer")
    link = day.link(address, "/invitations/")
    newcomer = Person(day)
    page = newcomer.get(link)
    form = newcomer.browser.form(page, page.url.path)
    said = {"name": day.typed("name"), "password1": password, "password2": password}
    assert newcomer.browser.send(form, **said).status_code == 303
    newcomer.note_cookies()
    assert User.objects.filter(email=address).exists()


def a_reset(day: Day) -> None:
    """Somebody has forgotten their password; then they add an app, and take recovery codes."""
    felix = "felix@haldenmoore.example"
    password = day.typed("password") + "-long-enough"
    stranger = Person(day)
    for email in (day.typed("email"), felix):
        stranger.fill("/accounts/password/reset/", "/accounts/password/reset/", email=email)
    page = stranger.get(day.link(felix, "/accounts/password/reset/key/"))
    form = stranger.browser.form(page, page.url.path)
    stranger.browser.send(form, password1=password, password2=password)
    owner = Person(day, felix, password)
    page = owner.get("/accounts/2fa/totp/activate/")
    found = re.search(r'id="app-secret">([A-Z2-7]+)<', page.text)
    assert found, page.text
    day.wanted.add("secret", found[1])
    form = owner.browser.form(page, "/accounts/2fa/totp/activate/")
    codes = owner.browser.follow(owner.browser.send(form, code=code_now(found[1])))
    recovery = re.findall(r"^\s*(\d{8})\s*$", re.sub(r"<[^>]+>", "\n", codes.text), re.MULTILINE)
    assert len(recovery) == 10, codes.text
    day.wanted.add("secret", *recovery)
    owner.note_cookies()


def an_app(day: Day) -> None:
    """A person signs in over the API, with wrong words first."""
    app = Caller(day, "")
    who = {"email": "tomasz@northwind.example", "password": PASSWORD}
    wrong = {"email": day.typed("email"), "password": day.typed("password")}
    assert app.call("POST", "/api/auth/login", wrong).status_code == 400
    answer = app.call("POST", "/api/auth/login", who)
    assert answer.status_code == 200, answer.text
    access, refresh = (answer.json()["meta"][f"{name}_token"] for name in ("access", "refresh"))
    assert Caller(day, access).call("GET", "/api/v1/me").status_code == 200
    answer = Caller(day, access).call(
        "POST", "/api/auth/tokens/refresh", {"refresh_token": refresh}
    )
    next_ones = answer.json()["data"]
    day.wanted.add("secret", refresh, next_ones["access_token"], next_ones["refresh_token"])


def a_system(day: Day) -> None:
    """A company's system orders with a key, and is told of what changes."""
    mara = Person(day, MARA)
    mara.fill("/profile/", "/profile/texts/", number=day.typed("phone"))
    page = mara.get("/company/keys/new/")
    form = mara.browser.form(page, "/company/keys/new/")
    scopes: Any = ["catalog:read", "orders:read", "orders:write"]
    made = mara.browser.send(form, name="SAP", role="buyer", life="365", scopes=scopes)
    assert made.status_code == 201, made.text
    [secret] = set(API_KEY.findall(made.text))
    page = mara.get("/company/webhooks/new/")
    form = mara.browser.form(page, "/company/webhooks/new/")
    events: Any = ["order.confirmed", "order.completed"]
    hook = f"https://{day.typed('host')}.example/{day.typed('path')}"
    mara.browser.send(form, url=hook, events=events)
    mara.note_cookies()
    system = Caller(day, secret)
    recipient = {
        "name": day.typed("name"), "email": day.typed("email"), "phone": day.typed("phone"),
        "address_line1": day.typed("line"), "city": "Berlin", "postcode": "10115", "country": "DE",
    }  # fmt: skip
    product = the("PHYSICAL")
    lines = [{"sku": product.sku, "quantity": 1, "recipient": recipient}]
    order = {"lines": lines, "expected_points": product.points_cost}
    key = day.typed("key")
    answer = system.call("POST", "/api/v1/orders", order, **{"Idempotency-Key": key})
    assert answer.status_code in {201, 202}, answer.text
    for path in (
        "me",
        "products",
        "orders",
        "points",
        f"products?q={day.typed('q')}",
        "no-such",
    ):
        system.call("GET", f"/api/v1/{path}")
    system.call(
        "POST", "/api/v1/orders", f'{{"lines": "{day.typed("broken")}"', **{"Idempotency-Key": "x"}
    )
    Caller(day, f"lrp_live_{secrets.token_hex(18)}").call("GET", "/api/v1/me")


def strangers(day: Day) -> None:
    """Wrong links, forms and callbacks, and headers of people's own."""
    nobody = Person(day)
    for path in (
        "/for-you/",
        "/invitations/",
        "/accounts/password/reset/key/1-",
        "/catalog/?q=",
        "/?next=",
    ):
        nobody.browser.get(f"{path}{day.typed('link')}/")
    # The balancer tells the path of what is no link of a letter.
    for path in ("/orders/no-such/", "/catalog/no-such/", "/no-such", "/admin/no-such/"):
        nobody.browser.get(path)
    for path in ("/for-you/", "/accounts/password/reset/key/1-", "/webhooks/fulfillment/?"):
        nobody.browser._browser.post(f"{path}{day.typed('link')}/", content=day.typed("body"))
    headers = {
        "X-Request-Id": f"{day.typed('id')}@typed.example",
        "traceparent": day.typed("trace"),
        "X-Forwarded-For": day.typed("address"),
        "Cookie": f"sessionid={day.typed('session')}",
        "Authorization": f"Bearer {day.typed('token')}",
        "Referer": f"https://127.0.0.1/?{day.typed('referer')}",
        "User-Agent": day.typed("agent"),
        "webhook-id": day.typed("id"),
        "webhook-signature": f"v1,{day.typed('signature')}",
    }
    nobody.browser._browser.get("/", headers=headers)
    nobody.browser._browser.post("/webhooks/fulfillment/", content=b"{}", headers=headers)


def a_page_that_breaks(day: Day) -> None:
    """PostgreSQL refuses a row, whose values it tells with the error."""
    mara = Person(day, MARA)
    page = mara.get("/company/addresses/new/")
    form = mara.browser.form(page, "/company/addresses/new/")
    said = {
        name: day.typed(name) for name in ("recipient_name", "recipient_phone", "address_line1")
    }
    said |= {"city": "Berlin", "postcode": "10115", "country": "DE", "label": day.typed("label")}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_address ADD CONSTRAINT broken CHECK (false) NOT VALID")
        try:
            broken = mara.browser._browser.post(form.action, data=form.fields | said)
        finally:
            cursor.execute("ALTER TABLE accounts_address DROP CONSTRAINT broken")
    assert broken.status_code == 500, broken.text


def a_letter_that_cannot_be_written(day: Day) -> None:
    letter = Letter.objects.filter(sent_at__isnull=False).latest("created_at")
    broken = Letter.objects.create(order=letter.order, kind="no-such", key="broken", to=letter.to)
    eventually(lambda: Letter.objects.get(pk=broken.pk).raised, "it is tried", within=SECONDS)


def test_no_line_tells_a_person_a_code_or_a_secret(told: Told) -> None:
    found = {name: told.wanted.found_in(text) for name, text in told.files.items()}
    assert {name: values for name, values in found.items() if values} == {}


def test_each_process_wrote_lines_and_each_request_has_one_in_each_format(told: Told) -> None:
    """What nobody writes tells nothing either."""
    for name in (
        f"machine{number}-{each}"
        for number in (1, 2)
        for each in ("web", "api", "worker", "sweeper")
    ):
        assert told.files[f"{name}.log"], name
    for style in FORMATS:
        assert (
            told.files[f"{style}.log"].count("duration_ms" if style != "ecs" else "event.duration")
            > 500
        )
        for word in ("IntegrityError", "TemplateDoesNotExist", "partner call"):
            assert word in told.files[f"{style}.log"], (style, word)


def test_whatever_a_line_told_would_be_found(told: Told) -> None:
    """The control: one value of each kind, as a line would have it."""
    kinds = {"e-mail", "name", "phone", "street", "code", "secret", "session", "typed", "link"}
    assert told.wanted.kinds.keys() == kinds
    for kind, values in told.wanted.kinds.items():
        assert len(values) > 2, kind
        for value in sorted(values)[:3]:
            line = json.dumps({"message": f"sent to {value} at once"})
            assert value in told.wanted.found_in(line)[kind]


def test_no_page_broke(told: Told) -> None:
    assert told.failed == []
