"""What the checkout shows beside its forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from accounts.models import AccountManager, Address, User
from redemption.checkout.cart.selectors import CartPage

MOST_ADDRESSES = 500  # of an address book that can be chosen from a list
MYSELF = "me"


@dataclass(frozen=True, slots=True)
class AddressOption:
    """An entry of the address book."""

    value: str
    label: str
    chosen: bool


def address_book(seat: AccountManager, chosen: str) -> list[AddressOption]:
    """Who one can pick, the company's colleagues and customers."""
    rows = Address.objects.filter(company=seat.company_id)[:MOST_ADDRESSES]
    return [AddressOption(str(row.pk), str(row), str(row.pk) == chosen) for row in rows]


def picked(seat: AccountManager, by: User, chosen: str) -> Mapping[str, str]:
    """The recipient's columns for what was picked; nothing for an entry that is not ours."""
    if chosen == MYSELF:
        return {"recipient_name": by.name, "recipient_email": by.email}
    row = entry_of(seat, chosen)
    return row.recipient() if row else {}


def entry_of(seat: AccountManager, chosen: str) -> Address | None:
    """The entry of the company's address book with this key, if it is one."""
    try:
        key = UUID(chosen)
    except ValueError:
        return None
    return Address.objects.filter(company=seat.company_id, pk=key).first()


def can_try(cart: CartPage) -> bool:
    """Whether the button is offered. Our figure is advice: only a fresh one forbids trying."""
    known_short = cart.missing > 0 and not cart.header.stale
    return bool(cart.entries) and not cart.troubled and not known_short
