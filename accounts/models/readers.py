"""In which language and time zone somebody reads a page or a letter.

A person's own choice comes first, then their company's, then the programme's. Only a page knows
the browser's languages, so it asks them before the company (accounts/views.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone, translation

from accounts.models import Company, User, programme_zone
from loyalty_portal.data.zones import is_zone


@dataclass(frozen=True, slots=True)
class Reader:
    """A language, as a code of settings.LANGUAGES, and the IANA name of a time zone."""

    language: str
    zone: str

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Write all texts, numbers and times in the block for this reader."""
        with translation.override(self.language), timezone.override(self.zone):
            yield


def reader_of(person: User | None, company: Company | None = None, *, language: str = "") -> Reader:
    """How a person reads, or a company's address without a person.

    `language` is what the browser asks for; it counts when the person has chosen none. A time zone
    that no longer exists counts as not chosen.
    """
    chosen = person.language if person else ""
    place = company.language if company else ""
    languages = dict(settings.LANGUAGES)
    found = next((each for each in (chosen, language, place) if each in languages), None)
    return Reader(found or settings.LANGUAGE_CODE, _zone_of(person, company))


def _zone_of(person: User | None, company: Company | None) -> str:
    """The staff's default is the programme's zone, also of those who have a seat."""
    if person and is_zone(person.time_zone):
        return person.time_zone
    if company and not (person and person.is_staff) and is_zone(company.time_zone):
        return company.time_zone
    return programme_zone()
