"""A model of the saga: anything that may happen to orders, in any order, with the real services.

Hypothesis draws the steps. Time does not pass by itself: a step makes rows due, or expires a dead
process's lease, when it needs that. The partners are the sandbox, which is told before each call
how to answer.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from accounts.models import Role
from fulfillment import services as desk
from fulfillment.models import PartnerCall
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from redemption.checkout.approvals.deciding import approve, expire_approvals, reject
from redemption.invariants.checks import check_against_ledger, check_invariants
from redemption.models import (
    Callback,
    Letter,
    LoyaltyTransaction,
    OrderItem,
    RedemptionOrder,
)
from redemption.orders.actions import delivery_decisions, transaction_decisions
from redemption.orders.actions.cancelling import cancel
from redemption.saga import inbox as callbacks
from redemption.saga import transactions
from redemption.saga.doubts import NextAction
from redemption.states import OrderStatus, TransactionStatus, Verdict
from tests.redemption.orders.pulse_watch import Watch
from tests.redemption.saga.model.saga_parts import (
    ANSWERS,
    BASKETS,
    DUE,
    FATES,
    LOOKS,
    MOST_ORDERS,
    PAST,
    PIECES,
    WHICH,
    hurry,
    news_of,
    pick,
    politely,
    send_parcel,
    some,
)
from tests.redemption.saga.model.saga_seen import Seen
from tests.redemption.saga.model.saga_units import Units
from tests.redemption.saga.model.saga_waits import Waits
from tests.redemption.saga.test_webhooks import body, send
from tests.redemption.saga.waiting.lines import time_comes
from tests.redemption.world import World, empty_rooms, make_all_due
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import statement

ROUNDS = 12  # of working due rows, until nothing may be left


class Saga(Units, Waits):
    """The model: buyers, an approver, the desk and two partners."""

    def __init__(self, partners: SandboxProcess) -> None:
        super().__init__()
        self.partners = partners
        self.seen = Seen()
        self.watch = Watch()
        self.placed = 0
        self.late: list[Callable[[], object]] = []
        self.news: list[bytes] = []

    @initialize(first=BASKETS, second=BASKETS)
    def open_the_shop(self, first: list[tuple[str, int]], second: list[tuple[str, int]]) -> None:
        empty_rooms()
        self.partners.reset()
        self.partners.dial(mode="accept", delay=86_400)
        self.world = World(self.partners)
        self.world.company.approval_threshold = 4_000
        self.world.company.save()
        self.partners.account(self.world.company.loyalty_account_id, 14_000)
        self.staff_the_office()
        self.approver = Actor.in_seat(self.world.new_seat(Role.APPROVER))
        self.wares = {
            "book": self.world.product(points=1_000, stocked=6),
            "bag": self.world.product(points=700, stocked=4),
            "card": self.world.virtual(points=500),
        }
        self.place(first)
        self.place(second)

    # --- People ----------------------------------------------------------------------------

    @precondition(lambda self: self.placed < MOST_ORDERS)
    @rule(wanted=BASKETS)
    def place(self, wanted: list[tuple[str, int]]) -> None:
        self.placed += 1
        politely(self.world.place, *((self.wares[name], pieces) for name, pieces in wanted))

    @some("waiting")
    @rule(which=WHICH, verdict=st.sampled_from(["yes", "yes", "no", "none"]))
    def decide(self, which: int, verdict: str) -> None:
        order = pick(self.seen.waiting, which)
        if verdict == "yes":
            approve(order=order, by=self.approver)
        elif verdict == "no":
            reject(order=order, by=self.approver, reason="too dear")
        else:
            RedemptionOrder.objects.filter(pk=order.pk).update(approve_by=PAST)
            assert expire_approvals() == 1

    @some("orders")
    @rule(which=WHICH)
    def change_ones_mind(self, which: int) -> None:
        by = Actor.in_seat(self.world.seat)
        politely(cancel, order=pick(self.seen.orders, which), by=by, reason="changed our mind")

    # --- Points ----------------------------------------------------------------------------

    @some("money")
    @rule(which=WHICH, answer=ANSWERS, fate=FATES)
    def ask_about_points(self, which: int, answer: str, fate: str) -> None:
        intent = pick(self.seen.money, which)
        hurry(intent)
        with self._answering(answer):
            claim = transactions._claim(intent.pk)
            if claim is None:
                return
            result = transactions._answer(claim)
        checks = claim.step is NextAction.CHECK
        record = transactions._record_check if checks else transactions._record
        self._record(functools.partial(record, claim, result), fate)

    @some("money")
    @rule(which=WHICH)
    def time_runs_out(self, which: int) -> None:
        """Pass the horizon of a call, after which the partner may have forgotten the key."""
        intent = pick(self.seen.money, which)
        tried = LoyaltyTransaction.objects.filter(pk=intent.pk, first_sent_at__isnull=False)
        tried.update(first_sent_at=PAST)
        hurry(intent)
        transactions.settle_transaction(intent.pk)

    @some("undecided")
    @rule(which=WHICH)
    def two_people_find_out(self, which: int) -> None:
        intent = pick(self.seen.undecided, which)
        entries = self.partners.ledger()["entries"]
        found = [each for each in entries if each["idempotency_key"] == intent.key]
        verdict = Verdict.DID_NOT if intent.is_debit else Verdict.ASK_AGAIN
        transaction_decisions.propose(
            intent=intent,
            verdict=Verdict.TOOK_PLACE if found else verdict,
            entry=found[0]["transaction_id"] if found else "",
            evidence="their statement",
            by=self.approver,
        )
        transaction_decisions.confirm(intent=intent, by=Actor.in_seat(self.world.seat))

    # --- The desk --------------------------------------------------------------------------

    @some("parcels")
    @rule(which=WHICH, verb=st.sampled_from(["claim", "pack", "unclaim", "lose"]), pieces=PIECES)
    def work_at_the_desk(self, which: int, verb: str, pieces: int) -> None:
        parcel, by = pick(self.seen.parcels, which), self.approver
        if verb == "lose":
            politely(
                desk.cannot_supply,
                fulfillment=parcel,
                quantity=pieces,
                reason="lost",
                by=by,
            )
        else:
            politely(getattr(desk, verb), fulfillment=parcel, by=by)

    @some("parcels")
    @rule(which=WHICH, pieces=PIECES)
    def ship(self, which: int, pieces: int) -> None:
        parcel = pick(self.seen.parcels, which)
        politely(send_parcel, parcel, pieces, self.approver)

    @some("shipments")
    @rule(which=WHICH)
    def arrive(self, which: int) -> None:
        politely(desk.deliver, shipment=pick(self.seen.shipments, which), by=self.approver)

    # --- The partner that delivers ---------------------------------------------------------

    @some("calls")
    @rule(which=WHICH, answer=ANSWERS, fate=FATES)
    def ask_for_delivery(self, which: int, answer: str, fate: str) -> None:
        call = pick(self.seen.calls, which)
        hurry(call)
        with self._answering(answer):
            claim = virtual._claim(call.pk)
            if claim is None:
                return
            result = virtual._send(claim)
        self._record(functools.partial(virtual._record, claim, result), fate)

    @some("calls")
    @rule(which=WHICH)
    def too_late_to_ask_again(self, which: int) -> None:
        """Pass the horizon of a delivery request, which then must not be repeated."""
        call = pick(self.seen.calls, which)
        tried = PartnerCall.objects.filter(pk=call.pk, first_sent_at__isnull=False)
        tried.update(first_sent_at=PAST)
        hurry(call)
        virtual.ask(call.pk)

    @some("unclear")
    @rule(which=WHICH, pieces=PIECES)
    def two_people_ask_about_a_card(self, which: int, pieces: int) -> None:
        card = pick(self.seen.unclear, which)
        theirs = self.partners.control("GET", "/fulfillments")["fulfillments"]
        found = [each["status"] for each in theirs if each["reference"] == str(card.pk)]
        if "accepted" in found:
            return  # they wait at the partner
        item = OrderItem.objects.get(pk=card.reference)
        came = min(pieces, item.quantity) if "delivered" in found else 0
        delivery_decisions.propose(item=item, came=came, evidence="their ticket", by=self.approver)
        delivery_decisions.confirm(item=item, by=Actor.in_seat(self.world.seat))

    @some("polls")
    @rule(which=WHICH, answer=LOOKS)
    def poll(self, which: int, answer: str) -> None:
        card = pick(self.seen.polls, which)
        hurry(card)
        with self._answering(answer):
            virtual.poll(card.pk)

    @some("theirs")
    @rule(
        which=WHICH,
        status=st.sampled_from(["delivered", "delivered", "failed"]),
        codes=st.sampled_from([None, None, None, 0, 1, 2, 4]),
    )
    def the_partner_decides(self, which: int, status: str, codes: int | None) -> None:
        theirs = pick(self.seen.theirs, which)
        self._decide(theirs["reference"], status, codes)

    def _decide(self, reference: str, status: str, codes: int | None = None) -> None:
        wish = {"reference": reference, "status": status}
        more = {} if codes is None else {"codes": codes}
        truth = self.partners.control("POST", "/decide", wish | more)
        self.news.append(news_of(truth))

    @some("theirs")
    @rule(which=WHICH)
    def the_partner_works_on_it(self, which: int) -> None:
        theirs = pick(self.seen.theirs, which)
        names = ("fulfillment_id", "reference", "updated_at", "reason")
        self.news.append(news_of({name: theirs[name] for name in names} | {"status": "processing"}))

    @some("cards")
    @rule(
        which=WHICH,
        status=st.sampled_from(["delivered", "failed", "cancelled"]),
        codes=st.integers(0, 4),
        strange=st.booleans(),
    )
    def the_partner_errs(self, which: int, status: str, codes: int, strange: bool) -> None:
        """A callback that may be false; it may also come before the answer to our own request."""
        card = pick(self.seen.cards, which)
        name = "ful_strange" if strange else (card.partner_id or "ful_early")
        self.news.append(body(card, status, codes=codes, partner_id=name))

    @precondition(lambda self: self.news)
    @rule(which=WHICH, again=st.booleans(), read=st.booleans())
    def a_callback_comes(self, which: int, again: bool, read: bool) -> None:
        number = which % len(self.news)
        assert send(self.news[number]).status_code == 204
        if not again:
            del self.news[number]
        if read:
            callbacks.process(Callback.objects.latest("id").pk)

    @some("inbox")
    @rule(which=WHICH)
    def read_the_inbox(self, which: int) -> None:
        callback = pick(self.seen.inbox, which)
        hurry(callback)
        callbacks.process(callback.pk)

    # --- Interruptions ---------------------------------------------------------------------

    @precondition(lambda self: self.late)
    @rule(which=WHICH)
    def a_slow_process_wakes_up(self, which: int) -> None:
        self.late.pop(which % len(self.late))()

    @precondition(lambda self: self.placed == MOST_ORDERS)
    @rule()
    def nothing_happens(self) -> None:
        """Do nothing, for when every order has ended and no other step is possible."""

    def _record(self, record: Callable[[], object], fate: str) -> None:
        if fate == "recorded":
            record()
        elif fate == "late":
            self.late.append(record)

    @contextmanager
    def _answering(self, fault: str) -> Iterator[None]:
        """Let the next call to a partner be answered with this fault."""
        if fault:
            self.partners.fault("*", fault)
        yield
        if fault:
            self.partners.clear_faults()

    # --- What must hold --------------------------------------------------------------------

    @invariant()
    def all_holds(self) -> None:
        self.seen = Seen.now(self.partners)
        self._check(at_rest=False)

    @invariant()
    def every_page_that_changed_has_another_pulse(self) -> None:
        assert not self.watch.missed(self.approver)

    def _check(self, *, at_rest: bool) -> None:
        found = check_invariants(at_rest=at_rest)
        entries = self.partners.ledger()["entries"]
        found += check_against_ledger(statement(entries))
        assert not found, "; ".join(map(str, found))

    def teardown(self) -> None:
        if sys.exc_info()[0] is None and hasattr(self, "world"):
            self._let_it_go_quiet()

    def _let_it_go_quiet(self) -> None:
        """Let everybody finish their work. Everything must end, or wait for a person who
        was told.
        """
        for wake in self.late:
            wake()
        self.partners.dial(mode="instant")
        for _ in range(ROUNDS):
            self.seen = Seen.now(self.partners)
            if not (self.seen.money or self.seen.calls or self.seen.inbox or self._unmarked()):
                break
            self._work_all()
        self._check(at_rest=True)
        assert not self._unmarked(), "open, and nobody was told"
        for order in RedemptionOrder.objects.all():
            self._add_up(order)

    def _work_all(self) -> None:
        for order in self.seen.waiting:
            approve(order=order, by=self.approver)
        for wait in self.seen.waits:
            time_comes(wait.item.order)
        for theirs in self.seen.theirs:
            self._decide(theirs["reference"], "delivered")
        for parcel in self.seen.parcels:
            send_parcel(parcel, parcel.open_quantity, self.approver)
        for shipment in self.seen.shipments:
            desk.deliver(shipment=shipment, by=self.approver)
        make_all_due()
        Callback.objects.filter(next_attempt_at__isnull=False).update(**DUE)
        # Other tests cover sending.
        Letter.objects.update(sent_at=timezone.now(), next_attempt_at=None)
        call_command("sweep", "--once", stdout=StringIO())

    def _unmarked(self) -> list[Any]:
        return [order for order in self.seen.orders if not order.needs_attention]

    def _add_up(self, order: RedemptionOrder) -> None:
        """Check saga.md's sums against the partner's ledger."""
        taken, back = self.world.ledger(order)
        owed = sum(item.quantity_refunded * item.points_per_item for item in order.items.all())
        asked = order.transactions.filter(status=TransactionStatus.NEEDS_REVIEW)
        # These may or may not be in the ledger.
        open_still = sum(asked.values_list("points_amount", flat=True))
        all_points = order.total_points if taken else 0
        right = {
            OrderStatus.COMPLETED: taken == order.total_points
            and owed - open_still <= back <= owed,
            OrderStatus.CANCELLED: taken == back == all_points,
        }.get(OrderStatus(order.status), taken == 0 or not order.is_final)
        assert right, f"{order}: {order.status} with {taken} taken, {back} back, {owed} owed"
