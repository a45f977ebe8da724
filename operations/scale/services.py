"""Makes a portal of the size that a large programme reaches, from the demo's rows.

The demo's orders, companies and products were made by the portal's own services. They are copied
under new keys, to other companies, products, recipients and days, so that what must hold of an
order holds of each copy. The history triggers are off meanwhile.
"""

import string
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import AccountManager, Address, Company, KnownBalance, User
from catalog.models import Family, Product
from fulfillment.models import Fulfillment, Shipment, ShipmentLine, VirtualCode
from inventory.models import Inventory, Reservation, StockMovement
from loyalty_portal.data.encrypted_field import encrypt, fingerprint
from loyalty_portal.data.ids import order_number
from operations.demo.people import COMPANIES
from operations.scale.moulds import Keys, Mould, Texts, belonging, copy_in, history_triggers_off
from operations.scale.stock import fill_stock
from redemption.models import IncidentCase, RedemptionOrder

DAYS = 730  # over which orders and products are spread
ORDERS_A_COMPANY = 500
ENCRYPTED = ("code", "pin", "url")  # encrypted columns of a code
OPEN_ORDERS = 400  # of so many copies one is of an order that is still open
BATCH = 1_000  # copies written in one transaction
SOFT = {Fulfillment: "reference", Reservation: "reference", StockMovement: "reference"}
FIRST = ("Ada", "Bo", "Cem", "Dora", "Emil", "Finn", "Greta", "Hana", "Ivo", "Jana", "Kai", "Lea")
SYLLABLES = ("ba", "de", "fi", "go", "lu", "ma", "ne", "po", "ri", "sa", "to", "vu", "wi", "xa")

Say = Callable[[str], None]
Values = dict[str, str]


class ScaleError(Exception):
    """The database cannot be filled; the message is a sentence for whoever runs the command."""


@dataclass(slots=True)
class Copies:
    """The copies that orders refer to: for each copied key the keys and texts of its copies."""

    companies: dict[UUID, list[Values]] = field(default_factory=lambda: defaultdict(list))
    products: dict[UUID, list[Values]] = field(default_factory=lambda: defaultdict(list))


