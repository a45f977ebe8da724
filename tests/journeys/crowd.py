"""Many buyers who want the same product at the same moment, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import httpx

from accounts.models import AccountManager, Role
from catalog.models import Product
from redemption.checkout.cart.services import add_to_cart
from tests.redemption.world import World
from tests.support.visitor import Visitor
from tests.support.waiting import all_at_once

Visitors = Callable[[AccountManager], Visitor]
SEATS_OF_ONE = 10  # seats for each company


def redeem_at_once(
    shop: World, visitor_for: Visitors, product: Product, *, buyers: int
) -> list[httpx.Response]:
    """Bring so many buyers to the checkout with one piece each, and submit all forms at once."""
    seats: list[AccountManager] = []
    while len(seats) < buyers:
        company = shop.new_company(points=1_000_000)
        seats += [shop.new_seat(Role.BUYER, company) for _number in range(SEATS_OF_ONE)]
    del seats[buyers:]
    for seat in seats:
        add_to_cart(seat=seat, product=product, quantity=1)
    visitors = [visitor_for(seat) for seat in seats]
    filled_in = [(visitor, visitor.checkout()) for visitor in visitors]
    return all_at_once([partial(visitor.send, form) for visitor, form in filled_in])
