"""Sentences that are stored, such as the reason of an event: kept in English, told in any language.

A row is read by people of several languages, and reports count its words, so a stored sentence does
not depend on who wrote it. `kept` makes one; `retold` translates it for the reader, by finding the
text of the catalogue from which it was made. What a person typed stays as it is.
"""

import re
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.utils.formats import get_format
from django.utils.functional import Promise
from django.utils.translation import get_language, override

LANGUAGE = "en"
_PLACE = re.compile(r"%\((\w+)\)s")
_LEAST = 6  # letters of its own that a text with places needs, so that it is not found by accident
_BEGINNING = 4  # characters by which texts are looked up
_GROUPED = re.compile(r"[+−-]?\d{1,3}(,\d{3})+")
_HEADER = 7  # numbers of four bytes at the beginning of a compiled catalogue
_MAGIC = 0x950412DE


class _Pattern(NamedTuple):
    matches: re.Pattern[str]
    translation: str


def kept(make: Callable[[], str | Promise]) -> str:
    """The sentence that `make` returns, in English, to be stored."""
    with override(LANGUAGE):
        return str(make())


def retold(text: str) -> str:
    """A stored sentence in the current language; as it is when it is none of ours."""
    language = get_language() or LANGUAGE
    return text if language == LANGUAGE or not text else _retold(text, language)


@lru_cache(maxsize=4096)
def _retold(text: str, language: str) -> str:
    whole, patterns = _catalogue(language)
    if text in whole:
        return whole[text]
    for pattern in (*patterns[text[:_BEGINNING]], *patterns[""]):
        if found := pattern.matches.fullmatch(text):
            facts = {name: _fact(value, language) for name, value in found.groupdict().items()}
            return pattern.translation % facts
    return text


def _fact(value: str, language: str) -> str:
    if _GROUPED.fullmatch(value):
        return value.replace(",", get_format("THOUSAND_SEPARATOR", lang=language))
    return _retold(value, language)


@cache
def _catalogue(language: str) -> tuple[Mapping[str, str], Mapping[str, list[_Pattern]]]:
    """The translations of texts without places, and patterns of the others by their beginning; ""
    is for those that begin with a place. The longest text comes first.
    """
    whole: dict[str, str] = {}
    patterns: dict[str, list[_Pattern]] = defaultdict(list)
    texts = (pair for folder in settings.LOCALE_PATHS for pair in _texts(folder, language))
    for text, translation in sorted(texts, key=lambda pair: -len(pair[0])):
        literal = _PLACE.sub("", text)
        if literal == text:
            whole[text] = translation
        elif sum(map(str.isalpha, literal)) >= _LEAST and set(_PLACE.findall(translation)) <= set(
            _PLACE.findall(text)
        ):
            beginning = _PLACE.split(text)[0][:_BEGINNING]
            place = beginning if len(beginning) == _BEGINNING else ""
            patterns[place].append(_Pattern(_matching(text), translation))
    return whole, patterns


def _matching(text: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def place(found: re.Match[str]) -> str:
        name = found[1]
        again = f"(?P={name})" if name in seen else f"(?P<{name}>.+)"
        seen.add(name)
        return again

    parts = re.split(r"(%\(\w+\)s)", text)
    return re.compile(
        "".join(
            _PLACE.sub(place, part) if _PLACE.fullmatch(part) else re.escape(part) for part in parts
        ),
        re.DOTALL,
    )


def _texts(folder: Path, language: str) -> Iterator[tuple[str, str]]:
    """Each text of a compiled catalogue with its translation; of a plural both forms."""
    path = Path(folder) / language / "LC_MESSAGES" / "django.mo"
    if not path.exists():
        return
    data = path.read_bytes()
    magic, _version, number, texts, translations, *_rest = struct.unpack_from(f"<{_HEADER}I", data)
    if magic != _MAGIC:
        return
    for place in range(number):
        text, translation = (
            data[start : start + length].decode()
            for length, start in (
                struct.unpack_from("<2I", data, texts + 8 * place),
                struct.unpack_from("<2I", data, translations + 8 * place),
            )
        )
        text = text.rpartition("\x04")[2]  # without its context
        if not text:  # the catalogue's own header
            continue
        yield from zip(text.split("\0"), translation.split("\0"), strict=False)