def multiply(*, products: int, orders: int, say: Say) -> None:
    """Copy the demo's products and orders until there are so many. Nothing else may run meanwhile.

    Raises ScaleError where the demo is missing, or copies are there already.
    """
    demo = _demo_companies()
    if len(demo) != len(COMPANIES):
        raise ScaleError("Seed the demo into this database first: manage.py seed_demo.")
    if Company.objects.exclude(pk__in=[company.pk for company in demo]).exists():
        raise ScaleError("This database has other companies than the demo's. Use an empty one.")
    dice = Random(2026)  # noqa: S311 - sample data, no secret
    copies = Copies()
    with history_triggers_off():
        _copy_companies(copies, -(-orders // ORDERS_A_COMPANY))
        say(f"{Company.objects.count():,} companies")
        _copy_products(copies, products, say)
        _copy_orders(copies, orders, dice, say)
        with transaction.atomic():
            fill_stock(since=timezone.now() - timedelta(days=DAYS + 1))
    say("statistics")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # as PostgreSQL does by itself, but later


# --- Companies ------------------------------------------------------------------------------


def _copy_companies(copies: Copies, number: int) -> None:
    moulds = [(company, *_company_mould(company)) for company in Company.objects.all()]
    texts: Texts = defaultdict(list)
    for count in range(max(number, len(moulds))):
        company, mould, slots = moulds[count % len(moulds)]
        values = {slot: _renamed(text, slot, count) for text, slot in slots.items()}
        values |= mould.fresh_keys(0) | mould.moved_days(0)
        mould.pour(values, texts)
        copies.companies[company.pk].append(values)
    with transaction.atomic():
        copy_in(texts)


def _company_mould(company: Company) -> tuple[Mould, Values]:
    """The mould of a company with its people, and the slots of its texts."""
    seats = company.seats.select_related("user")
    rows: Keys = {
        Company: {company.pk},
        User: {seat.user_id for seat in seats},
        AccountManager: {seat.pk for seat in seats},
        Address: set(company.addresses.values_list("pk", flat=True)),
        KnownBalance: set(
            KnownBalance.objects.filter(company=company).values_list("pk", flat=True)
        ),
    }
    slots = {company.name: "company", company.loyalty_account_id: "account"}
    for seat in seats:
        slots |= {
            seat.user.email: f"email {seat.user.email}",
            seat.user.name: f"person {seat.user.name}",
        }
    return Mould(rows, slots), slots


def _renamed(text: str, slot: str, count: int) -> str:
    """The text of a company's or person's copy: unique where it must be."""
    if slot.startswith("email"):
        name, _, domain = text.partition("@")
        return f"{name}.{count}@{domain}"
    if slot.startswith("person"):
        return f"{text.split(maxsplit=1)[0]} {_surname(count)}"
    return f"{text}-{count}" if slot == "account" else f"{_surname(count)} {text}"


def _surname(number: int) -> str:
    name = ""
    for _syllable in range(3):
        number, rest = divmod(number, len(SYLLABLES))
        name += SYLLABLES[rest]
    return name.capitalize()


# --- Products -------------------------------------------------------------------------------


def _copy_products(copies: Copies, number: int, say: Say) -> None:
    shelves = [*_families(), *([product] for product in Product.objects.filter(family=None))]
    moulds = [_products_mould(products) for products in shelves]
    made, count = Product.objects.count(), 0
    texts: Texts = defaultdict(list)
    while made < number or count < len(moulds):  # each at least once, since orders need it
        mould, slots, products = moulds[count % len(moulds)]
        values = {
            slot: f"{text} {count}" if slot.startswith("name") else f"{text}-{count}"
            for text, slot in slots.items()
        }
        values |= mould.fresh_keys(0) | mould.moved_days(-(count * 41 % DAYS))
        mould.pour(values, texts)
        for product in products:
            own = {
                str(product.pk): values[str(product.pk)],
                f"sku {product.sku}": values[f"sku {product.sku}"],
            }
            copies.products[product.pk].append(own)
        made, count = made + len(products), count + 1
        if count % BATCH == 0 or made >= number:
            with transaction.atomic():
                copy_in(texts)
            say(f"{made:,} of {number:,} products")


def _families() -> Iterator[list[Product]]:
    for family in Family.objects.all():
        products = list(family.products.all())
        if products:
            yield products


def _products_mould(products: Sequence[Product]) -> tuple[Mould, Values, Sequence[Product]]:
    keys = {product.pk for product in products}
    # The stock first: a product without a row would get one from its trigger.
    rows: Keys = {
        Inventory: set(Inventory.objects.filter(product__in=keys).values_list("pk", flat=True)),
        Product: keys,
    }
    slots: Values = {}
    for product in products:
        slots |= {product.sku: f"sku {product.sku}", product.slug: f"slug {product.slug}"}
        slots |= {product.name: f"name {product.name}"}
        if product.family:
            rows[Family] = {product.family.pk}
            slots |= {product.family.code: "code"}
    return Mould(rows, slots), slots, products


# --- Orders ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _OrderMould:
    mould: Mould
    order: RedemptionOrder
    products: Sequence[Product]
    texts: Values  # slots of what is drawn anew, by their texts
    codes: Sequence[VirtualCode]

    def values(self, copies: Copies, count: int, days: int, dice: Random) -> Values:
        """The texts of one copy, which is placed `days` after the order that is copied."""
        made = datetime.fromtimestamp((self.order.pk.int >> 80) / 1000, UTC)
        placed = self.order.created_at + timedelta(days=days)
        values = self.mould.fresh_keys(int((placed - made).total_seconds() * 1000))
        values |= self.mould.moved_days(days)
        values |= dice.choice(copies.companies[self.order.company_id])
        for product in self.products:
            values |= dice.choice(copies.products[product.pk])
        for text, slot in self.texts.items():
            values[slot] = _drawn(slot, text, count, dice)
        for code in self.codes:
            values |= _sealed(code, values[str(code.pk)], dice)
        return values


def _order_mould(order: RedemptionOrder, company_slots: Values) -> _OrderMould:
    rows = belonging(order, soft=SOFT, leave_out=[IncidentCase])
    lines = ShipmentLine.objects.filter(pk__in=rows.get(ShipmentLine, ()))
    rows[Shipment] = {line.shipment_id for line in lines}
    products = {item.product for item in order.items.select_related("product")}
    drawn: Values = {order.order_number: "number", str(order.token): "token"}
    for item in order.items.all():
        drawn |= {item.recipient_name: "name", item.recipient_email: "email"}
    for entry in order.transactions.all():
        drawn |= {entry.external_transaction_id: f"entry {entry.pk}"}
    for parcel in Fulfillment.objects.filter(pk__in=rows.get(Fulfillment, ())):
        key = parcel.parcel_key
        drawn |= {parcel.partner_id: f"partner {parcel.pk}", key: f"parcel {key[:16]}"}
    for sent in Shipment.objects.filter(pk__in=rows[Shipment]):
        drawn |= {sent.tracking_number: f"tracking {sent.pk}"}
    drawn.pop("", None)
    slots = {**company_slots, **drawn}
    for product in products:
        slots |= {str(product.pk): str(product.pk), product.sku: f"sku {product.sku}"}
    codes = list(VirtualCode.objects.filter(pk__in=rows.get(VirtualCode, ())))
    for code in codes:
        slots |= {vars(code)[name].stored: f"{name} {code.pk}" for name in ENCRYPTED}
        slots |= {code.fingerprint: f"fingerprint {code.pk}"}
    return _OrderMould(Mould(rows, slots), order, list(products), drawn, codes)


def _sealed(code: VirtualCode, key: str, dice: Random) -> Values:
    """New secrets of a copied code, encrypted for its row."""
    table, new = code._meta.db_table, "-".join(_letters(dice, 4) for _ in range(4))
    plain = {
        "code": new,
        "pin": f"{dice.randrange(10_000):04}",
        "url": f"https://gifts.example.com/redeem/{new}",
    }
    sealed = {
        f"{name} {code.pk}": encrypt(text, place=f"{table} {name} {key}")
        for name, text in plain.items()
    }
    return sealed | {f"fingerprint {code.pk}": fingerprint(new)}


def _letters(dice: Random, number: int) -> str:
    return "".join(dice.choices(string.ascii_uppercase, k=number))


def _drawn(slot: str, text: str, count: int, dice: Random) -> str:
    if slot == "number":
        return order_number()
    if slot == "token":
        return str(uuid4())
    if slot == "name":
        return f"{dice.choice(FIRST)} {_surname(dice.randrange(2744))}"
    if slot == "email":
        return f"{_surname(dice.randrange(2744)).lower()}.{count}@{text.partition('@')[2]}"
    if slot.startswith("parcel"):
        return sha256(f"{text} {count}".encode()).hexdigest()
    return f"{text}-{count}"


def _copy_orders(copies: Copies, number: int, dice: Random, say: Say) -> None:
    ended, still_open = _order_moulds()
    last = max(day for each in ended for day in each.mould.days)
    texts: Texts = defaultdict(list)
    made = RedemptionOrder.objects.count()
    missing = max(0, number - made)
    for count in range(missing):
        if count % OPEN_ORDERS == 0 and still_open:
            each, days = dice.choice(still_open), 0  # earlier, its deadlines would have passed
        else:
            each = dice.choice(ended)
            wanted = DAYS * (missing - count) // missing
            days = -max(0, wanted - (last - each.order.created_at.date()).days)
        each.mould.pour(each.values(copies, count, days, dice), texts)
        if (count + 1) % BATCH == 0 or count + 1 == missing:
            with transaction.atomic():
                copy_in(texts)
            if (count + 1) % (20 * BATCH) == 0 or count + 1 == missing:
                say(f"{made + count + 1:,} of {number:,} orders")


def _order_moulds() -> tuple[list[_OrderMould], list[_OrderMould]]:
    """The moulds of the demo's orders that ended well, and of those that are still open."""
    ended: list[_OrderMould] = []
    still_open: list[_OrderMould] = []
    companies = {company.pk: _company_mould(company) for company in _demo_companies()}
    orders = RedemptionOrder.objects.filter(company__in=companies, needs_attention=False)
    for order in orders:
        mould, slots = companies[order.company_id]
        made = _order_mould(order, slots | {key: key for key in mould.keys})
        (ended if order.is_final else still_open).append(made)
    return ended, still_open


def _demo_companies() -> list[Company]:
    accounts = [data.account_id for data in COMPANIES]
    return list(Company.objects.filter(loyalty_account_id__in=accounts))
