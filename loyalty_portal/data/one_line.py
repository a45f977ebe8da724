"""Checks typed texts: they must have visible characters, and one-line texts have no line breaks.

A name of invisible characters is useless, and line breaks could forge lines in a plain-text e-mail.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from enum import Enum
from typing import Any

from django import forms
from django.db import models
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# All kinds of line breaks are whitespace or control characters.
_BETWEEN_WORDS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
# Characters that change the direction of the text around them, in lists and e-mails too.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Letters and symbols by category that look blank.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# What mail programs turn into a link: an address with a scheme, with www, or a bare host.
_LINK = re.compile(
    r"\w://|\bwww\.|\bmailto:|\b[\w-]+\.[a-z]{2,24}/"
    r"|\b[\w-]+\.(?:com|net|org|info|io|biz|app|dev|link|shop|xyz|eu|de|uk)\b",
    re.IGNORECASE,
)
_SEEN = frozenset("LNPS")  # letters, numbers, punctuation, symbols


def is_visible(text: str) -> bool:
    """Whether the text has at least one visible character."""
    return any(sign not in _BLANKS and unicodedata.category(sign)[0] in _SEEN for sign in text)


def has_link(text: str) -> bool:
    """Whether mail programs would show a part of the text as a link."""
    return bool(_LINK.search(text))


def one_line(text: str) -> str:
    """The words of a text, separated by single spaces."""
    return _BETWEEN_WORDS.sub(" ", _TURNS.sub("", text)).strip()


def _must_be_visible(text: str) -> None:
    if text and not is_visible(text):
        raise forms.ValidationError(_("This has only characters that nobody can see."))


class TextField(forms.CharField):
    """A form field for text of several lines with at least one visible character."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not isinstance(text, str) or "\0" in text:
            return text
        _must_be_visible(text)
        return _TURNS.sub("", text)


class OneLineField(forms.CharField):
    """A form field for one line. Line breaks become spaces; one visible character is required."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        # Keep a NUL, which nobody types by mistake: the validator refuses it.
        if not isinstance(text, str) or "\0" in text:
            return text
        line = one_line(text)
        _must_be_visible(line)
        return line


def formfield(column: models.Field[Any, Any], **asked: Any) -> forms.Field | None:
    """Make the form field of a model's column; for use as `formfield_callback`.

    Only plain text columns become OneLineFields; e-mail and web addresses have stricter checks.
    """
    if type(column) is models.CharField:
        asked.setdefault("form_class", OneLineField)
    made: forms.Field | None = column.formfield(**asked)
    return made


def render_plain(template: str, facts: Mapping[str, Any]) -> str:
    """Render a plain-text template. Each text in `facts`, at any depth, is reduced to one line."""
    return render_to_string(template, {name: _lined(value) for name, value in facts.items()})


def _lined(value: Any) -> Any:
    if isinstance(value, str | Promise):
        return value if isinstance(value, Enum) else one_line(str(value))
    if value is None or isinstance(value, int | float | date):
        return value
    if isinstance(value, Mapping):
        return {name: _lined(each) for name, each in value.items()}
    if isinstance(value, Iterable):
        return [_lined(each) for each in value]
    if callable(value):
        return lambda: _lined(value())
    return _OneLines(value)


class _OneLines:
    """Wraps an object so that the texts among its attributes are one line each."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        return _lined(getattr(self._value, name))

    def __str__(self) -> str:
        return one_line(str(self._value))
