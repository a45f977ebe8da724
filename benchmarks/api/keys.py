"""Keys of companies, for measuring calls of the API."""

import uuid

from accounts.access.keys import ApiKeyTerms, make_key
from accounts.models import AccountManager, Company, Role, Scope, User
from loyalty_portal.data.actor import Actor


def new_key(company: Company) -> str:
    """A key of the company with all scopes, made by an owner."""
    owner = User.objects.create_user(f"owner-{uuid.uuid4()}@bench.example")
    seat = AccountManager.objects.create(company=company, user=owner, role=Role.OWNER)
    terms = ApiKeyTerms(name="Bench", role=Role.BUYER, scopes=Scope.values)
    return make_key(company=company, terms=terms, by=Actor.in_seat(seat)).secret
