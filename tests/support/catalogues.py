"""Reads translation catalogues, and finds the texts in code and templates that need one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django.template.base import Lexer, TokenType
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("accounts", "catalog", "fulfillment", "inventory", "loyalty_portal", "operations",
         "redemption")  # fmt: skip
# How many of the first arguments are the text's context, and its forms.
MARKS = {
    "_": (0, 1), "gettext": (0, 1), "gettext_lazy": (0, 1), "gettext_noop": (0, 1),
    "ngettext": (0, 2), "ngettext_lazy": (0, 2), "pgettext": (1, 1), "pgettext_lazy": (1, 1),
    "npgettext": (1, 2), "npgettext_lazy": (1, 2),
}  # fmt: skip
_STRING = r"""u?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
_MARKED = re.compile(rf"(?<![\w.])(?:_|n?p?gettext)\({_STRING}(?:, ?{_STRING})*(?:, ?count)?\)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Text(NamedTuple):
    """A text to translate. `plural` is "" without one."""

    context: str
    singular: str
    plural: str = ""


class Entry(NamedTuple):
    """An entry of a catalogue."""

    text: Text
    translations: tuple[str, ...]
    is_fuzzy: bool
    is_obsolete: bool


def entries(path: Path) -> list[Entry]:
    """The entries of a catalogue (.po), without its header."""
    blocks = re.split(r"\n\s*\n", path.read_text())
    return [entry for block in blocks if (entry := _entry(block)) and entry.text.singular]


def _entry(block: str) -> Entry | None:
    is_obsolete = "\n#~ msgid" in f"\n{block}"
    lines = [line.removeprefix("#~ ") for line in block.splitlines()]
    parts: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith("#"):
            continue
        key, _space, rest = line.partition(" ")
        if key.startswith("msg"):
            name, parts[key] = key, ""
        else:
            rest = line
        if name:
            parts[name] += "".join(_unquoted(each) for each in _QUOTED.findall(rest))
    if "msgid" not in parts:
        return None
    text = Text(parts.get("msgctxt", ""), parts["msgid"], parts.get("msgid_plural", ""))
    said = tuple(said for key, said in parts.items() if key.startswith("msgstr"))
    is_fuzzy = any(line.startswith("#,") and "fuzzy" in line for line in lines)
    return Entry(text, said, is_fuzzy, is_obsolete)


def _unquoted(text: str) -> str:
    return str(ast.literal_eval(f'"{text}"'))


def texts_to_translate() -> dict[Text, str]:
    """Each text that is marked for translation, with a file in which it stands."""
    found: dict[Text, str] = {}
    for path in python_files():
        found |= dict.fromkeys(_marked(path.read_text()), _name(path))
    for path in template_files():
        source = templatize(path.read_text())
        for call in _MARKED.findall(source):
            found |= dict.fromkeys(_marked(call), _name(path))
    return found


def python_files() -> Iterator[Path]:
    """The code of the portal, without migrations, commands and the sandbox, which nobody reads on a
    screen.
    """
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not {"migrations", "sandbox", "commands", "conformance"} & set(path.parts):
                yield path


def template_files() -> Iterator[Path]:
    """All templates: pages, parts and letters."""
    for path in sorted((ROOT / "templates").rglob("*")):
        if path.suffix in {".html", ".txt"}:
            yield path


def called(node: ast.Call) -> str:
    """The name of the function that is called, without its module."""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _marked(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        contexts, forms = MARKS.get(called(node), (0, 0))
        given = [each.value for each in node.args if isinstance(each, ast.Constant)]
        words = [each for each in given[: contexts + forms] if isinstance(each, str)]
        if not forms or len(words) < contexts + forms:
            continue
        context = words[0] if contexts else ""
        yield Text(context, *words[contexts : contexts + forms])


def unmarked_source(path: Path) -> str:
    """A template's text with what is translated, shown or tested taken out."""
    kept, translating = [], False
    for token in Lexer(path.read_text()).tokenize():
        if token.token_type == TokenType.BLOCK:
            name = token.contents.split()[0]
            if name in {"blocktranslate", "blocktrans", "comment"}:
                translating = True
            elif name in {"endblocktranslate", "endblocktrans", "endcomment"}:
                translating = False
            kept.append("\x00")
        elif token.token_type == TokenType.VAR:
            kept.append("\x00")
        elif token.token_type == TokenType.TEXT and not translating:
            kept.append(token.contents)
    return "".join(kept)
