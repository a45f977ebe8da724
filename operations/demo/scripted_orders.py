"""Orders that are scripted rather than drawn: failures, waiting orders, and current ones."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache, partial

from catalog.services import ProductData
from operations.demo import steps
from operations.demo.catalogue import products
from operations.demo.people import COMPANIES, CompanyData
from operations.demo.plans import Minutes, Plan, Planner
from operations.demo.steps import Act

NORTHWIND, HALDEN, BRIGHTWATER = COMPANIES
AT_ONCE = (0.05, steps.settle)  # minutes, which is three seconds
Course = list[tuple[Minutes, Act]]


@cache
def _named(name: str) -> ProductData:
    return next(product for product in products() if product.name == name)


def special_plans(planner: Planner) -> Iterator[Plan]:
    """Make the plans of all scripted orders."""
    for company, age, wanted, course in (
        *_declined(),
        *_with_approvals(),
        *_for_a_person(),
        *_cancelled_in_part(),
        *_on_the_desk(),
        *_now(),
    ):
        lines = [planner.wanted(company, _named(name), count) for name, count in wanted.items()]
        yield planner.plan(company, _moment(planner, age), lines, course)


def _moment(planner: Planner, age: timedelta) -> datetime:
    """When an order of this age was placed.

    Orders older than five days are placed at 08:17 of their day; recent ones keep their exact age.
    """
    if age < timedelta(days=5):
        return planner.now - age
    morning = planner.now.replace(hour=8, minute=17)
    return morning - timedelta(days=age.days) + timedelta(seconds=age.seconds)


Special = tuple[CompanyData, timedelta, dict[str, int], Course]


def _declined() -> Iterator[Special]:
    many = {"Meridian Choice card, €200": 60}
    yield BRIGHTWATER, timedelta(days=24, hours=3), many, [(0.05, steps.decline)]
    yield (
        NORTHWIND,
        timedelta(days=33, hours=5),
        {"Streamly subscription card, €60": 450},
        [(0.05, steps.decline)],
    )
    yield (
        HALDEN,
        timedelta(days=9, hours=2),
        {"Voltaire Electronics gift card, €250": 60},
        [(95, steps.approve), (95.1, steps.decline)],
    )
    yield (
        BRIGHTWATER,
        timedelta(days=40, hours=6),
        {"Desk lamp Arc, Brass": 1},
        [(0.05, steps.decline_blocked)],
    )


def _with_approvals() -> Iterator[Special]:
    refusals = {
        47: "Please choose something below 20,000 points for a farewell.",
        21: "We ordered the same for this team in spring.",
        6: "Over this quarter's budget; ask again in January.",
    }
    for days, reason in refusals.items():
        why = partial(steps.reject, reason=reason)
        yield HALDEN, timedelta(days=days, hours=4), {"Robot vacuum cleaner": 1}, [(430, why)]
    withdrawn = partial(steps.cancel, reason="The customer chose another present.")
    wanted = {"Standing desk, electric, 120 × 70 cm": 1}
    yield HALDEN, timedelta(days=15, hours=1), wanted, [(200, withdrawn)]
    for days in (30, 12):
        wanted = {"Vireo One phone, Moss": 1, "Desk charger with four ports": 1}
        yield HALDEN, timedelta(days=days, hours=2), wanted, [(72 * 60 + 1, steps.expire)]
    yield HALDEN, timedelta(hours=53), {"Desk chair Luma, Petrol": 2}, []
    yield HALDEN, timedelta(hours=26), {"Vireo Tab 11, Sand": 1, "Notebook set, three sizes": 3}, []
    yield HALDEN, timedelta(hours=3), {"Meridian Choice card, €100": 5}, []


def _for_a_person() -> Iterator[Special]:
    """Orders marked for attention: no clear answer, refused points, a lost parcel."""
    lost = (0.05, steps.leave_unanswered)
    yield NORTHWIND, timedelta(days=3, hours=4), {"Travel backpack 40 l, Pine": 1}, [lost]
    too_late = partial(steps.cancel, reason="It took too long.")
    yield (
        NORTHWIND,
        timedelta(days=5, hours=2),
        {"Casa Verde restaurant card, €50": 2},
        [lost, (34, too_late)],
    )
    sku = _named("Brook Room speaker").sku
    gone = partial(steps.cannot_supply, sku=sku, reason="Damaged in our warehouse.")
    yield (
        NORTHWIND,
        timedelta(days=8, hours=1),
        {"Brook Room speaker": 1},
        [AT_ONCE, (700, gone), (700.1, steps.refuse_credit)],
    )
    sku = _named("Northline Rail voucher, €100").sku
    yield (
        NORTHWIND,
        timedelta(days=2, hours=7),
        {"Northline Rail voucher, €100": 1},
        [AT_ONCE, (0.2, partial(steps.leave_unsent, sku=sku))],
    )
    sku = _named("Wool blanket, Oat").sku
    shipped = partial(steps.ship, sku=sku, quantity=1)
    yield (
        HALDEN,
        timedelta(days=19, hours=5),
        {"Wool blanket, Oat": 1},
        [AT_ONCE, (900, partial(steps.pack, sku=sku)), (990, shipped)],
    )


def _cancelled_in_part() -> Iterator[Special]:
    """An order whose first line is being packed and goes on while the other is cancelled."""
    sku = _named("Hand coffee grinder").sku
    yield (
        NORTHWIND,
        timedelta(days=4, hours=6),
        {"Hand coffee grinder": 1, "Storm umbrella, Black": 2},
        [
            AT_ONCE,
            (60, partial(steps.claim, sku=sku)),
            (75, partial(steps.cancel, reason="Only one of the two is needed.")),
            (75.1, steps.give_back),
            (180, partial(steps.pack, sku=sku)),
            (260, partial(steps.ship, sku=sku, quantity=1)),
            (3_100, partial(steps.deliver, sku=sku)),
        ],
    )


def _on_the_desk() -> Iterator[Special]:
    """Orders at each stage of the desk's work, whatever the time of day."""
    sku = _named("Match football").sku
    claimed = (30, partial(steps.claim, sku=sku))
    yield BRIGHTWATER, timedelta(hours=5), {"Match football": 1}, [AT_ONCE, claimed]
    sku = _named("Scented candle, Cedar").sku
    packed = (210, partial(steps.pack, sku=sku))
    yield NORTHWIND, timedelta(hours=6), {"Scented candle, Cedar": 2}, [AT_ONCE, packed]
    sku = _named("Orchard Market gift card, €50").sku
    failed = (4, partial(steps.fail_to_send, sku=sku))
    given_back = (4.1, steps.give_back)
    wanted = {"Orchard Market gift card, €50": 1}
    yield NORTHWIND, timedelta(days=1, hours=2), wanted, [AT_ONCE, failed, given_back]


def _now() -> Iterator[Special]:
    """Orders placed just now, which the worker continues as soon as it runs."""
    yield NORTHWIND, timedelta(minutes=19), {"Scented candle, Fig": 4}, [AT_ONCE]
    yield NORTHWIND, timedelta(minutes=9), {"Orchard Market gift card, €25": 3}, [AT_ONCE]
    yield NORTHWIND, timedelta(minutes=3), {"Match football": 2}, []
    yield BRIGHTWATER, timedelta(minutes=1), {"Streamly subscription card, €15": 1}, []
