"""API keys for tests, made by the service as an owner makes them."""

from typing import Any

from accounts.access.keys import ApiKeyTerms, NewKey, make_key
from accounts.models import AccountManager, Company, Role, Scope
from loyalty_portal.data.actor import Actor
from tests.accounts.factories import SeatFactory


def owner_of(company: Company) -> AccountManager:
    """An owner of the company who is a person; made when there is none."""
    owners = company.seats.filter(role=Role.OWNER, user__is_machine=False)
    found = owners.select_related("user", "company").first()
    return found or SeatFactory.create(company=company, owner=True)


def terms(**changes: Any) -> ApiKeyTerms:
    """The terms of a buyer's key with all scopes."""
    usual = {"name": "ERP", "role": Role.BUYER, "scopes": Scope.values}
    return ApiKeyTerms(**{**usual, **changes})


def new_key(company: Company, *, by: AccountManager | None = None, **changes: Any) -> NewKey:
    maker = by or owner_of(company)
    return make_key(company=company, terms=terms(**changes), by=Actor.in_seat(maker))
