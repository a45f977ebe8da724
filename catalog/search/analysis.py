"""Turns texts into the terms that the index holds, and what people type into words to look for.

Both go the same way: accents are folded as people type them ("creme brulee", "strasse"), words get
their English and German stems, text in Chinese, Japanese or Korean is cut into pairs of characters,
and German compound words into their parts. Nothing that people type reaches a query parser.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tantivy
from anyascii import anyascii

MOST_WORDS = 8  # of a question
LONGEST_TEXT = 200  # characters of a question that are read
LONGEST_TERM = 60  # characters; longer ones are cut, on both sides
MOST_TERMS = 1_500  # of one text
SHORTEST_COMPOUND = 7
_JOINTS = ("", "s", "n", "en", "es", "er", "e")  # what German puts between parts of a word
_CJK = "\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_IS_CJK = re.compile(f"[{_CJK}\U00020000-\U0002ffff]")
_TOKEN = re.compile(f"[a-z0-9]+(?:[&'.+/_-][a-z0-9]+)*|[{_CJK}\U00020000-\U0002ffff]+")
_PIECES = re.compile(r"[a-z]+|[0-9]+")
_UMLAUT = re.compile("[äöüÄÖÜ]")
_AS_TYPED = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"}
_ENGLISH, _GERMAN = (
    tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw())
    .filter(tantivy.Filter.stemmer(language))
    .build()
    for language in ("english", "german")
)
# Words that a question may name and a product need not have.
_SMALL = frozenset(
    {
        *("a", "an", "and", "for", "in", "of", "on", "or", "the", "to", "with"),
        *("am", "aus", "bei", "das", "dem", "den", "der", "des", "die", "ein", "eine", "einen"),
        *("einer", "fuer", "fur", "im", "mit", "oder", "und", "vom", "von", "zum", "zur"),
    }
)


def _parts() -> frozenset[str]:
    listed = (Path(__file__).parent / "german_parts.txt").read_text(encoding="utf-8")
    lines = (line for line in listed.splitlines() if not line.startswith("#"))
    return frozenset(fold(word) for line in lines for word in line.split())


def fold(text: str) -> str:
    """The text in small letters without accents; characters of CJK scripts stay.

    It is folded before it is lowered: the small letter of İ would be two characters.
    """
    if text.isascii():
        return text.lower()
    # A lone surrogate is no character; no text with one can be stored either.
    whole = text.encode("utf-8", "ignore").decode("utf-8")
    normal = unicodedata.normalize("NFKC", whole)
    return "".join(
        char if char.isascii() or _IS_CJK.match(char) else anyascii(char) for char in normal
    ).lower()


def _forms(text: str) -> list[str]:
    """The text folded, and with umlauts as two letters if it has any."""
    normal = unicodedata.normalize("NFC", text) if not text.isascii() else text
    if not _UMLAUT.search(normal):
        return [fold(normal)]
    return [fold(normal), fold(_UMLAUT.sub(lambda found: _AS_TYPED[found[0]], normal))]


@functools.lru_cache(maxsize=100_000)
def stems(word: str) -> tuple[str, ...]:
    """The English and German stems of a folded word that differ from it."""
    found = {*_ENGLISH.analyze(word), *_GERMAN.analyze(word)}
    return tuple(sorted(stem for stem in found if stem != word and len(stem) > 2))


@functools.lru_cache(maxsize=100_000)
def compound(word: str) -> tuple[str, ...]:
    """The parts of a German compound word, such as kaffee and becher; () if it is none."""
    if len(word) < SHORTEST_COMPOUND or not word.isalpha():
        return ()
    return _split(word, 3)


def _split(word: str, most: int) -> tuple[str, ...]:
    known = _known_parts()
    for end in range(len(word) - 3, 2, -1):
        head, rest = word[:end], word[end:]
        if head not in known:
            continue
        for joint in _JOINTS:
            tail = rest[len(joint) :]
            if not rest.startswith(joint) or len(tail) < 3:
                continue
            if tail in known:
                return (head, tail)
            if most > 2 and (more := _split(tail, most - 1)):
                return (head, *more)
    return ()


@functools.cache
def _known_parts() -> frozenset[str]:
    return _parts()


@functools.lru_cache(maxsize=200_000)
def _terms_of(token: str) -> tuple[str, ...]:
    """All terms under which one folded token is found."""
    if _IS_CJK.match(token):
        return (*token, *(token[i : i + 2] for i in range(len(token) - 1)))
    pieces = re.split(r"[^a-z0-9]+", token)
    found = dict.fromkeys(pieces)
    if len(pieces) > 1:
        found["".join(pieces)] = None
    for piece in pieces:
        if piece.isalnum() and not piece.isalpha() and not piece.isdigit():
            found.update(dict.fromkeys(each for each in _PIECES.findall(piece) if len(each) > 1))
        found.update(dict.fromkeys(stems(piece)))
        for part in compound(piece):
            found[part] = None
            found.update(dict.fromkeys(stems(part)))
    return tuple(term[:LONGEST_TERM] for term in found)


def terms(text: str) -> dict[str, None]:
    """The terms of a text, each once, in order."""
    found: dict[str, None] = {}
    for form in _forms(text):
        for token in _TOKEN.findall(form):
            found.update(dict.fromkeys(_terms_of(token)))
            if len(found) > MOST_TERMS:
                return found
    return found


def plain_sku(sku: str) -> str:
    """An SKU, or a question that may be one, without separators: "NV.0815-77" is nv081577."""
    return "".join(_PIECES.findall(fold(sku)))[:LONGEST_TERM]


@functools.lru_cache(maxsize=10_000)
def sku_terms(sku: str) -> dict[str, None]:
    """The parts of an SKU, and what neighbouring parts give together."""
    parts = re.findall(r"[a-z0-9]+", fold(sku))[:6]
    joined = {
        "".join(parts[start:end])[:LONGEST_TERM]: None
        for start in range(len(parts))
        for end in range(start + 1, len(parts) + 1)
    }
    return joined | terms(sku)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a question. `ways`: each way to find it, as terms that a product must all have.
    `optional`: a product need not have it.
    """

    text: str
    ways: tuple[tuple[str, ...], ...]
    stems: tuple[str, ...] = ()
    prefix: str = ""
    optional: bool = False


