"""The frame around the page of the parts, of made-up people. None of them is in the database."""

from copy import copy
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.layout import Header, chrome_on
from accounts.models import AccountManager, Company, KnownBalance, Role, User, Viewing
from accounts.seats.see_as.services import Seeing

# How the header can know the balance, by the word in the address: minutes since the partner
# answered, and since it last did not.
BALANCES: dict[str, tuple[int, int] | None] = {
    "fresh": (0, 0),
    "old": (12, 0),
    "no-answer": (12, 1),
    "unknown": None,
}


def buyer() -> AccountManager:
    """A seat of a company, unsaved."""
    company = Company(name="Northwind Trading", loyalty_account_id="L-1")
    person = User(name="Mara Lindqvist", email="mara@northwind.example", is_staff=True)
    return AccountManager(user=person, company=company, role=Role.APPROVER)


def frame(request: HttpRequest, balance: str) -> dict[str, object]:
    """The context of the portal's frame. `balance` is one of BALANCES."""
    seat, other = buyer(), buyer()
    there: Any = copy(request)
    there.seat, there.seats = seat, [seat, other]
    there.header = _header(seat.company, BALANCES[balance])
    until = timezone.now() + timedelta(minutes=15)
    viewing = Viewing(seat=seat, by=User(name="Iris Park"), until=until)
    there.seeing = Seeing(viewing, seat, there.seats)
    # The messages stand among the notices, and nothing is asked for as somebody else.
    chrome = chrome_on(there)._replace(messages=SafeString(""), seen_as=SafeString(""))
    return {"seat": seat, "header": there.header, "chrome": chrome}


def _header(company: Company, minutes: tuple[int, int] | None) -> Header:
    figures = {"in_flight": 2_990, "cart_count": 3, "approvals_count": 2}
    if minutes is None:
        return Header(known=None, asked=True, **figures)
    answered, failed = minutes
    known = KnownBalance(
        company=company,
        points=128_400,
        as_of=_ago(answered),
        fetched_at=_ago(answered),
        failed_at=_ago(failed) if failed else None,
    )
    return Header(known=known, asked=True, **figures)


def _ago(minutes: int) -> datetime:
    return timezone.now() - timedelta(minutes=minutes)
