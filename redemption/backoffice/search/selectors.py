"""Finds orders, products, companies and people by what staff have in front of them.

Each branch of a search is answered by one index, and reads at most a few rows. No personal data
is in an address: the page posts what is searched for.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Model, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Upper
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Company, User
from catalog.models import Product
from catalog.search.finding import with_words as products_with
from catalog.selectors import search_words
from fulfillment.desk.selectors import lines_tracked_as
from fulfillment.models import Channel, Fulfillment, VirtualCode
from loyalty_portal.admin_site.found import with_words
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.encrypted_field import fingerprints
from loyalty_portal.data.ids import order_number_in
from redemption.models import LoyaltyTransaction, OrderItem, RedemptionOrder

SHOWN = 10  # hits of one kind
LONGEST = 200  # characters of a search; scanners and pastes may send more


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found. `exact`: the whole text is this row's number or name."""

    title: str
    says: str
    href: str
    exact: bool


@dataclass(frozen=True, slots=True)
class HitsOfKind:
    """The hits of one kind, at most SHOWN. `more`: there are others."""

    title: Promise
    hits: Sequence[Hit]
    more: bool


@dataclass(frozen=True, slots=True)
class _SearchKind:
    """A kind of rows, for those with `permission` and without `unless`."""

    title: Promise
    permission: str
    find: Callable[[str], Iterator[Hit]]
    unless: str = ""


def find(text: str, *, by: Actor) -> list[HitsOfKind]:
    """What `text` finds among what the actor may see, without kinds that have no hit."""
    term = " ".join(text.replace("\0", "").split())[:LONGEST].strip()
    if not term:
        return []
    found = []
    for kind in _KINDS:
        if by.has_perm(kind.permission) and not (kind.unless and by.has_perm(kind.unless)):
            hits = sorted(kind.find(term), key=lambda hit: not hit.exact)
            found.append(HitsOfKind(kind.title, hits[:SHOWN], len(hits) > SHOWN))
    return [each for each in found if each.hits]


def only_exact(found: Sequence[HitsOfKind]) -> str:
    """The address of the one row that was meant; empty unless exactly one hit is exact."""
    exact = {hit.href for each in found for hit in each.hits if hit.exact}
    return exact.pop() if len(exact) == 1 else ""


_EXACTLY = Value(True)


@dataclass(frozen=True, slots=True)
class _Branch:
    """Rows that a term finds through one index, and which of their columns names the result."""

    rows: QuerySet[Any]
    key: str
    exact: Combinable = _EXACTLY

    def some(self) -> QuerySet[Any]:
        """At most one row more than is shown, as (key of the result, whether it is exact)."""
        told = self.rows.order_by().annotate(result=F(self.key), exact=self.exact)
        some: QuerySet[Any] = told.values_list("result", "exact")[: SHOWN + 1]
        return some


def _keys(branches: Sequence[_Branch]) -> dict[UUID, bool]:
    """The keys of what the branches find, in one statement, each with whether it is exact."""
    first, *others = [branch.some() for branch in branches]
    found: dict[UUID, bool] = {}
    for result, exact in first.union(*others, all=True):
        found[result] = found.get(result, False) or exact
    return found


def _parcels_by(term: str, key: str) -> list[_Branch]:
    """Fulfillments by the partner's id, a tracking number or a code; `key` names the result."""
    plain = term.replace(" ", "")
    codes = VirtualCode.objects.valid().filter(fingerprint__in=fingerprints(plain))
    sent = lines_tracked_as(plain.upper())
    parcels = Fulfillment.objects.all()
    return [
        _Branch(parcels.filter(partner_id=plain), key),
        _Branch(parcels.filter(pk__in=sent.values("fulfillment")), key),
        _Branch(parcels.filter(pk__in=codes.values("fulfillment")), key),
    ]


def _recipients(rows: QuerySet[Any], term: str, key: str) -> list[_Branch]:
    """Rows by the e-mail address or the name of their recipient, `key` names the result."""
    named = _Branch(with_words(rows, term, "recipient_name"), key, Value(False))
    of_address = _Branch(rows.filter(recipient_email__iexact=term), key)
    beginning = _Branch(rows.filter(recipient_email__istartswith=term), key, Value(False))
    return [of_address, beginning, named]


