"""One run: people use the portal under faults, then quiet, then the checks."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client

from accounts.models import AccountManager, Company, Role, User
from accounts.selectors import SEAT_KEY
from accounts.services import ensure_staff_groups
from catalog.models import Product
from loyalty_portal.http.sessions import SECOND_FACTOR
from redemption.models import RedemptionOrder
from tests.accounts.access.making import new_key
from tests.accounts.factories import UserFactory
from tests.chaos import incidents
from tests.chaos.actors.clock import the_night_passes
from tests.chaos.actors.desk import Clerk
from tests.chaos.actors.files import Bulks
from tests.chaos.actors.house import House, Postgres
from tests.chaos.actors.nemesis import Nemesis, wait
from tests.chaos.actors.office import Office
from tests.chaos.actors.people import Buyer, Deciders, Person, Record
from tests.chaos.actors.recipients import Links, Recipients
from tests.chaos.actors.systems import Offered, System
from tests.chaos.checks import Finding, Run
from tests.chaos.plan import BUYERS, COMPANIES, PLENTY, PRODUCTS, SCARCE, Errand, Plan
from tests.chaos.recovery import LOOK, TABLES, Recovery
from tests.redemption.world import World
from tests.support.stack import Databases

CHORES = 25.0  # seconds until the sweeper has certainly checked incidents
QUIET = 120.0  # seconds for everything to end
STALL = 120.0  # seconds without a placed order, after which the shop counts as dead
MOST_FORMS = 10  # forms for each placed order, above which the shop counts as dead
COME_BACK = 2.0  # seconds until a refused buyer tries something else
CLERKS = 3
THRESHOLD = 1_500  # points; larger orders of company 1 need approval
SHORT = 8_000  # points of company 2, which soon has too few
LOGIN = "accounts.backends.SeatsBackend"
# Make all rows with a waiting time due now.
_HURRY = "; ".join(
    f"UPDATE {table} SET next_attempt_at = now() WHERE next_attempt_at > now()"
    " AND (lease_until IS NULL OR lease_until < now())"
    for table in TABLES
)
# Let the quarter of an hour between two digests of an order pass.
_PASS = """
    UPDATE redemption_letter SET sent_at = sent_at - interval '1 hour'
    WHERE kind = 'digest' AND sent_at > now() - interval '1 hour'
"""
_EXPIRE = """
    UPDATE redemption_order SET approve_by = now() WHERE status = 'AWAITING_APPROVAL';
    UPDATE redemption_bulk SET approve_by = now() WHERE status = 'WAITING'
"""
# The dates of all waiting lines come, and the time for every answer is over.
_TIME_COMES = """
    UPDATE order_item SET waits_until = now()
    WHERE waits_until > now() AND fulfillment_status = 'WAITING';
    UPDATE redemption_linewait SET next_attempt_at = order_item.waits_until FROM order_item
    WHERE order_item.id = item_id AND ended_at IS NULL AND raised = 0
"""
# Leases for letters, callbacks and files are long, so a holder for 15 s counts as dead.
_BURY = """
    UPDATE redemption_bulk SET lease_until = now() WHERE lease_until < now() + interval '105 s';
    UPDATE redemption_letter SET lease_until = now() WHERE lease_until < now() + interval '45 s';
    UPDATE redemption_recipientask SET lease_until = now()
    WHERE lease_until < now() + interval '45 s';
    UPDATE redemption_callback SET lease_until = now() WHERE lease_until < now() + interval '15 s'
"""
_OPEN = """
    SELECT (SELECT count(*) FROM redemption_order WHERE NOT needs_attention AND status NOT IN
            ('COMPLETED', 'CANCELLED', 'DECLINED', 'REJECTED', 'EXPIRED'))
         + (SELECT count(*) FROM loyalty_transaction WHERE status IN ('INTENDED','SENT','UNKNOWN')
            OR doubt <> '' AND next_attempt_at IS NOT NULL)
         + (SELECT count(*) FROM redemption_linewait WHERE next_attempt_at IS NOT NULL)
         + (SELECT count(*) FROM redemption_bulk WHERE status IN ('READING', 'PLACING', 'WAITING'))
         + (SELECT count(*) FROM redemption_letter WHERE next_attempt_at IS NOT NULL)
         + (SELECT count(*) FROM redemption_recipientask WHERE next_attempt_at IS NOT NULL)
         + (SELECT count(*) FROM redemption_callback WHERE state IN ('RECEIVED', 'PARKED'))
