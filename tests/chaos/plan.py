"""Draws from one seed what people do and what breaks, before anything starts.

Drawn are the errands, what becomes of them, and which faults come after how many orders for how
long. The interleaving of processes, threads and network cannot be drawn.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

COMPANIES, BUYERS = 4, 16
PLENTY, SCARCE, VIRTUAL = 4, 2, 4  # products; the last ones are virtual
PRODUCTS = PLENTY + SCARCE + VIRTUAL
ORDERS_PER_ROUND = 10
MOST_LINES = 500  # of one order
BY_KEY = 0.3  # the share of errands that a key does
ORDERS_PER_FILE = 40
A_LONG_RUN = 100  # orders; shorter runs have no order of so many lines

# The processes that can fail, and how.
DEEDS = {
    "kill": ("web", "worker", "worker-2", "sweeper", "sweeper-2", "sandbox", "postgres"),
    "pause": ("web", "worker", "worker-2", "sweeper", "sweeper-2", "redis", "sandbox"),
    "restart": ("web", "worker", "sweeper", "sandbox", "postgres"),
    "stop": ("redis", "worker", "sweeper"),
    "flush": ("redis",),
    "crash": ("postgres",),
    "disconnect": ("postgres",),
    "forgery": ("callbacks",),
    "hesitate": ("mailbox",),
}
MOMENTARY = {"kill", "restart", "flush", "crash", "disconnect", "forgery"}
LINE_TROUBLES = {"latency": 0.15, "drip": 0.002, "freeze": 0.0, "half-open": 0.0, "cut": 0.0}
LINE_NAMES = ("partners", "callbacks", "postgres", "redis")
# The faults of the partners. A hanging fault lasts longer than a call's deadline.
ANOTHERS = "someone_elses_transaction_id"
_CALL = (
    *("delay", "timeout_before", "reset_before", "error_500_before", "unavailable_503"),
    *("too_many_429", "expired_token", "redirect", "timeout_after", "reset_after"),
    *("bare_401", "unauthorized_403", "bare_403_before", "bare_403_after"),
    *("error_500_after", "malformed", "mismatch", "not_schema", "slow_drip", "huge"),
)
_READ = ("timeout_before", "error_500_before", "reset_after", "malformed", "mismatch")
PARTNER_FAULTS = {
    "debit": (*_CALL, "forbidden_403", ANOTHERS),
    "credit": (*_CALL, ANOTHERS),
    "fulfill": (
        *_CALL,
        *("forbidden_403", "silent", "fail", "early", "false_failure", "false_delivery"),
        *("fewer_codes", "more_codes", "same_code"),
    ),
    "cancel": (
        *("timeout_before", "timeout_after", "error_500_after", "mismatch"),
        *("unauthorized_403", "forbidden_403", "bare_403_after"),
    ),
    "get_fulfillment": _READ,
    "find": _READ,
    "token": ("timeout_before", "error_500_before"),
    "balance": ("timeout_before", "mismatch", "huge"),
    "webhook": (
        *("forge", "stale", "late", "repeat", "reorder", "missing"),
        *("contradict", "retract", "other_codes"),
    ),
}

_FAMILIES = {
    "partner hangs": {"delay", "timeout_before", "timeout_after", "slow_drip"},
    "partner breaks off": {"reset_before", "reset_after"},
    "partner fails": {"error_500_before", "error_500_after", "unavailable_503", "too_many_429"},
    "partner rejects us": {
        *("expired_token", "redirect", "bare_401", "unauthorized_403"),
        *("forbidden_403", "bare_403_before", "bare_403_after"),
    },
    "partner is wrong": {"malformed", "mismatch", "not_schema", "huge", ANOTHERS},
    "webhooks are odd": {"early", "late", "repeat", "reorder", "missing", "contradict"},
    "webhooks are false": {"retract", "other_codes", "false_failure", "false_delivery"},
    "webhooks are forged": {"forge", "stale", "forgery"},
    "deliveries are odd": {"silent", "fail", "fewer_codes", "more_codes", "same_code"},
}


@dataclass(frozen=True)
class Blow:
    """A fault of a `kind` at a `target` for `seconds`; `rate` is the share of calls it hits.

    With `enough` it ends early after so many calls.
    """

    kind: str
    target: str
    seconds: float = 1.0
    rate: float = 1.0
    enough: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind} {self.target}"

    @property
    def family(self) -> str:
        """The group under which the report counts it."""
        families = (name for name, kinds in _FAMILIES.items() if self.kind in kinds)
        return next(families, self.name.removesuffix("-2"))

    @property
    def lasts(self) -> float:
        """Its duration in seconds; killed or restarted processes start again at once."""
        return 0.0 if self.kind in MOMENTARY or self.enough else self.seconds


@dataclass(frozen=True)
class Round:
    """Faults that happen at the same time, after so many orders were placed."""

    after: int
    blows: tuple[Blow, ...]


@dataclass(frozen=True)
class Errand:
    """One visit of a buyer: products by number with quantities, and how often to press at once."""

    buyer: int
    basket: tuple[tuple[int, int], ...]
    presses: int
    decision: str  # what to do if it waits for approval: approve, reject or leave
    decide_after: float  # seconds
    cancel_after: float | None
    by_key: bool = False  # the company's own system orders it, over the API


@dataclass(frozen=True)
class Wish:
    """One line of a commission: a product by number, what it waits for ("", date, answer, or an
    answer by the link of a letter), and after how many seconds that comes. Of those who are asked
    not all answer.
    """

    product: int
    waits: str = ""
    after: float = 0.0
    answered: bool = False


@dataclass(frozen=True)
class Commission:
    """An order of many people, each with a line."""

    wishes: tuple[Wish, ...]
    cancel_after: float | None = None  # seconds


@dataclass(frozen=True)
class Upload:
    """A file of many orders: a product by number and a reference for each row, and so many `wrong`
    rows. It is given by a company when so many orders were placed; `decision`: approve, reject or
    leave, where it waits for approval.
    """

    company: int
    after: int
    rows: tuple[tuple[int, str], ...]
    wrong: int = 0
    decision: str = "approve"


@dataclass(frozen=True)
class Plan:
    """A plan. `desk` says what the desk does with one parcel after another.

    People repeat the `errands` until `orders` are placed; without that number they run once.
    """

    seed: int
    orders: int | None
    errands: tuple[Errand, ...]
    rounds: tuple[Round, ...]
    desk: tuple[str, ...]
    scarce: int  # pieces of each scarce product
    commissions: tuple[Commission, ...] = ()
    uploads: tuple[Upload, ...] = ()

    @property
    def blows(self) -> list[Blow]:
        return [blow for each in self.rounds for blow in each.blows]


def make_plan(seed: int, orders: int) -> Plan:
    """Draw the plan of a run in which so many orders are placed."""
    dice = random.Random(seed)
    drawn = [_errand(dice, number % BUYERS) for number in range(orders)]
    systems = random.Random(f"{seed} systems")  # dice of their own, so that the rest stays
    return Plan(
        seed=seed,
        orders=orders,
        errands=tuple(replace(each, by_key=systems.random() < BY_KEY) for each in drawn),
        rounds=tuple(_rounds(dice, orders)),
        desk=tuple(_desk_deed(dice) for _parcel in range(2 * orders)),
        scarce=max(3, orders // 12),
        commissions=tuple(_commissions(dice, random.Random(f"{seed} links"), orders)),
        uploads=tuple(_uploads(random.Random(f"{seed} files"), orders)),
    )


def directed(
    errands: int,
    *blows: Blow,
    basket: Sequence[tuple[int, int]] = ((0, 1),),
    presses: int = 1,
    after: int = 0,
    commissions: Sequence[Commission] = (),
    uploads: Sequence[Upload] = (),
) -> Plan:
    """A small plan for one purpose: the same errand repeated, and all faults at once after
    `after`.
    """
    same = (
        Errand(number % BUYERS, tuple(basket), presses, "approve", 0.0, None)
        for number in range(errands)
    )
    rounds = (Round(after, blows),) if blows else ()
    return Plan(0, None, tuple(same), rounds, ("ship",), 3, tuple(commissions), tuple(uploads))


def _errand(dice: random.Random, buyer: int) -> Errand:
    products = dice.sample(range(PRODUCTS), dice.choices((1, 2, 3), (60, 28, 12))[0])
    return Errand(
        buyer=buyer,
        basket=tuple((product, dice.choices((1, 2, 4), (70, 20, 10))[0]) for product in products),
        presses=dice.choices((1, 2, 4), (75, 18, 7))[0],
        decision=dice.choices(("approve", "reject", "leave"), (75, 18, 7))[0],
        decide_after=dice.uniform(0.0, 2.0),
        cancel_after=dice.uniform(0.0, 3.0) if dice.random() < 0.2 else None,
    )


def _commissions(dice: random.Random, links: random.Random, orders: int) -> Iterator[Commission]:
    """Mostly small ones; in a long run one of the most lines that an order may have."""
    sizes = [dice.choices((1, 2, 5, 20), (40, 30, 20, 10))[0] for _ in range(orders // 8)]
    if orders >= A_LONG_RUN:
        sizes[len(sizes) // 2] = MOST_LINES
    for size in sizes:
        cancel_after = dice.uniform(0.0, 6.0) if dice.random() < 0.3 else None
        wishes = (_wish(dice, size) for _line in range(size))
        yield Commission(tuple(_by_link(links, wish) for wish in wishes), cancel_after)


def _wish(dice: random.Random, size: int) -> Wish:
    waits = dice.choices(("", "date", "answer"), (20, 40, 40))[0]
    card = waits != "answer" or dice.random() < 0.5
    # A few of many are asked for, so that a large order takes the run little longer.
    answered = dice.random() < (0.6 if size < MOST_LINES else 0.05)
    return Wish(
        product=dice.randrange(PLENTY + SCARCE, PRODUCTS) if card else dice.randrange(PLENTY),
        waits=waits if size < MOST_LINES or dice.random() < 0.2 else "answer",
        after=dice.uniform(0.5, 8.0),
        answered=answered,
    )


def _uploads(dice: random.Random, orders: int) -> Iterator[Upload]:
    """Small files, one in four with products that may run out, which refuses the order of their
    reference; in a long run one with more rows of a reference than an order may have, by e-mail,
    for the desk would pack it for minutes.
    """
    cards = range(PLENTY + SCARCE, PRODUCTS)
    files = max(1, orders // ORDERS_PER_FILE)
    for number in range(files):
        size = dice.choices((3, 12, 40), (40, 40, 20))[0]
        references = [f"File {number} {letter}" for letter in "ABCDEFGH"[: max(1, size // 3)]]
        offered = [*range(PLENTY + SCARCE if number % 4 == 1 else PLENTY), *cards]
        if orders >= A_LONG_RUN and number == files // 2:
            size, references, offered = MOST_LINES + 20, references[:1], [*cards]
        yield Upload(
            company=number % COMPANIES if size <= MOST_LINES else 0,  # which has the points
            after=number * orders // files,
            rows=tuple((dice.choice(offered), dice.choice(references)) for _row in range(size)),
            wrong=dice.choice((0, 0, 2)),
            decision=dice.choices(("approve", "reject", "leave"), (75, 15, 10))[0],
        )


def _by_link(dice: random.Random, wish: Wish) -> Wish:
    """Half of those who are asked get a letter with a link."""
    return replace(wish, waits="link") if wish.waits == "answer" and dice.random() < 0.5 else wish


def _desk_deed(dice: random.Random) -> str:
    return dice.choices(("ship", "parts", "short", "none", "return"), (60, 15, 10, 8, 7))[0]


def _rounds(dice: random.Random, orders: int) -> Iterator[Round]:
    deck = _shuffled(dice)
    for after in range(3, orders, ORDERS_PER_ROUND):
        at_once = dice.choices((1, 2, 3), (55, 30, 15))[0]
        blows = [next(deck) for _blow in range(at_once)]
        # two faults at once must not hit the same process
        yield Round(after, tuple({blow.target: blow for blow in blows}.values()))


def _shuffled(dice: random.Random) -> Iterator[Blow]:
    """Yield every item once before any is repeated."""
    deeds = [(kind, target) for kind, targets in DEEDS.items() for target in targets]
    lines = [(kind, target) for kind in LINE_TROUBLES for target in LINE_NAMES]
    calls = [(kind, target) for target, kinds in PARTNER_FAULTS.items() for kind in kinds]
    deck = [*deeds, *lines, *calls]
    while True:
        dice.shuffle(deck)
        for kind, target in deck:
            yield Blow(kind, target, dice.uniform(0.4, 2.5), dice.choice((0.3, 0.7, 1.0)))
