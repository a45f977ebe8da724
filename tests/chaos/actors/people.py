"""Buyers and approvers with browsers. They press again without an answer, and record answers."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, PriorityQueue
from typing import TypeVar
from uuid import UUID

import httpx

from tests.chaos.actors.at_work import AtWork
from tests.chaos.plan import Errand
from tests.support.visitor import RECIPIENT, Form, Visitor, forms_of
from tests.support.waiting import all_at_once

Answered = TypeVar("Answered")

PATIENCE = 6.0  # seconds to wait for an answer before pressing again
PERSISTENCE = 90.0  # seconds of pressing again before giving up
PAUSE = 0.25  # seconds between two presses
TRY_AGAIN = "Press the button again"
HEADING = "Nothing was ordered, and no points were taken"
REVIEWED = re.compile(r"<dt>(\d+) × ([^<]+?)\s*<")
# For each message after a decision (a pattern), the statuses in which the order may end. The page
# also shows what cancelling would do; only real results name points.
PROMISES = {
    "The order is withdrawn. No points were taken.": {"REJECTED"},
    "Not approved. No points were taken.": {"REJECTED"},
    r"The whole order is cancelled. [\d,]+ points": {"CANCELLED"},
    "The order is being cancelled. Points that were already taken are given back.": {"CANCELLED"},
}


class NoAnswerError(Exception):
    """No connection, no answer in time, or an error page: the person learned nothing."""


class Person(Visitor):
    """A signed-in person. Anything that is no answer raises NoAnswerError."""

    def __init__(self, base_url: str, cookies: Mapping[str, str]) -> None:
        super().__init__(base_url, cookies)
        self.loses_patience_after(PATIENCE)

    def get(self, path: str) -> httpx.Response:
        try:
            return super().get(path)
        except httpx.HTTPError as error:
            raise NoAnswerError(repr(error)) from error

    def send(self, form: Form, **filled: str) -> httpx.Response:
        try:
            return super().send(form, **filled)
        except httpx.HTTPError as error:
            raise NoAnswerError(repr(error)) from error

    def hand_in(self, form: Form, name: str, data: bytes) -> httpx.Response:
        """Submit a form with a file of this name."""
        try:
            sent = self._browser.post(form.action, data=form.fields, files={"file": (name, data)})
        except httpx.HTTPError as error:
            raise NoAnswerError(repr(error)) from error
        return self._check(sent)

    @staticmethod
    def _check(answer: httpx.Response) -> httpx.Response:
        if answer.status_code >= 500:
            raise NoAnswerError(f"{answer.status_code} {answer.request.url.path}")
        return answer


@dataclass
class Told:
    """What one buyer was told about one form. `lines` has product names and pieces."""

    company: str
    token: str
    lines: dict[str, int]
    numbers: set[str] = field(default_factory=set)
    refusal: str = ""
    unanswered: int = 0


@dataclass
class Record:
    """What all people were told. `strange` lists pages that nobody should see.

    `over`: everybody stops.
    """

    told: list[Told] = field(default_factory=list)
    promises: list[tuple[str, str]] = field(default_factory=list)  # order number, sentence
    strange: list[str] = field(default_factory=list)
    pages: int = 0
    silences: int = 0
    answers: dict[UUID, str] = field(default_factory=dict)  # names that counted, by line
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def placed(self) -> int:
        """The number of forms of which somebody was told that they became an order."""
        return sum(bool(told.numbers) for told in self.told)

    @property
    def refusals(self) -> Counter[str]:
        """The reasons for refused forms, without product names."""
        return Counter(_kind(told.refusal) for told in self.told if told.refusal)

    def insist(self, deed: Callable[[], Answered]) -> Answered | None:
        """Repeat `deed` until there is an answer, and return it; None after giving up."""
        until = time.monotonic() + PERSISTENCE
        while time.monotonic() < until and not self.over.is_set():
            try:
                answer = deed()
            except NoAnswerError:
                self.silences += 1
                self.over.wait(PAUSE)
            else:
                self.pages += 1
                return answer
        return None

    def look(self, person: Person, answer: httpx.Response | None) -> httpx.Response | None:
        """Follow redirects until there is a page."""
        while answer is not None and answer.is_redirect:
            path = answer.headers["location"]
            answer = self.insist(partial(person.get, path))
        if answer is not None and (
            answer.status_code not in {200, 422} or "/accounts/login" in answer.url.path
        ):
            self.strange.append(f"{answer.request.method} {answer.url.path}: {answer.status_code}")
            return None
        return answer


class Buyer:
    """Runs errands. `products` maps numbers to names and paths."""

    def __init__(
        self, person: Person, company: str, products: list[tuple[str, str]], record: Record
    ) -> None:
        self.person = person
        self._company = company
        self._products = products
        self._record = record

    def run(self, errand: Errand) -> Told | None:
        """Press one form until it is answered. Returns None when there was no form to press."""
        insist, person = self._record.insist, self.person
        if not self._empty_cart():
            return None
        for product, pieces in errand.basket:
            path = self._products[product][1]
            page = insist(partial(person.get, path))
            if page is None or page.status_code != 200:
                return None
            adding = [form for form in forms_of(page) if form.action.endswith("/cart/add/")]
            if adding:  # a sold-out product has no such form
                insist(partial(person.send, adding[0], quantity=str(pieces)))
        page = insist(lambda: person.get("/checkout/"))
        if page is None or page.status_code != 200:
            return None
        form = person.form(page, "/checkout/")
        form.fields |= {name: said for name, said in RECIPIENT.items() if name in form.fields}
        told = Told(self._company, form.fields["token"], _reviewed(page))
        self._press(form, errand.presses, told)
        return told

    def _empty_cart(self) -> bool:
        """Remove what a failed errand left in the cart."""
        while True:
            page = self._record.insist(lambda: self.person.get("/cart/"))
            if page is None or page.status_code != 200:
                return False
            out = [form for form in forms_of(page) if form.action.endswith("/remove/")]
            if not out:
                return True
            self._record.insist(partial(self.person.send, out[0]))

    def _press(self, form: Form, presses: int, told: Told) -> None:
        """Press so often at once, then again and again until there is an answer."""
        with_pauses = self._record.insist
        self._record.told.append(told)
        if presses > 1:
            all_at_once([lambda: self._pressed(form, told)] * presses)
        while not told.numbers and not told.refusal:
            if with_pauses(lambda: self._pressed(form, told) or _no_answer()) is None:
                return
        for number in list(told.numbers):
            self._record.look(
                self.person,
                with_pauses(partial(self.person.get, f"/orders/{number}/")),
            )

    def _pressed(self, form: Form, told: Told) -> bool:
        """Press once. Returns whether there was an answer."""
        try:
            answer = self.person.send(form)
        except NoAnswerError:
            told.unanswered += 1
            return False
        there = answer.headers.get("location", "")
        if answer.status_code == 303 and there.startswith("/orders/"):
            told.numbers.add(there.split("/")[2])
        elif answer.status_code == 303 and there == "/cart/":
            told.refusal = "the cart is empty"
        elif answer.status_code == 422 and TRY_AGAIN in answer.text:
            told.unanswered += 1
            return False
        elif answer.status_code == 422:
            told.refusal = _problem(answer.text)
        else:
            self._record.strange.append(f"POST /checkout/: {answer.status_code} {there}")
            told.refusal = "?"
        return True


def promised(number: str, text: str) -> list[tuple[str, str]]:
    """The promises about the order with this number that a text makes."""
    return [(number, sentence) for sentence in PROMISES if re.search(sentence, text)]


def _no_answer() -> bool:
    raise NoAnswerError


def _reviewed(page: httpx.Response) -> dict[str, int]:
    """The pieces by product name that the checkout shows."""
    return {name: int(pieces) for pieces, name in REVIEWED.findall(page.text)}


def _problem(text: str) -> str:
    found = re.search(r'role="alert"[^>]*>(.*?)</div>', text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split())[:200] if found else "refused"


def _kind(refusal: str) -> str:
    """The first sentence of a refusal, without heading and product names."""
    sentence = refusal.removeprefix(HEADING).strip().partition(". ")[0]
    return re.sub(r"“[^”]*”|\d[\d,]*", "…", sentence.rstrip("."))


@dataclass(order=True)
class Deed:
    """Something to do to an order at a certain time."""

    when: float  # a time of time.monotonic
    verb: str
    number: str
    company: str = field(compare=False)


class Deciders(AtWork):
    """A person in each company who approves, rejects and cancels orders. `finish` lets them stop when
    everything is decided.
    """

    def __init__(self, people: Mapping[str, Person], record: Record) -> None:
        super().__init__()
        self.deeds: PriorityQueue[Deed] = PriorityQueue()
        self._people = people
        self._record = record

    def ask(self, verb: str, number: str, company: str, after: float) -> None:
        self.deeds.put(Deed(time.monotonic() + after, verb, number, company))

    def run(self) -> None:
        while True:
            try:
                deed = self.deeds.get(timeout=PAUSE)
            except Empty:
                if self._over.is_set():
                    return
                continue
            self._over.wait(0 if self._over.is_set() else max(0.0, deed.when - time.monotonic()))
            self._do(deed)

    def _do(self, deed: Deed) -> None:
        person, record = self._people[deed.company], self._record
        page = record.look(person, record.insist(lambda: person.get(f"/orders/{deed.number}/")))
        forms = forms_of(page) if page is not None else []
        wanted = [form for form in forms if form.action.endswith(f"/{deed.verb}/")]
        if not wanted:
            return  # too late
        reason = {} if deed.verb == "approve" else {"reason": "We changed our minds"}
        answer = record.insist(lambda: person.send(wanted[0], **reason))
        page = record.look(person, answer)
        record.promises += promised(deed.number, page.text if page is not None else "")
