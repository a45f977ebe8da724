"""The steps of the saga's model about lines that wait for a day or for their recipient."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from catalog.models import Product
from loyalty_portal.data.actor import SYSTEM
from redemption.saga import waiting
from tests.redemption.saga.model.saga_parts import MOST_ORDERS, WHICH, hurry, pick, politely, some
from tests.redemption.saga.model.saga_seen import Seen
from tests.redemption.saga.waiting.lines import placed, time_comes, tomorrow
from tests.redemption.world import RECIPIENT, World

# What a line is, and how it waits.
TERMS: dict[str, tuple[str, dict[str, Any]]] = {
    "card, tomorrow": ("card", {"send_on": tomorrow()}),
    "card, asked": ("card", {"recipient": None}),
    "book, asked": ("book", {"recipient": None}),
    "bag, at once": ("bag", {}),
}


class Waits(RuleBasedStateMachine):
    """A buyer who orders for later, recipients who are asked, and the time."""

    seen: Seen
    world: World
    wares: dict[str, Product]
    placed: int

    @precondition(lambda self: self.placed < MOST_ORDERS)
    @rule(lines=st.lists(st.sampled_from(sorted(TERMS)), min_size=1, max_size=4))
    def order_for_later(self, lines: list[str]) -> None:
        self.placed += 1
        wanted = [TERMS[line] for line in lines]
        politely(placed, self.world, *((self.wares[name], terms) for name, terms in wanted))

    @some("waits")
    @rule(which=WHICH)
    def its_time_comes(self, which: int) -> None:
        """The day of a line has come, or its recipient did not answer in time."""
        wait = pick(self.seen.waits, which)
        time_comes(wait.item.order)
        waiting.end_wait(wait.pk)

    @some("waits")
    @rule(which=WHICH)
    def somebody_hurries_it(self, which: int) -> None:
        """Nothing but the time makes it go on; an invariant would find what went on early."""
        wait = pick(self.seen.waits, which)
        hurry(wait)
        waiting.end_wait(wait.pk)

    @some("waits")
    @rule(which=WHICH, complete=st.booleans())
    def its_recipient_answers(self, which: int, complete: bool) -> None:
        item = pick(self.seen.waits, which).item
        told = RECIPIENT if complete else {**RECIPIENT, "recipient_name": ""}
        politely(waiting.answer, item=item, recipient=told, by=SYSTEM)
