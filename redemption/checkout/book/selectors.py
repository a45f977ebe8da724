"""Reads a company's address book: its entries, and which of them are perhaps the same."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

from accounts.models import Address, Company
from loyalty_portal.data.countries import name_of
from loyalty_portal.data.recipient import FIELDS

PAGE_SIZE = 50
MOST_COMPARED = 2_000  # entries among which equal ones are looked for
_WORDS = re.compile(r"[\W_]+")


def entries_of(company: Company) -> QuerySet[Address]:
    """The entries of the address book, by name."""
    return Address.objects.filter(company=company).order_by("recipient_name", "id")


def page_of(company: Company, number: str) -> Page[Address]:
    """A page of the entries; the first or last one for a number that there is not."""
    return Paginator(entries_of(company), PAGE_SIZE).get_page(number)


def entry_of_company(company: Company, key: UUID) -> Address | None:
    """The entry with this key; None when the company has none."""
    return entries_of(company).filter(pk=key).first()


def same_ones(company: Company) -> list[list[Address]]:
    """Groups of entries that seem to be the same: of one name, and of one street or one e-mail
    address. Capitals, spaces and punctuation make no difference. By name.
    """
    entries = list(entries_of(company)[:MOST_COMPARED])
    group_of = {entry.pk: entry.pk for entry in entries}
    seen: dict[tuple[str, ...], UUID] = {}
    for entry in entries:
        for key in _keys(entry):
            other = seen.setdefault(key, entry.pk)
            old, new = group_of[entry.pk], group_of[other]
            if old != new:
                group_of |= {pk: new for pk, group in group_of.items() if group == old}
    groups: dict[UUID, list[Address]] = defaultdict(list)
    for entry in entries:
        groups[group_of[entry.pk]].append(entry)
    return [group for group in groups.values() if len(group) > 1]


def texts_of_file(entries: Iterable[Address]) -> Iterator[list[str]]:
    """The entries as rows of a file: the columns of a recipient, the country by its name."""
    for entry in entries:
        said = entry.recipient()
        said["country"] = name_of(said["country"])
        yield [said[name] for name in FIELDS]


def _keys(entry: Address) -> Iterator[tuple[str, ...]]:
    """What entries of one person have in common."""
    name = _plain(entry.recipient_name)
    if entry.address_line1:
        where = (entry.address_line1, entry.postcode or entry.city, entry.country)
        yield ("street", name, *map(_plain, where))
    if entry.recipient_email:
        yield ("e-mail", name, entry.recipient_email.casefold())


def _plain(text: str) -> str:
    return _WORDS.sub("", text.casefold())
