"""The people and systems of the demo's day. Each notes what it types and is given, so that no line has it."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from itertools import count
from secrets import token_hex, token_urlsafe
from urllib.parse import urlencode

import httpx

from accounts.access.factors.codes import code_now
from operations.demo.people import APP_SECRET, PASSWORD
from tests.production.logs.day.wanted import Wanted
from tests.production.stack import Production
from tests.support.mailbox import Mailbox
from tests.support.visitor import Form, Visitor, forms_of
from tests.support.waiting import eventually

SECONDS = 120.0  # on a busy machine
LINKS = re.compile(r'(?:href|hx-get)="(/[^"#]*)"')
# Not walked: files, and what would end the walk or take the person's rights away.
LEFT_OUT = re.compile(
    r"logout|^/static/|^/brand|^/catalog/(artwork|pictures)|password|/off/|/end|2fa|see-as|/jsi18n"
)
ANY_ROW = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|R-[\w-]+|\d+")
PAGES_OF_A_PERSON = 30
MISTAKES = 3  # wrong passwords on a day
ALIKE = 2  # addresses of one kind that a walk looks at
_numbers = count(100_000)


class Person:
    """A browser of somebody. Everything typed in is wanted, and every cookie."""

    def __init__(self, day: Day, email: str = "", password: str = PASSWORD) -> None:
        self.day = day
        self.email = email
        self.browser: Visitor = day.production.visitor()
        self.failed: list[str] = []
        if email:
            self.sign_in(password)

    def sign_in(self, password: str) -> None:
        """With the second step where the person has one, after a wrong code. Some mistype their
        password: all come from one address, which may not often.
        """
        wrong = [token_urlsafe(12)] if next(self.day.mistakes) < MISTAKES else []
        self.day.wanted.add("secret", *wrong, password)
        for attempt in (*wrong, password):
            page = self.browser.sign_in(self.email, attempt)
        while page.url.path == "/accounts/2fa/authenticate/":
            for code in ("000000", code_now(APP_SECRET)):
                form = self.browser.form(page, "/accounts/2fa/authenticate/")
                page = self.browser.follow(self.browser.send(form, code=code))
        if page.url.path == "/accounts/2fa/trust/":
            form = self.browser.form(page, "/accounts/2fa/trust/")
            page = self.browser.follow(self.browser.send(form, action="skip"))
        assert page.status_code == 200, (self.email, page.url)
        assert page.url.path != "/accounts/login/", self.email
        self.note_cookies()

    def note_cookies(self) -> None:
        cookies = dict(self.browser._browser.cookies)
        self.day.wanted.add("session", *cookies.values())

    def get(self, path: str) -> httpx.Response:
        return self.browser.follow(self.browser.get(path))

    def fill(self, path: str, action: str, **typed: str) -> httpx.Response:
        """Open the page at `path`, and send its form to `action`."""
        page = self.get(path)
        return self.browser.send(self.browser.form(page, action), **typed)

    def walk(self, start: str) -> None:
        """Look at the pages that links lead to, and send each form once, filled with words that are
        found nowhere else.
        """
        due, seen, alike = deque([start]), {start}, Counter[str]()
        sent: set[tuple[str, ...]] = set()
        for _ in range(PAGES_OF_A_PERSON):
            if not due:
                break
            page = self._look(due.popleft())
            for link in LINKS.findall(page.text):
                path = link.replace("&amp;", "&")
                kind = ANY_ROW.sub("*", path.partition("?")[0])
                kind = re.sub(r"^/catalog/[^/]+/$", "/catalog/*/", kind)
                if path in seen or LEFT_OUT.search(path) or alike[kind] >= ALIKE:
                    continue
                alike[kind] += 1
                seen.add(path)
                due.append(path)
            for form in forms_of(page):
                action = form.action or page.url.path
                kinds = (ANY_ROW.sub("*", action.partition("?")[0]), *sorted(form.fields))
                if kinds in sent or LEFT_OUT.search(action) or not action.startswith("/"):
                    continue
                sent.add(kinds)
                self._send(form, action)
        self.note_cookies()

    def _look(self, path: str) -> httpx.Response:
        page = self.browser._browser.get(path)
        while page.is_redirect and page.headers["location"].startswith("/"):
            page = self.browser._browser.get(page.headers["location"])
        self._judge(page)
        return page

    def _send(self, form: Form, action: str) -> None:
        fields = {name: value or self.day.typed(name) for name, value in form.fields.items()}
        if form.method == "get":
            self._look(f"{action.partition('?')[0]}?{urlencode(fields)}")
        else:
            self._judge(self.browser._browser.post(action, data=fields))

    def _judge(self, answer: httpx.Response) -> None:
        if answer.status_code == 500:
            self.failed.append(f"{answer.request.method} {answer.url.path}: {answer.status_code}")


class Day:
    """What all share: the portal, the mailbox, and what is wanted."""

    def __init__(self, production: Production, wanted: Wanted) -> None:
        self.production = production
        self.wanted = wanted
        self.mailbox: Mailbox = production.mailbox
        self.mistakes = count()

    def typed(self, name: str) -> str:
        """Something new for a field of this name."""
        word = f"zq{next(_numbers)}{token_hex(2)}"
        if "email" in name:
            word = f"{word}@typed.example"
        elif "phone" in name or name == "number":
            word = f"+49170{next(_numbers)}"
        self.wanted.add("typed", word)
        return word

    def link(self, address: str, path: str) -> str:
        """The path of the link in the newest letter to this address, whose last part is a secret."""
        pattern = re.compile(rf"https?://[^/\s]+({path}[^\s/]+/?)")

        def find() -> list[str]:
            theirs = [each for each in self.mailbox.letters if str(each["To"]) == address]
            bodies = [each.get_body(("plain",)) for each in theirs]
            return [link for body in bodies if body for link in pattern.findall(body.get_content())]

        link = eventually(find, f"a letter to {address} with {path}", within=SECONDS)[-1]
        self.wanted.add("link", link.removeprefix(path).strip("/"))
        return link


class Caller:
    """A program that calls the API with a key or a token."""

    def __init__(self, day: Day, secret: str) -> None:
        self.day = day
        self.secret = secret
        day.wanted.add("secret", secret, secret[9:])

    def call(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        told = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        content = body if isinstance(body, str) or body is None else json.dumps(body)
        address = self.day.production.url + path
        told |= {"Content-Type": "application/json", **headers}
        with httpx.Client(verify=self.day.production.tls, trust_env=False, timeout=60) as client:
            return client.request(method, address, content=content, headers=told)
