"""Files of many orders: given, confirmed, approved where a threshold asks for it, and placed in the
background, all through the pages.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx

from tests.chaos.actors.at_work import AtWork
from tests.chaos.actors.people import PAUSE, Person, Record
from tests.chaos.plan import Upload
from tests.support.visitor import RECIPIENT, Form, forms_of

HEADER = "SKU;Reference;Name;E-mail;Address;Town;Postcode;Country"
PAGE = re.compile(r"/bulk/[0-9a-f-]{36}/")
IS_LIVE = 'id="progress"'  # it is read or placed


@dataclass
class Handed:
    """A file that was given: the names of its `right` and `wrong` rows, and what was told.

    `decided`: what an approver was told to have done.
    """

    upload: Upload
    company: str
    right: dict[str, str] = field(default_factory=dict)  # name, reference
    wrong: set[str] = field(default_factory=set)
    page: str = ""
    confirmed: bool = False
    decided: str = ""

    def text(self, skus: Sequence[str]) -> bytes:
        """The file. The names of its people are found in no other."""
        where = ";".join(
            RECIPIENT[name] for name in ("address_line1", "city", "postcode", "country")
        )
        lines = [HEADER]
        for product, reference in self.upload.rows:
            name = f"File {uuid.uuid4()}"
            self.right[name] = reference
            lines.append(f"{skus[product]};{reference};{name};{uuid.uuid4()}@home.example;{where}")
        for _number in range(self.upload.wrong):
            name = f"Wrong {uuid.uuid4()}"
            self.wrong.add(name)
            lines.append(f"no such product;{reference};{name};{uuid.uuid4()}@home.example;{where}")
        return "\n".join(lines).encode()


@dataclass
class Files:
    """All files of a run, by the SHA-256 of each."""

    given: dict[str, Handed] = field(default_factory=dict)


class Bulks(AtWork):
    """Gives the files when so many orders were placed, and goes on with each as far as it can. To
    finish, it gives what is left at once, and decides on all of it.

    `buyers` and `approvers`: who gives and who decides in each company, `skus` of the products.
    """

    def __init__(
        self,
        buyers: Mapping[str, Person],
        approvers: Mapping[str, Person],
        skus: Sequence[str],
        uploads: Sequence[Upload],
        record: Record,
    ) -> None:
        super().__init__()
        self.files = Files()
        self._buyers = buyers
        self._approvers = approvers
        self._skus = skus
        self._left = list(uploads)
        self._record = record

    def run(self) -> None:
        open_ones: list[Handed] = []
        while (self._left or open_ones) and not self._record.over.is_set():
            while self._left and (
                self._over.is_set() or self._record.placed >= self._left[0].after
            ):
                open_ones += self._give(self._left.pop(0))
            open_ones = [one for one in open_ones if not self._goes_on(one)]
            if not (open_ones or self._left):
                return
            self._record.over.wait(PAUSE)

    def _give(self, upload: Upload) -> list[Handed]:
        """Give the file until somebody says that it is there. Whoever gets no answer gives it again,
        and is told that it was given before.
        """
        company = list(self._buyers)[upload.company]
        one, person = Handed(upload, company), self._buyers[company]
        data = one.text(self._skus)
        self.files.given[hashlib.sha256(data).hexdigest()] = one
        page = self._record.insist(lambda: person.get("/bulk/"))
        if page is None:
            return []
        form = person.form(page, "/bulk/")
        answer = self._record.insist(partial(person.hand_in, form, "people.csv", data))
        if answer is None:
            return []
        found = PAGE.search(answer.headers.get("location", "") or answer.text)
        if answer.status_code not in {303, 422} or not found:
            self._record.strange.append(f"POST /bulk/: {answer.status_code}")
            return []
        one.page = found[0]
        return [one]

    def _goes_on(self, one: Handed) -> bool:
        """Press what there is to press. Returns whether nothing more is to be done with it."""
        buyer = self._buyers[one.company]
        page = self._look(buyer, one)
        if page is None or IS_LIVE in page.text:
            return page is None and self._record.over.is_set()
        if placing := _form(page, "place"):
            answer = self._record.insist(partial(buyer.send, placing))
            one.confirmed |= answer is not None and answer.status_code == 303
            return False
        approver = self._approvers[one.company]
        decision = one.upload.decision
        theirs = self._look(approver, one)
        if theirs is not None and decision != "leave" and (form := _form(theirs, decision)):
            reason = {} if decision == "approve" else {"reason": "Not now"}
            answer = self._record.insist(partial(approver.send, form, **reason))
            if answer is not None and answer.status_code == 303:
                one.decided = decision
            return False
        return True

    def _look(self, person: Person, one: Handed) -> httpx.Response | None:
        return self._record.look(person, self._record.insist(partial(person.get, one.page)))


def _form(page: httpx.Response, deed: str) -> Form | None:
    forms = forms_of(page)
    return next((form for form in forms if form.action.endswith(f"/{deed}/")), None)