"""


@dataclass
class Outcome:
    """The result of a run. `quiet`: seconds from the last fault until everything had ended."""

    seed: int
    findings: list[Finding]
    orders: Counter[str]
    blows: Counter[str]
    checked: Counter[str]
    record: Record
    incidents: Counter[str]
    seconds: float
    quiet: float
    folder: Path


def run(
    house: House,
    plan: Plan,
    recovery: Recovery,
    *,
    patience: float = QUIET,
    sought: Set[str] = frozenset(),
) -> Outcome:
    """Run a plan. `house` keeps running afterwards.

    Waits at most `patience` seconds for everything to end. Ends early when a promise named in
    `sought` is found broken.
    """
    began = time.monotonic()
    with house.as_default():
        town = Town(house, plan)
        nemesis = Nemesis(house)
        house.sandbox.control("POST", "/seed", {"seed": plan.seed})
        town.open()
        over = _strike(house, plan, town, nemesis, recovery)
        town.close()
        told = Run(house, town.record, nemesis, town.received, town.links, town.files)
        _wait_for_quiet(house, told, sought, patience)
        town.go_home(at_once=told.finds(sought))
        quiet = time.monotonic() - over
        too_few = _too_few(plan, town.record.placed, len(town.record.told))
        left_out = [] if sought else _next_night(house, told, patience)
        findings = [*too_few, *left_out, *told.findings()]
        statuses = Counter(RedemptionOrder.objects.values_list("status", flat=True))
        told_of = Counter[str]()
        if not sought:
            told_of = _incidents(told)
            findings += incidents.marks()
        connections.close_all()
    return Outcome(
        seed=plan.seed,
        findings=findings,
        orders=statuses,
        blows=Counter(blow.family for blow in nemesis.struck),
        checked=told.counted,
        record=town.record,
        incidents=told_of,
        seconds=time.monotonic() - began,
        quiet=quiet,
        folder=house.folder,
    )


def _strike(house: House, plan: Plan, town: Town, nemesis: Nemesis, recovery: Recovery) -> float:
    """Cause the rounds of faults until all orders are placed. Returns when the last fault ended."""
    for each in plan.rounds:
        if not town.wait_until(each.after):
            break
        nemesis.strike(each.blows)
        recovery.measure(house, each.blows[0].family if len(each.blows) == 1 else "several at once")
    town.wait_until(plan.orders)
    house.calm()
    over = time.monotonic()
    connections.close_all()  # this process's connection may have been cut too
    recovery.measure(house, "everything, at the end")
    return over


def _wait_for_quiet(house: House, told: Run, sought: Set[str], patience: float) -> None:
    until = time.monotonic() + patience
    while not (_is_quiet(house) or told.finds(sought) or time.monotonic() > until):
        wait(5 * LOOK)


def _next_night(house: House, told: Run, patience: float) -> list[Finding]:
    """Let the night's comparison with the statement run, and what it puts right.

    Returns a finding for each company that was not compared.
    """
    left_out = list(the_night_passes(house))
    _wait_for_quiet(house, told, frozenset(), patience)
    return left_out


def _incidents(told: Run) -> Counter[str]:
    """The open incidents after the sweeper has checked again, which it does every ten seconds."""
    until = time.monotonic() + CHORES
    while incidents.others(incidents.counted(told)) and time.monotonic() < until:
        wait(5 * LOOK)
    return incidents.counted(told)


def _too_few(plan: Plan, placed: int, forms: int) -> Iterator[Finding]:
    """A finding when few orders were placed, so that a dead shop does not pass."""
    if plan.orders is not None and placed < plan.orders:
        told = f"only {placed} of {plan.orders} came about with {forms} forms: the shop is dead"
        yield Finding("TOO_FEW", "orders", told)


def _is_quiet(house: House) -> bool:
    """Whether everything has ended or waits for a person; rows that are not due do not count."""
    with house.connect() as link:
        link.execute(_EXPIRE)
        link.execute(_PASS)
        link.execute(_TIME_COMES)
        link.execute(_HURRY)
        link.execute(_BURY)
        [[still_open]] = link.execute(_OPEN).fetchall()
        return not still_open


class Town:
    """The people of one run. `received`: pieces by physical product."""

    def __init__(self, house: House, plan: Plan) -> None:
        self._house = house
        self._plan = plan
        self.record = Record()
        self.received: dict[str, int] = {}
        self._world = World(house.sandbox)
        self._products = list(self._stock_up())
        companies = [
            self._world.new_company(
                points=SHORT if number == 2 else 10_000_000,
                approval_threshold=THRESHOLD if number == 1 else None,
            )
            for number in range(COMPANIES)
        ]
        self._buyers = [
            (self._seated(companies[number % COMPANIES], Role.BUYER), companies[number % COMPANIES])
            for number in range(BUYERS)
        ]
        owners = {each.name: self._seated(each, Role.OWNER) for each in companies}
        self._deciders = Deciders(owners, self.record)
        self._systems = {each.name: self._system(each) for each in companies}
        names = [name for name, _path in self._products]
        office = self._world.new_seat(Role.BUYER, companies[0])
        self._office = Office(office, names, plan.commissions, self.record)
        self._bulks = Bulks(
            {each.name: self._seated(each, Role.BUYER) for each in companies},
            {each.name: self._seated(each, Role.OWNER) for each in companies},
            list(Product.objects.order_by("points_cost").values_list("sku", flat=True)),
            plan.uploads,
            self.record,
        )
        self.files = self._bulks.files
        self.links = Links()
        self._recipients = Recipients(house.mailbox, house.url, self.links)
        deeds = itertools.cycle(plan.desk)
        self._clerks = [
            Clerk(self._staff(), place, CLERKS, deeds, self.record) for place in range(CLERKS)
        ]
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []

    def open(self) -> None:
        """Start all people. The loyalty system gives and takes points by itself, too."""
        for account in self._house.sandbox.control("GET", "/accounts")["accounts"]:
            for kind, points in (("earned", 700), ("adjusted", -30), ("expired", -20)):
                booking = {"account_id": account["account_id"], "kind": kind, "points": points}
                self._house.sandbox.control("POST", "/book", booking)
        self._deciders.start()
        self._office.start()
        self._bulks.start()
        self._recipients.start()
        for clerk in self._clerks:
            clerk.start()
        for number, (person, company) in enumerate(self._buyers):
            buyer = Buyer(person, company.name, self._products, self.record)
            errands = [each for each in self._plan.errands if each.buyer == number]
            again_and_again = errands if self._plan.orders is None else itertools.cycle(errands)
            shopping = (buyer, self._systems[company.name], again_and_again, company.name)
            thread = threading.Thread(target=self._shop, args=shopping, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Start nothing new; the desk continues with what still arrives."""
        self._closed.set()
        for thread in self._threads:
            thread.join()
        self._office.finish()
        self._bulks.finish()
        self._recipients.finish()
        self._deciders.finish()

    def go_home(self, *, at_once: bool = False) -> None:
        """Stop the desk when its queue is empty, or at once."""
        if at_once:
            self.record.over.set()
        for clerk in self._clerks:
            clerk.finish()

    def wait_until(self, placed: int | None) -> bool:
        """Wait until so many orders are placed, or all people have stopped; False if the shop is
        dead.
        """
        before, since = self.record.placed, time.monotonic()
        while any(thread.is_alive() for thread in self._threads):
            if placed is not None and self.record.placed >= placed:
                return True
            if self.record.placed > before:
                before, since = self.record.placed, time.monotonic()
            if time.monotonic() - since > STALL or self.is_hopeless:
                return False
            wait(LOOK)
        return True

    @property
    def is_hopeless(self) -> bool:
        """Whether far more forms were sent than the wanted orders should need."""
        return len(self.record.told) > MOST_FORMS * (self._plan.orders or len(self._plan.errands))

    def _shop(self, buyer: Buyer, system: System, errands: Iterable[Errand], company: str) -> None:
        for errand in errands:
            if self._closed.is_set():
                return
            told = (system if errand.by_key else buyer).run(errand)
            if told and told.refusal:
                self._closed.wait(COME_BACK)
            for number in told.numbers if told else ():
                self._deciders.ask(errand.decision, number, company, errand.decide_after)
                if errand.cancel_after is not None:
                    self._deciders.ask("cancel", number, company, errand.cancel_after)

    def _stock_up(self) -> Iterator[tuple[str, str]]:
        for number in range(PRODUCTS):
            points = 100 * (number + 1)
            if number < PLENTY + SCARCE:
                pieces = self._plan.scarce if number >= PLENTY else 10_000
                product = self._world.product(points=points, stocked=pieces)
                self.received[product.name] = pieces
            else:
                product = self._world.virtual(points=points)
            yield product.name, product.get_absolute_url()

    def _system(self, company: Company) -> System:
        """The company's own system. Another owner makes its key than the one who decides: nobody
        decides on orders of a key that they made.
        """
        made = new_key(company, by=self._world.new_seat(Role.OWNER, company))
        offered = [
            Offered(product.name, product.sku, product.points_cost)
            for product in Product.objects.order_by("points_cost")
        ]
        seat_id = made.key.seat_id
        return System(self._house.url, made.secret, seat_id, company.name, offered, self.record)

    def _seated(self, company: Company, role: str) -> Person:
        seat: AccountManager = self._world.new_seat(role, company)
        return self._signed_in(seat.user, **{SEAT_KEY: str(seat.pk)})

    def _staff(self) -> Person:
        ensure_staff_groups()
        user = UserFactory.create(staff=True)
        user.groups.set(Group.objects.filter(name="fulfillment"))
        return self._signed_in(user)

    def _signed_in(self, user: User, **session: str) -> Person:
        client = Client()
        client.force_login(user, backend=LOGIN)
        kept = client.session
        kept.update(session | {SECOND_FACTOR: "totp"})
        kept.save()
        return Person(self._house.url, {"sessionid": client.cookies["sessionid"].value})


@contextmanager
def built(
    folder: Path, postgres: Postgres, databases: Databases, **options: Any
) -> Iterator[House]:
    """A running portal on a fresh database."""
    with House(folder, postgres, databases.create(), **options) as house:
        yield house
