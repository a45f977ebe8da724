"""Companies' own systems, which order over the API and repeat each call until they know."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import httpx

from tests.chaos.actors.people import PATIENCE, NoAnswerError, Record, Told
from tests.chaos.plan import Errand
from tests.support.visitor import RECIPIENT
from tests.support.waiting import all_at_once

# No answer about this order yet: the same call is still running, too many calls, busy.
LATER = {"idempotency_in_progress", "too_many_requests", "busy"}
REFUSALS = {"order_refused", "order_held"}
_ADA = {name.removeprefix("recipient_"): said for name, said in RECIPIENT.items()}


@dataclass(frozen=True)
class Offered:
    """A product as a system knows it."""

    name: str
    sku: str
    points: int


class System:
    """Does errands with one key, whose seat is `seat_id`. Several threads may share it."""

    def __init__(
        self,
        url: str,
        secret: str,
        seat_id: UUID,
        company: str,
        products: Sequence[Offered],
        record: Record,
    ) -> None:
        self._web = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=PATIENCE
        )
        self._seat_id = seat_id
        self._company = company
        self._products = products
        self._record = record
        self._numbers = itertools.count()

    def run(self, errand: Errand) -> Told | None:
        """Send one order until its outcome is known, under one Idempotency-Key."""
        wanted = [(self._products[product], pieces) for product, pieces in errand.basket]
        key = f"chaos-{next(self._numbers)}"
        lines = {product.name: pieces for product, pieces in wanted}
        # The order's token is made of the seat and the key.
        told = Told(self._company, str(uuid5(self._seat_id, key)), lines)
        body = {
            "lines": [
                {"sku": product.sku, "quantity": pieces, "recipient": _ADA}
                for product, pieces in wanted
            ],
            "expected_points": sum(product.points * pieces for product, pieces in wanted),
        }
        self._record.told.append(told)
        send = partial(self._sent, key, body, told)
        if errand.presses > 1:
            all_at_once([partial(_tried, send)] * errand.presses)
        while not told.numbers and not told.refusal:
            if self._record.insist(send) is None:
                return told
        for number in list(told.numbers):
            self._record.insist(partial(self._looked, number))
        return told

    def _sent(self, key: str, body: Mapping[str, Any], told: Told) -> bool:
        """Send the order once. Raises NoAnswerError when its outcome is not known by that."""
        try:
            answer = self._web.post(
                "/api/v1/orders", json=dict(body), headers={"Idempotency-Key": key}
            )
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            told.unanswered += 1
            raise NoAnswerError(repr(error)) from error
        code = "" if answer.status_code == 201 else said.get("code", "?")
        if not code:
            told.numbers.add(said["order_number"])
        elif code in LATER:
            raise NoAnswerError(code)
        elif code in REFUSALS:
            told.refusal = said["detail"]
        elif answer.status_code >= 500:
            told.unanswered += 1
            raise NoAnswerError(code)
        else:
            self._record.strange.append(f"POST /api/v1/orders: {answer.status_code} {code}")
            told.refusal = "?"
        return True

    def _looked(self, number: str) -> bool:
        """Get the order. What a system was told of is there."""
        try:
            answer = self._web.get(f"/api/v1/orders/{number}")
        except httpx.HTTPError as error:
            raise NoAnswerError(repr(error)) from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise NoAnswerError(str(answer.status_code))
        if answer.status_code != 200 or answer.json()["order_number"] != number:
            self._record.strange.append(f"GET /api/v1/orders/{number}: {answer.status_code}")
        return True


def _tried(send: partial[bool]) -> bool:
    """Whether a call was answered."""
    try:
        return send()
    except NoAnswerError:
        return False