def _lines_and_orders(term: str) -> Iterator[Hit]:
    orders = RedemptionOrder.objects.all()
    referred = orders.exclude(reference="")
    booked = LoyaltyTransaction.objects.filter(external_transaction_id=term.replace(" ", ""))
    number = order_number_in(term)
    keys = _keys(
        [
            _Branch(orders.filter(order_number=number), "pk"),
            _Branch(referred.filter(reference__iexact=term), "pk"),
            _Branch(referred.filter(reference__istartswith=term), "pk", Value(False)),
            # Nobody is called like an order; to look for its parts as words takes longest.
            *([] if number else _recipients(OrderItem.objects.all(), term, "order")),
            _Branch(booked, "order"),
        ]
    )
    lines = _keys(_parcels_by(term, "reference"))
    for line, its_order in OrderItem.objects.filter(pk__in=lines).values_list("pk", "order"):
        keys[its_order] = keys.get(its_order, False) or lines[line]
    found = orders.filter(pk__in=keys).select_related("company")
    for order in found.order_by("-created_at", "-id"):
        said = [str(order.company), order.reference, order.get_status_display()]
        says = " · ".join(part for part in said if part)
        yield Hit(order.order_number, says, _page(order), keys[order.pk])


def _parcels(term: str) -> Iterator[Hit]:
    parcels = Fulfillment.objects.all()
    keys = _keys(
        [
            _Branch(parcels.filter(label=order_number_in(term)), "pk"),
            *_parcels_by(term, "pk"),
        ]
    )
    told: set[object] = set()
    for line in parcels.filter(pk__in=keys).order_by("-promised_by", "-id"):
        at_desk = line.channel == Channel.DESK
        parcel = (at_desk and line.parcel_key) or line.pk
        if parcel in told:  # a parcel is one page, whatever line it is opened by
            continue
        told.add(parcel)
        there = reverse("admin:fulfillment_desk_parcel", args=[line.pk]) if at_desk else _page(line)
        says = f"{line.quantity} × {line.product_name} · {line.recipient_name}"
        yield Hit(line.label, says, there, keys[line.pk])


def _products(term: str) -> Iterator[Hit]:
    # Its own query: the words may find more than are shown, in any order.
    products = Product.objects.order_by().defer("search", "description")
    found = list(products.alias(number=Upper("sku")).filter(number=term.upper()))
    exact = {product.pk for product in found}
    if search_words(term):
        found.extend(products_with(products, term)[: SHOWN + 1])
    for product in {each.pk: each for each in found}.values():
        yield Hit(product.name, product.sku, _page(product), product.pk in exact)


def _each_once(*found: QuerySet[Any]) -> Iterable[Any]:
    """The rows of all these, each once, in one statement."""
    first, *others = found
    return {row.pk: row for row in first.union(*others, all=True)}.values()


def _companies(term: str) -> Iterator[Hit]:
    named = with_words(Company.objects.order_by(), term, "name")[: SHOWN + 1]
    of_account = Company.objects.filter(loyalty_account_id=term)
    of_name = Company.objects.alias(upper=Upper("name")).filter(upper=term.upper()).order_by()
    for company in _each_once(of_account.order_by(), of_name[: SHOWN + 1], named):
        exact = term.upper() in {company.name.upper(), company.loyalty_account_id.upper()}
        yield Hit(company.name, company.loyalty_account_id, _page(company), exact)


def _people(term: str) -> Iterator[Hit]:
    people = User.objects.order_by()
    exact = people.filter(email__iexact=term)[: SHOWN + 1]
    of_address = people.filter(email__istartswith=term)[: SHOWN + 1]
    named = with_words(User.objects.order_by(), term, "name")[: SHOWN + 1]
    for user in _each_once(exact, of_address, named):
        yield Hit(str(user), user.email, _page(user), user.email.upper() == term.upper())


def _page(row: Model) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


_SEES_ORDERS = "redemption.view_redemptionorder"
_KINDS = (
    _SearchKind(_("Orders"), _SEES_ORDERS, _lines_and_orders),
    _SearchKind(_("Parcels"), "fulfillment.view_fulfillment", _parcels, unless=_SEES_ORDERS),
    _SearchKind(_("Products"), "catalog.view_product", _products),
    _SearchKind(_("Companies"), "accounts.view_company", _companies),
    _SearchKind(_("People"), "accounts.view_user", _people),
)
