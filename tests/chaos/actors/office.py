"""An account manager's office: orders of one to 500 lines, some of which wait.

It uses the services, as the pages for such orders do. Their dates are moved close, so that they
come within the run.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from django.db import Error, connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.recipient import FIELDS
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import LineWait, OrderItem, RedemptionOrder
from redemption.orders.actions.cancelling import cancel
from redemption.orders.actions.services import retry_now
from redemption.saga import waiting
from redemption.saga.steps import RedemptionError, locked
from tests.chaos.actors.at_work import AtWork
from tests.chaos.actors.people import PAUSE, PERSISTENCE, Record, Told, promised
from tests.chaos.actors.recipients import ANSWERS
from tests.chaos.plan import Commission, Wish
from tests.support.visitor import RECIPIENT

Answered = TypeVar("Answered")


class Office(AtWork):
    """Places the commissions one after the other, then answers and cancels when it is time; at once
    when it is to finish.
    """

    def __init__(
        self,
        seat: AccountManager,
        products: Sequence[str],
        commissions: Sequence[Commission],
        record: Record,
    ) -> None:
        super().__init__()
        self._seat = seat
        self._products = products
        self._commissions = commissions
        self._record = record
        self._deeds: list[tuple[float, Callable[[], object]]] = []

    def run(self) -> None:
        try:
            for commission in self._commissions:
                self._place(commission)
                self._do_what_is_due()
            while self._deeds and not self._record.over.is_set():
                self._do_what_is_due()
                self._over.wait(0 if self._over.is_set() else PAUSE)
        finally:
            connections.close_all()

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        due = [deed for when, deed in self._deeds if when <= now or self._over.is_set()]
        self._deeds = [] if self._over.is_set() else [one for one in self._deeds if one[0] > now]
        for deed in due:
            self._insist(deed)

    def _insist(self, deed: Callable[[], Answered]) -> Answered | None:
        """Repeat it while the database does not answer. None when it is refused."""
        until = time.monotonic() + PERSISTENCE
        while time.monotonic() < until and not self._record.over.is_set():
            try:
                return deed()
            except RedemptionError:
                return None
            except Error:
                connections.close_all()
                self._record.silences += 1
                time.sleep(PAUSE)
        return None

    def _place(self, commission: Commission) -> None:
        token = uuid.uuid4()
        names = Counter(self._products[wish.product] for wish in commission.wishes)
        told = Told(self._seat.company.name, str(token), dict(names))
        self._record.told.append(told)
        order = self._insist(lambda: self._order(commission, token))
        if order is None:
            told.refusal = "refused"
            return
        told.numbers.add(order.order_number)
        self._insist(lambda: _hasten(order, commission.wishes))
        self._insist(lambda: retry_now(order=order, by=SYSTEM))
        self._intend(order, commission)

    def _order(self, commission: Commission, token: uuid.UUID) -> RedemptionOrder:
        rows = Product.objects.filter(name__in=self._products).select_related("inventory")
        found = {product.name: product for product in rows}
        tomorrow = timezone.now().date() + timedelta(days=1)
        lines = [
            Line(
                found[self._products[wish.product]],
                1,
                _recipient(wish),
                send_on=tomorrow if wish.waits == "date" else None,
                asks=wish.waits == "link",
            )
            for wish in commission.wishes
        ]
        entered = CheckoutInput(token, sum(line.product.points_cost for line in lines))
        by = Actor.in_seat(self._seat)
        return place_order(seat=self._seat, lines=lines, entered=entered, by=by)

    def _intend(self, order: RedemptionOrder, commission: Commission) -> None:
        began = time.monotonic()
        for item, wish in _waiting(order, commission.wishes, "answer"):
            if wish.answered:
                answer = self._answer_of(item)
                # twice: of two answers one counts
                self._deeds += [(began + wish.after, answer), (began + wish.after + PAUSE, answer)]
        if commission.cancel_after is not None:
            self._deeds.append((began + commission.cancel_after, self._cancel_of(order)))

    def _answer_of(self, item: OrderItem) -> Callable[[], object]:
        def answer() -> None:
            name = f"Recipient {uuid.uuid4()}"
            waiting.answer(item=item, recipient=RECIPIENT | {"recipient_name": name}, by=SYSTEM)
            self._record.answers[item.pk] = name

        return answer

    def _cancel_of(self, order: RedemptionOrder) -> Callable[[], object]:
        def give_up() -> None:
            said = cancel(order=order, by=Actor.in_seat(self._seat), reason="Not needed any more")
            self._record.promises += promised(order.order_number, said)

        return give_up


def _recipient(wish: Wish) -> dict[str, str] | None:
    """Who gets a line; None: not known yet. Whoever is asked by a link is known by their e-mail
    address, which says whether they will answer.
    """
    if wish.waits == "answer":
        return None
    if wish.waits != "link":
        return RECIPIENT
    email = f"{ANSWERS if wish.answered else 'silent-'}{uuid.uuid4()}@home.example"
    return dict.fromkeys(FIELDS, "") | {"recipient_name": "Somebody", "recipient_email": email}


def _waiting(
    order: RedemptionOrder, wishes: Sequence[Wish], waits: str
) -> list[tuple[OrderItem, Wish]]:
    """The order's lines that wait so, each with a wish; lines of one kind are alike."""
    kinds = {"date": "DATE", "answer": "RECIPIENT"}
    items = OrderItem.objects.filter(order=order, waits_for=kinds[waits]).order_by("id")
    if waits == "answer":  # others are asked by a link
        items = items.filter(recipient_name="")
    return list(zip(items, [wish for wish in wishes if wish.waits == waits], strict=True))


@transaction.atomic
def _hasten(order: RedemptionOrder, wishes: Sequence[Wish]) -> None:
    """Move the dates of the order's lines close: time passes quickly here."""
    locked(order.pk)
    for item, wish in _waiting(order, wishes, "date"):
        soon = Now() + timedelta(seconds=wish.after)
        rows = OrderItem.objects.filter(pk=item.pk, fulfillment_status="WAITING")
        rows.update(waits_until=soon)
        until = OrderItem.objects.values_list("waits_until", flat=True).get(pk=item.pk)
        LineWait.objects.filter(pk=item.pk, ended_at=None).update(next_attempt_at=until)
