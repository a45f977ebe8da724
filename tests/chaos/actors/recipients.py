"""Recipients who are asked by a link where to send something. Some answer, twice at once; others
ignore the letter, until it is too late.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import httpx

from tests.chaos.actors.at_work import AtWork
from tests.chaos.actors.people import PATIENCE, PAUSE
from tests.support.mailbox import Mailbox
from tests.support.visitor import RECIPIENT
from tests.support.waiting import all_at_once

ANSWERS = "answers-"  # how the address of somebody begins who will answer
LINK = re.compile(r"https?://[^/\s]+(/for-you/[\w-]+/)")
TAKEN, LATER = 303, 500  # statuses: the answer counts; no answer


@dataclass
class Links:
    """What became of the links. `taken`: names whose answer counts, by link; `tried`: all names
    with which a link was answered; `ignored`: links that nobody answers in time.
    """

    taken: dict[str, list[str]] = field(default_factory=dict)
    tried: dict[str, list[str]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)

    @property
    def tokens(self) -> set[str]:
        return {link.split("/")[2] for link in (*self.tried, *self.ignored)}


class Recipients(AtWork):
    """Reads the letters as they come."""

    def __init__(self, mailbox: Mailbox, url: str, links: Links) -> None:
        super().__init__()
        self._mailbox = mailbox
        self._url = url
        self._links = links
        self._read = 0

    def run(self) -> None:
        while not self._over.is_set():
            for recipient, link in self._new():
                if recipient.startswith(ANSWERS):
                    self._answer(link)
                else:
                    self._links.ignored.add(link)
            self._over.wait(PAUSE)

    def _new(self) -> Iterator[tuple[str, str]]:
        """Who got a letter with a link since the last look, and the link."""
        letters = list(self._mailbox.letters)
        fresh, self._read = letters[self._read :], len(letters)
        for letter in fresh:
            body = letter.get_body(("plain",))
            found = LINK.search(body.get_content() if body else "")
            if found:
                yield str(letter["To"]), found[1]

    def _answer(self, link: str) -> None:
        """Open the link, as a mail scanner does too, then press twice until there is an answer."""
        names = [f"Answer {uuid.uuid4()}" for _ in range(2)]
        self._links.tried.setdefault(link, []).extend(names)
        visit(self._url, link)
        until = time.monotonic() + 4 * PATIENCE
        while time.monotonic() < until and not self._over.is_set():
            statuses = all_at_once([partial(visit, self._url, link, name) for name in names])
            taken = [name for name, said in zip(names, statuses, strict=True) if said == TAKEN]
            self._links.taken.setdefault(link, []).extend(taken)
            if all(said < LATER for said in statuses):
                return


def visit(url: str, link: str, name: str = "") -> int:
    """Open a link, or answer with this name. Returns the status, LATER for no answer."""
    said = {**RECIPIENT, "recipient_name": name}
    # Each recipient is at home elsewhere, for one place may open only so many links.
    here = uuid.uuid4().bytes
    home = httpx.HTTPTransport(local_address=f"127.{here[0] % 200 + 10}.{here[1]}.{here[2] or 1}")
    try:
        with httpx.Client(base_url=url, transport=home, timeout=PATIENCE, trust_env=False) as one:
            return (one.post(link, data=said) if name else one.get(link)).status_code
    except httpx.HTTPError:
        return LATER
