"""Plans the demo's orders: who ordered what and when, and what happened afterwards.

Plans are drawn with a fixed random seed, so every demo is the same. The steps of a plan take days.
Only the steps that are in the past are carried out, so the demo has orders at every stage.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from random import Random
from uuid import NAMESPACE_URL, UUID, uuid5

from accounts.models import Role, TierLevel
from catalog.models import ProductType
from catalog.services import ProductData
from loyalty_portal.data.countries import code_of
from operations.demo import steps
from operations.demo.catalogue import products
from operations.demo.people import COMPANIES, CompanyData
from operations.demo.steps import Act

SEED = 2026
DAYS = 61
# Number of orders.
OFTEN = {"Northwind Logistics": 112, "Halden & Moore": 76, "Brightwater Dental": 46}
AT_MOST = {"Northwind Logistics": 90_000, "Halden & Moore": 60_000, "Brightwater Dental": 22_000}
LATEST = timedelta(minutes=25)  # drawn orders are older than this; newer ones are scripted
SHORT_OF = (
    "The manufacturer has stopped making it.",
    "Damaged in our warehouse; no other piece is left.",
    "The supplier cannot deliver this colour any more.",
)
RETURNED = ("Arrived with a dent.", "Wrong size; the recipient sent it back.", "Did not work.")
CANCELLED = ("Ordered twice by mistake.", "The event was called off.", "Wrong address.")
NOTES = ("", "", "", "For the anniversary dinner.", "Please pack as a gift.", "Sales contest.")
COLLEAGUES = (
    "Amira Haddad", "Bruno Costa", "Dana Whitfield", "Emil Sørensen", "Farah Siddiqui",
    "Gustav Lindgren", "Helena Petrova", "Ivan Horvat", "Julia Becker", "Kofi Mensah",
    "Lucia Romano", "Mateo Fernández", "Noor van Dijk", "Oskar Nowak", "Paula Schneider",
)  # fmt: skip
Minutes = float


@dataclass(frozen=True, slots=True)
class Wanted:
    """One order line: a product, a quantity and a recipient."""

    product: ProductData
    quantity: int
    recipient: dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """One order. `course` lists the steps after it was placed, each with its minute."""

    token: UUID
    company: CompanyData
    email: str
    placed_at: datetime
    lines: Sequence[Wanted]
    course: Sequence[tuple[Minutes, Act]]
    reference: str
    note: str


@dataclass(slots=True)
class Planner:
    """Draws orders up to the time `now`; the same ones each time."""

    now: datetime
    dice: Random = field(default_factory=lambda: Random(SEED))  # noqa: S311 - a demo, no secret
    count: int = 0

    def drawn(self) -> list[Plan]:
        """The randomly drawn orders."""
        return [
            self._draw(company) for company in COMPANIES for _order in range(OFTEN[company.name])
        ]

    # --- Random orders ---------------------------------------------------------------------

    def _draw(self, company: CompanyData) -> Plan:
        lines = self._lines(company)
        waits = company.threshold is not None and _points(lines) > company.threshold
        course: list[tuple[Minutes, Act]] = []
        start = 0.05
        if waits:
            start = self.dice.uniform(40, 1_300)
            course.append((start, steps.approve))
            start += 0.05
        course.append((start, steps.settle))
        if self.dice.random() < 0.04:
            course += self._called_off(start)
        else:
            course += [step for line in lines for step in self._line(line, start)]
        return self.plan(company, self._office_hours(), lines, course)

    def _called_off(self, start: Minutes) -> list[tuple[Minutes, Act]]:
        then = start + self.dice.uniform(1, 50)
        why = partial(steps.cancel, reason=self.dice.choice(CANCELLED))
        return [(then, why), (then + 0.1, steps.give_back)]

    def _line(self, line: Wanted, start: Minutes) -> Iterator[tuple[Minutes, Act]]:
        if _is_virtual(line.product):
            return self._virtual(line, start)
        return self._physical(line, start)

    def _virtual(self, line: Wanted, start: Minutes) -> Iterator[tuple[Minutes, Act]]:
        sku = line.product.sku
        then = start + self.dice.uniform(0.2, 9)
        if self.dice.random() < 0.03:
            yield then, partial(steps.fail_to_send, sku=sku)
            yield then + 0.1, steps.give_back
            return
        yield then, partial(steps.send_codes, sku=sku)
        if self.dice.random() < 0.3:
            yield then + self.dice.uniform(30, 2_000), partial(steps.reveal, sku=sku)

    def _physical(self, line: Wanted, start: Minutes) -> Iterator[tuple[Minutes, Act]]:
        sku, whole, roll = line.product.sku, line.quantity, self.dice.random()
        then = start + self.dice.uniform(60, 2_400)
        yield then, partial(steps.claim, sku=sku)
        if roll < 0.04:
            then += self.dice.uniform(10, 90)
            yield then, partial(steps.cannot_supply, sku=sku, reason=self.dice.choice(SHORT_OF))
            yield then + 0.1, steps.give_back
            return
        first = whole // 2 if whole > 1 and roll < 0.3 else whole
        then += self.dice.uniform(5, 900)
        arrived = yield from self._parcel(sku, first, then)
        if first < whole:
            then += self.dice.uniform(1_000, 2_500)
            if roll < 0.10:
                why = self.dice.choice(SHORT_OF)
                yield then, partial(steps.cannot_supply, sku=sku, reason=why)
                yield then + 0.1, steps.give_back
            else:
                arrived = yield from self._parcel(sku, whole - first, max(then, arrived))
        if roll > 0.97:
            then = max(then, arrived) + self.dice.uniform(3_000, 12_000)
            yield then, partial(steps.take_back, sku=sku, reason=self.dice.choice(RETURNED))
            yield then + 0.1, steps.give_back

    def _parcel(
        self, sku: str, quantity: int, packed: Minutes
    ) -> Generator[tuple[Minutes, Act], None, Minutes]:
        """Pack, ship and deliver a parcel. Returns the minute of delivery."""
        shipped = packed + self.dice.uniform(20, 400)
        arrived = shipped + self.dice.uniform(1_100, 5_000)
        yield packed, partial(steps.pack, sku=sku)
        yield shipped, partial(steps.ship, sku=sku, quantity=quantity)
        yield arrived, partial(steps.deliver, sku=sku)
        return arrived

    # --- Who, when, what -------------------------------------------------------------------

    def plan(
        self,
        company: CompanyData,
        placed_at: datetime,
        lines: Sequence[Wanted],
        course: Sequence[tuple[Minutes, Act]],
    ) -> Plan:
        """Plan an order by a random person of the company, most often a buyer."""
        self.count += 1
        buyers = [mail for mail, (_name, role) in company.people.items() if role == Role.BUYER]
        others = [mail for mail, (_name, role) in company.people.items() if role != Role.VIEWER]
        return Plan(
            token=uuid5(NAMESPACE_URL, f"demo order {self.count}"),
            company=company,
            email=self.dice.choice(buyers if self.dice.random() < 0.8 else others),
            placed_at=placed_at,
            lines=lines,
            course=sorted(course, key=lambda step: step[0]),
            reference=f"PO-{20_000 + self.count * 7}" if self.dice.random() < 0.4 else "",
            note=self.dice.choice(NOTES),
        )

    def wanted(self, company: CompanyData, product: ProductData, quantity: int) -> Wanted:
        """Plan one line: a virtual product for a colleague, or a parcel to a company address."""
        if _is_virtual(product):
            name = self.dice.choice(COLLEAGUES)
            first = name.split()[0].lower()
            domain = next(iter(company.people)).partition("@")[2]
            recipient = {"recipient_name": name, "recipient_email": f"{first}@{domain}"}
        else:
            name, street, postcode, city, country = self.dice.choice(company.addresses)
            recipient = {
                "recipient_name": name,
                "address_line1": street,
                "postcode": postcode,
                "city": city,
                "country": code_of(country),
            }
        return Wanted(product, quantity, recipient)

    def _lines(self, company: CompanyData) -> list[Wanted]:
        """Draw one to three products that the company can afford at once."""
        offered = _offered_to(company.tier)
        weights = [product.points_cost**-0.4 for product in offered]
        most, lines = AT_MOST[company.name], list[Wanted]()
        for _line in range(self.dice.choice((1, 1, 1, 2, 2, 3))):
            product = self.dice.choices(offered, weights)[0]
            left = (most - _points(lines)) // product.points_cost
            known = {line.product.sku for line in lines}
            if left and product.sku not in known:
                often = (1, 1, 1, 2, 3) if product.points_cost > 6_000 else (1, 1, 2, 3, 4, 6)
                quantity = min(self.dice.choice(often), left)
                lines.append(self.wanted(company, product, quantity))
        return lines or self._lines(company)

    def _office_hours(self) -> datetime:
        """Draw a time in the past, nearly always in office hours; a few are on a weekend."""
        days = int(DAYS * self.dice.random() ** 1.5)
        minutes = self.dice.triangular(7 * 60, 19 * 60, 10.5 * 60)
        morning = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        moment = morning - timedelta(days=days) + timedelta(minutes=minutes)
        if moment.weekday() >= 5 and self.dice.random() < 0.8:
            moment -= timedelta(days=2)
        return moment if moment < self.now - LATEST else moment - timedelta(days=1)


def _is_virtual(product: ProductData) -> bool:
    return product.product_type == ProductType.VIRTUAL


def _points(lines: Sequence[Wanted]) -> int:
    return sum(line.quantity * line.product.points_cost for line in lines)


@cache
def _offered_to(tier: str) -> list[ProductData]:
    """The products that a company of this tier can redeem today and could two months ago."""
    return [
        product
        for product in products()
        if product.is_active
        and product.available_from is None
        and product.available_until is None
        and product.minimum_tier in TierLevel.up_to(tier)
    ]
