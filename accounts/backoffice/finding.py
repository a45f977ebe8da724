"""Finds companies, people and seats by what staff type into the search of a list."""

from uuid import UUID

from django.db.models import QuerySet

from accounts.models import AccountManager, Company, User
from loyalty_portal.admin_site.found import MOST_OWNERS, keys_found, with_words


def companies_found(term: str) -> list[QuerySet[Company]]:
    """Companies by the words of their name, or the beginning of their loyalty account."""
    companies = Company.objects.order_by()
    of_account = companies.filter(loyalty_account_id__startswith=term)
    return [with_words(companies, term, "name"), of_account]


def people_found(term: str) -> list[QuerySet[User]]:
    """People by the beginning of their e-mail address, or the words of their name."""
    people = User.objects.order_by()
    return [people.filter(email__istartswith=term), with_words(people, term, "name")]


def company_keys(term: str) -> list[UUID]:
    """The first companies that a term finds, to look for what is theirs."""
    return sorted(keys_found([each[:MOST_OWNERS] for each in companies_found(term)]).keys)


def people_keys(term: str) -> list[UUID]:
    """The first people that a term finds."""
    return sorted(keys_found([each[:MOST_OWNERS] for each in people_found(term)]).keys)


def seat_keys(term: str) -> list[UUID]:
    """The first seats of the people that a term finds."""
    people = people_keys(term)
    seats = AccountManager.objects.filter(user__in=people) if people else None
    return sorted(seats.values_list("pk", flat=True)[:MOST_OWNERS]) if seats is not None else []
