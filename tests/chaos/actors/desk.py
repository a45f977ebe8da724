"""Staff at the fulfillment desk, who use the admin's pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import httpx

from tests.chaos.actors.at_work import AtWork
from tests.chaos.actors.people import Person, Record
from tests.support.visitor import Form, forms_of

QUEUE = "/admin/fulfillment/fulfillment/"
REST = 2.0  # seconds between two looks at an empty queue
EVERYBODYS = 7  # one parcel in so many is claimed by any clerk
PARCEL = re.compile(r"/admin/fulfillment/fulfillment/[0-9a-f-]{36}/change/")


class Clerk(AtWork):
    """Packs, ships and delivers parcels; `deeds` says how, one for each parcel. `finish` lets it stop
    when the queue is empty.

    Each of the `colleagues` has a share of the queue; some parcels are claimed by several at once.
    """

    def __init__(
        self, person: Person, place: int, colleagues: int, deeds: Iterator[str], record: Record
    ) -> None:
        super().__init__()
        self._person = person
        self._place, self._colleagues = place, colleagues
        self._deeds = deeds
        self._record = record

    def run(self) -> None:
        while True:
            worked = [self._work(path) for path in self._queue() if self._takes(path)]
            if not any(worked):
                if self._over.is_set():
                    return
                self._over.wait(REST)

    def _takes(self, path: str) -> bool:
        number = int(path.split("/")[4][-6:], 16)
        return number % self._colleagues == self._place or number % EVERYBODYS == 0

    def _queue(self) -> list[str]:
        found: dict[str, None] = {}
        for stage in ("", "?stage=way"):
            page = self._look(self._get(f"{QUEUE}{stage}"))
            if page is not None:
                found |= dict.fromkeys(PARCEL.findall(page.text))
        return list(found)

    def _work(self, path: str) -> bool:
        """Do all that can be done about one parcel now. Returns whether anything was done."""
        page, steps = self._look(self._get(path)), 0
        deed = next(self._deeds)
        while page is not None and (form := _next(page, deed)):
            filled = _filled(form, deed)
            page = self._look(self._record.insist(partial(self._person.send, form, **filled)))
            steps += 1
            if page is not None and page.status_code == 422:
                break  # a colleague was faster
            deed = deed if deed == "return" else "ship"
        return steps > 0

    def _get(self, path: str) -> httpx.Response | None:
        return self._record.insist(lambda: self._person.get(path))

    def _look(self, answer: httpx.Response | None) -> httpx.Response | None:
        return self._record.look(self._person, answer)


def _next(page: httpx.Response, deed: str) -> Form | None:
    """The form on the page for the deed, if there is one."""
    offered = {form.action.rstrip("/").rpartition("/")[2]: form for form in forms_of(page)}
    if deed in {"short", "none"} and "cannot_supply" in offered:
        return offered["cannot_supply"]
    if deed == "return" and "return" in offered:
        return offered["return"]
    return next((offered[verb] for verb in ("ship", "pack", "deliver") if verb in offered), None)


def _filled(form: Form, deed: str) -> dict[str, str]:
    if form.action.endswith("/ship/"):
        pieces = "1" if deed == "parts" else form.fields["quantity"]
        return {"carrier": "DHL", "tracking_number": "JD0142", "quantity": pieces}
    if form.action.endswith("/cannot_supply/"):
        pieces = "1" if deed == "short" else form.fields["quantity"]
        return {"reason": "Damaged in the warehouse", "quantity": pieces}
    if form.action.endswith("/return/"):
        return {"reason": "It came back", "returned": "1", "to": "STOCK"}
    return {}
