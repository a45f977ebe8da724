"""The steps of the saga's model about single units: cancel a line, return and credit units."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from fulfillment.states import ReturnedTo
from loyalty_portal.data.actor import Actor
from redemption.models import Decision, LineReturn
from redemption.orders.actions import unit_credits
from redemption.orders.actions.cancelling import cancel_line
from redemption.states import ABOUT_UNITS, DecisionStatus
from tests.accounts.factories import UserFactory
from tests.redemption.saga.model.saga_parts import PIECES, WHICH, pick, politely, some
from tests.redemption.saga.model.saga_seen import Seen
from tests.redemption.world import World
from tests.support.orders.came_back import came_back


class Units(RuleBasedStateMachine):
    """Support, the desk and finance, about units of a line."""

    seen: Seen
    world: World
    finance: list[Actor]

    def staff_the_office(self) -> None:
        people = (UserFactory.create(is_staff=True, is_superuser=True) for _ in range(2))
        self.finance = [Actor.person(person) for person in people]

    @some("lines")
    @rule(which=WHICH)
    def cancel_one_line(self, which: int) -> None:
        by = Actor.in_seat(self.world.seat)
        politely(cancel_line, item=pick(self.seen.lines, which), by=by, reason="not this one")

    @some("delivered")
    @rule(which=WHICH, pieces=PIECES, to=st.sampled_from(ReturnedTo))
    def units_come_back(self, which: int, pieces: int, to: ReturnedTo) -> None:
        parcel = pick(self.seen.delivered, which)
        politely(came_back, parcel, quantity=pieces, to=to, by=Actor.in_seat(self.world.seat))

    @some("lines")
    @rule(which=WHICH, pieces=PIECES)
    def credit_units(self, which: int, pieces: int) -> None:
        item = pick(self.seen.lines, which)
        politely(
            unit_credits.credit_units,
            item=item,
            units=pieces,
            reason="came late",
            by=self.finance[0],
            seen=item.quantity_refunded,
        )

    @some("lines")
    @rule(pieces=st.integers(0, 3), confirms=st.booleans())
    def finance_decides(self, pieces: int, confirms: bool) -> None:
        """Decide about the oldest return and the oldest proposal."""
        due = LineReturn.objects.filter(decided_at=None).select_related("item").first()
        if due:
            politely(
                unit_credits.decide_return,
                returned=due,
                units=min(pieces, due.units),
                reason="as seen",
                by=self.finance[0],
            )
        waiting = Decision.objects.filter(status=DecisionStatus.PROPOSED, verdict__in=ABOUT_UNITS)
        proposal = waiting.select_related("item").first()
        if proposal and proposal.item and confirms:
            politely(unit_credits.confirm, item=proposal.item, by=self.finance[1])
        elif proposal and proposal.item:
            politely(unit_credits.reject, item=proposal.item, reason="no", by=self.finance[1])
