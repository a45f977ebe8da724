"""The pieces of the fastpath, each with the request that it is for and what turns it off."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from django.conf import settings

from accounts import layout
from accounts import selectors as seats
from accounts.access import once
from catalog import freshness, rendered
from catalog import selectors as products
from catalog import views as catalogue
from catalog.storefront import viewed
from catalog.yours import selectors as kept
from fulfillment import services as deliveries
from fulfillment.virtual import saga as virtual
from fulfillment.virtual import services as answers
from inventory import services as stock
from loyalty_portal.admin_site import home
from loyalty_portal.data import leases, lifecycle
from loyalty_portal.fastpath.postgresql.base import DatabaseWrapper
from redemption.backoffice import order_record
from redemption.checkout import selectors as offers
from redemption.checkout import services as checkout
from redemption.checkout.cart import selectors as cart
from redemption.incidents import partners
from redemption.messages import notifications
from redemption.points.header import providers
from redemption.points.reconciliation import statements
from redemption.saga import line_news, steps, tasks, transactions


@dataclass(frozen=True)
class Piece:
    """`off` names what is replaced by its plain form: a module or class, and an attribute of it."""

    name: str
    request: str
    off: tuple[tuple[Any, str], ...]
    template: str = ""  # only for this template


def plainly(act: Callable[..., Any], template: str = "") -> Callable[..., Any]:
    """The same with FASTPATH=false; of a cached fragment only where it is of this template."""

    def run(*args: Any, **named: Any) -> Any:
        if template and template not in args:
            return act(*args, **named)
        settings.FASTPATH = False
        try:
            return act(*args, **named)
        finally:
            settings.FASTPATH = True

    return run


def made_each_time(_key: str, *, make: Callable[[], Any], **_more: Any) -> Any:
    return make()


_HEADER = ((providers, "_of_approvers"), (providers, "_of_others"))
_UPDATES = ((leases, "update"), (leases, "insert"), (lifecycle, "update"))
_KEYED = ((once, "insert_unknown"), (once, "update"))
_CART = ((checkout, "update"), (checkout, "delete"))
_FRAGMENTS = ("frame/_balance", "frame/_menu", "frame/_nav", "_messages")
PIECES = [
    Piece("several queries at once", "record of an order", ((order_record, "read_together"),)),
    Piece("several queries at once", "first page of the back office", ((home, "read_together"),)),
    Piece("connection check", "list", ((DatabaseWrapper, "is_usable"),)),
    Piece("connection check", "settling a debit", ((DatabaseWrapper, "is_usable"),)),
    Piece("query: seats", "list", ((seats, "_usable_seats"),)),
    Piece("query: seats", "product", ((seats, "_usable_seats"),)),
    Piece("query: seats", "placing an order", ((seats, "_usable_seats"),)),
    Piece("query: header", "list", _HEADER),
    Piece("query: header", "product", _HEADER),
    Piece("query: cards by key", "list", ((products, "_cards_by_key"),)),
    Piece("query: favourites", "list", ((kept, "_kept_of_page"),)),
    Piece("query: product", "product, first time", ((products, "_offered_by_slug"),)),
    Piece("query: cart lines", "cart", ((cart, "_cart_lines"),)),
    Piece("query: cart lines", "placing an order", ((cart, "_cart_lines"),)),
    Piece("query: due transaction", "settling a debit", ((transactions, "_due"),)),
    Piece("query: locked order", "settling a debit", ((steps, "_locked"),)),
    Piece("query: lines of the order", "settling a debit", ((steps, "_items"),)),
    Piece("query: what is due next", "settling a debit", ((tasks, "_due_of_order"),)),
    Piece("query: what is due next", "asking for a delivery", ((tasks, "_due_of_line"),)),
    Piece("query: key", "call by a key", ((seats, "_keys_by_hash"),)),
    Piece("query: products by SKU", "placing by a key", ((offers, "_offered_by_skus"),)),
    Piece("query: partner's trouble", "placing an order", ((partners, "_CREDENTIAL_CASES"),)),
    Piece("query: due call", "asking for a delivery", ((virtual, "_due"),)),
    Piece("query: locked delivery", "asking for a delivery", ((answers, "_locked"),)),
    Piece("query: locked line", "shipping a parcel", ((line_news, "_line"),)),
    Piece("query: letter", "sending a letter", ((notifications, "_read"),)),
    Piece("query: lines of the letter", "sending a letter", ((notifications, "_items"),)),
    Piece("insert: order", "placing an order", ((stock, "insert"),)),
    Piece("insert: parcels", "settling a debit", ((deliveries, "insert"),)),
    Piece("insert: codes", "asking for a delivery", ((answers, "insert_unknown"),)),
    Piece("insert: view", "product", ((viewed, "insert_unknown"),)),
    Piece("insert, update: keyed call", "placing by a key", _KEYED),
    Piece("insert: statement", "keeping a statement", ((statements, "insert"),)),
    Piece("update: claim, status, event", "settling a debit", _UPDATES),
    Piece("update: claim", "sending a letter", _UPDATES),
    Piece("update, delete: cart", "placing an order", _CART),
    Piece("update: stock", "placing an order", ((stock, "_moved"),)),
    Piece("update: stock", "shipping a parcel", ((stock, "_consumed"),)),
    *(
        Piece(f"fragment: {name}", "list", ((layout, "cached_fragment"),), f"ui/{name}.html")
        for name in _FRAGMENTS
    ),
    Piece("page", "list", ((catalogue, "cached_page"),)),
    Piece("page", "product", ((catalogue, "cached_page"),)),
    Piece("fragment: results", "list, results alone", ((catalogue, "cached_fragment"),)),
    Piece("fragments: filters, results", "list", ((rendered, "cached_fragment"),)),
    Piece("fragments: choices, links", "list", ((rendered, "cached_fragments"),)),
    Piece("held values", "list", ((freshness, "held_value"),)),
    Piece("fragment: tally", "product", ((rendered, "cached_fragment"),)),
    Piece("fragment: tally", "product, tally alone", ((rendered, "cached_fragment"),)),
    Piece("cached product", "product", ((freshness, "cached_value"),)),
]


# Functions that return a query for each tier.
OF_A_TIER = {"_offered_by_slug", "_offered_by_skus", "_cards_by_key"}


@contextmanager
def without(piece: Piece) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name in piece.off:
            fast = getattr(owner, name)
            plain: Any = plainly(fast, piece.template)
            if name in OF_A_TIER:
                plain = lambda tier, fast=fast: plainly(fast(tier))  # noqa: E731
            elif name == "cached_value":
                plain = made_each_time
            stack.enter_context(patch.object(owner, name, plain))
        yield


@contextmanager
def all_plain() -> Iterator[None]:
    settings.FASTPATH = False
    try:
        yield
    finally:
        settings.FASTPATH = True
