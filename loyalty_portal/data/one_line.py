"""What people type: it can be seen, and a text of one line begins no line of its own.

A name of marks that nobody sees is no name, and line breaks would forge lines of a plain letter.
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

# Line breaks of every kind are blanks or control characters.
_BETWEEN_WORDS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
# They turn the text around them as well, in lists and letters.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Letters and signs by their category, but blank to look at.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_SEEN = frozenset("LNPS")  # letters, numbers, punctuation, symbols


def is_visible(text: str) -> bool:
    """Whether anything can be seen of it."""
    return any(sign not in _BLANKS and unicodedata.category(sign)[0] in _SEEN for sign in text)


def one_line(text: str) -> str:
    """The same words with single blanks between them."""
    return _BETWEEN_WORDS.sub(" ", _TURNS.sub("", text)).strip()


def _must_be_visible(text: str) -> None:
    if text and not is_visible(text):
        raise forms.ValidationError(_("This has only characters that nobody can see."))


class TextField(forms.CharField):
    """For text of several lines, of which something can be seen."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not isinstance(text, str) or "\0" in text:
            return text
        _must_be_visible(text)
        return _TURNS.sub("", text)


class OneLineField(forms.CharField):
    """For a field of one line: browsers send no line breaks from it, others may. Something of
    it can be seen."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        # NUL is no slip of a keyboard: it stays, and the validator refuses it.
        if not isinstance(text, str) or "\0" in text:
            return text
        line = one_line(text)
        _must_be_visible(line)
        return line


def formfield(column: models.Field[Any, Any], **asked: Any) -> forms.Field | None:
    """A model's field in a form, as `formfield_callback`; e-mail and web addresses check more."""
    if type(column) is models.CharField:
        asked.setdefault("form_class", OneLineField)
    made: forms.Field | None = column.formfield(**asked)
    return made


def render_plain(template: str, facts: Mapping[str, Any]) -> str:
    """A template of plain text, in which each text among `facts`, however deep, is one line."""
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
    """Something whose attributes a template asks for."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        return _lined(getattr(self._value, name))

    def __str__(self) -> str:
        return one_line(str(self._value))