Synonyms = dict[str, tuple[tuple[tuple[str, ...], ...], ...]]


def tokens(text: str) -> list[str]:
    """The folded tokens of a question, at most MOST_WORDS."""
    return _TOKEN.findall(fold(text[:LONGEST_TEXT]))[:MOST_WORDS]


def question_words(text: str, synonyms: Synonyms | None = None) -> list[Word]:
    """The words of a question. `synonyms`: groups of equal names by their first token."""
    typed = tokens(text)
    words: list[Word] = []
    place = 0
    while place < len(typed):
        token = typed[place]
        group = _group_at(typed, place, synonyms or {})
        if group is not None:
            own, others = group
            words.append(Word(" ".join(own), (own, *others), prefix="" if others else token))
            place += len(own)
            continue
        words.append(_word(token, alone=len(typed) == 1))
        place += 1
    if all(word.optional for word in words):
        return [Word(each.text, each.ways, each.stems, each.prefix) for each in words]
    return words


def _group_at(
    typed: Sequence[str], place: int, synonyms: Synonyms
) -> tuple[tuple[str, ...], list[tuple[str, ...]]] | None:
    for group in synonyms.get(typed[place], ()):
        for name in group:
            if tuple(typed[place : place + len(name)]) == name:
                return name, [other for other in group if other != name]
    return None


def _word(token: str, *, alone: bool) -> Word:
    if _IS_CJK.match(token):
        pairs = tuple(token[i : i + 2] for i in range(len(token) - 1)) or (token,)
        return Word(token, (pairs,))
    pieces = [piece[:LONGEST_TERM] for piece in re.split(r"[^a-z0-9]+", token)]
    whole = "".join(pieces)[:LONGEST_TERM]
    ways: list[tuple[str, ...]] = [(whole,)]
    if len(pieces) > 1:
        ways.append(tuple(pieces))
    if parts := compound(whole):
        ways.append(parts)
        ways.append(tuple(stems(part)[0] if stems(part) else part for part in parts))
    return Word(
        whole,
        tuple(dict.fromkeys(ways)),
        stems(whole),
        prefix=whole if len(whole) > 1 or alone else "",
        optional=whole in _SMALL,
    )


def synonym_groups(listed: Iterable[str]) -> Synonyms:
    """Groups of equal names, from lines such as "mobile, smartphone, cell phone"."""
    found: dict[str, list[tuple[tuple[str, ...], ...]]] = {}
    for line in listed:
        names = [tuple(_TOKEN.findall(fold(name))) for name in line.split(",")]
        group = tuple(dict.fromkeys(name for name in names if name))
        for name in group:
            found.setdefault(name[0], []).append(group)
    # The longest name first, so that "cell phone" is not read as "cell".
    return {
        first: tuple(sorted(groups, key=lambda group: -max(map(len, group))))
        for first, groups in found.items()
    }


def distance(one: str, other: str, most: int) -> int:
    """How many letters were mistaken between two words, neighbours swapped counting one; more
    than `most` is told as `most` + 1.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, there in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != there))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == there:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


def mistakes_allowed(word: str) -> int:
    """How many letters of a word of this length may be mistaken."""
    if len(word) < 4 or any(char.isdigit() for char in word) or _IS_CJK.match(word):
        return 0
    return 1 if len(word) < 8 else 2
