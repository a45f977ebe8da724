"""Every text that reaches a screen is marked for translation, and German has all of them."""

import ast
import gettext
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.catalogues import (
    MARKS,
    ROOT,
    Entry,
    Text,
    called,
    entries,
    python_files,
    template_files,
    texts_to_translate,
    unmarked_source,
)

GERMAN = ROOT / "locale/de/LC_MESSAGES/django.po"
_PLACES = re.compile(r"%\(\w+\)[a-z]|%[sd%]|\{\w*\}")
_TAGS = re.compile(r"</?[a-z]+\b[^>]*>|&\w+;")
# Attributes that people read or hear.
_READ = ("aria-label", "aria-description", "alt", "placeholder", "title")
_WORD = re.compile(r"[A-Za-z]{2,}")
# Names, units and formats that are the same in every language.
SAME_EVERYWHERE = {"SKU", "CSV", "XLSX", "JSON", "PDF", "PIN", "URL", "px", "nbsp"}
# Pieces of markup that stand outside of a tag, by the template.
MARKUP = {
    "503.html": "hourglass",
    "allauth/elements/button.html": "href button class danger quiet primary form id name value type",
    "redemption/orders/_step.html": "li data tone aria current step class is ahead",
    "ui/_words.html": "data offline refused changed copied",
    "ui/entrance.html": "gate art",
}
# What the code tells partners and developers, who read English.
FOR_NO_READER = (
    "redemption/saga/",
    "catalog/models/imports.py",
    "loyalty_portal/api/",
    "accounts/company/account.py",
    "catalog/api.py",
    "accounts/company/members.py",
    "redemption/orders/api/",
    "redemption/orders/api/told.py",
    "redemption/points/api.py",
    "redemption/webhooks_out/api.py",
    "redemption/webhooks_out/told.py",
)
# Errors of imported files, which the command tells too, and the function that groups.
READ_IN_ENGLISH = (
    "operations/",
    "catalog/importing/",
    "inventory/documents/lists.py",
    "loyalty_portal/data/texts/numbers.py",
)
# Arguments whose text is shown.
_SHOWN = {
    "label", "help_text", "verbose_name", "verbose_name_plural", "title", "empty_label", "says",
    "description", "short_description", "search_help_text", "empty",
}  # fmt: skip
# Refusals whose message people read.
_TOLD = re.compile(
    r"(Redemption|Desk|Incident|Stock|Remedy|Schedule\w*|Job|Document|Bulk)\w*Error$"
)


def german() -> list[Entry]:
    return entries(GERMAN)


# --- Nothing is left unmarked --------------------------------------------------------------------


class _Words(HTMLParser):
    """Collects the words of a page that nobody translates."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in {"style", "script"}
        for name, value in attrs:
            if name in _READ:
                self.handle_data(value or "")
        # The names of the admin's icons are a font's ligatures.
        if "material-symbols-outlined" in (dict(attrs).get("class") or ""):
            self._icon = True

    _icon = False

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"style", "script"}
        self._icon = False

    def handle_data(self, data: str) -> None:
        if not self._silent and not self._icon:
            self.found += [each for each in _WORD.findall(data) if each not in SAME_EVERYWHERE]


@pytest.mark.parametrize(
    "path",
    [path for path in template_files() if path.suffix == ".html"],
    ids=lambda path: str(path.relative_to(ROOT / "templates")),
)
def test_no_word_of_a_page_is_unmarked(path: Path) -> None:
    words = _Words()
    words.feed(unmarked_source(path))
    markup = MARKUP.get(str(path.relative_to(ROOT / "templates")), "").split()
    assert set(words.found) - {*markup} == set()


def test_no_word_of_a_letter_is_unmarked() -> None:
    letters = [path for path in template_files() if path.suffix == ".txt"]
    found = {path.name: _WORD.findall(unmarked_source(path)) for path in letters}
    assert {name: words for name, words in found.items() if words} == {}


def test_no_text_of_the_code_that_is_shown_is_unmarked() -> None:
    assert [*_unmarked_arguments()] == []


def _unmarked_arguments() -> Iterator[str]:
    for path in python_files():
        if str(path.relative_to(ROOT)).startswith(FOR_NO_READER):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            shown = [each.value for each in node.keywords if each.arg in _SHOWN]
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if _TOLD.match(name):
                shown += node.args[:1]
            for value in shown:
                if text := _plain(value):
                    yield f"{path.relative_to(ROOT)}:{value.lineno}: {text}"


def test_no_text_is_marked_inside_an_f_string_where_gettext_does_not_look() -> None:
    hidden = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr)
        and any(isinstance(each, ast.Call) and called(each) in MARKS for each in ast.walk(node))
    ]
    assert hidden == []


def test_no_text_is_translated_while_a_module_is_imported() -> None:
    """It would stay in the language of that moment; the lazy functions wait for the reader."""
    eager = [f"{path.relative_to(ROOT)}:{line}" for path in python_files() for line in _eager(path)]
    assert eager == []


def _eager(path: Path) -> Iterator[int]:
    tree = ast.parse(path.read_text())
    imported = {
        each.asname or each.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for each in node.names
        if each.name in {"gettext", "ngettext", "pgettext", "npgettext"}
    }
    at_import: list[ast.AST] = [tree]
    while at_import:
        node = at_import.pop()
        if isinstance(node, ast.Call) and called(node) in imported:
            yield node.lineno
        if isinstance(node, ast.FunctionDef):
            at_import += [*node.decorator_list, *node.args.defaults]
        elif not isinstance(node, ast.Lambda):
            at_import += ast.iter_child_nodes(node)


def _plain(value: ast.expr) -> str:
    """The words of a text that is written as it is; "" for others."""
    if isinstance(value, ast.JoinedStr):
        text = "".join(str(each.value) for each in value.values if isinstance(each, ast.Constant))
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        text = value.value
    else:
        return ""
    return text if set(_WORD.findall(text)) - SAME_EVERYWHERE else ""


def test_numbers_are_grouped_as_the_reader_writes_them() -> None:
    """By `grouped`: f"{n:,}" writes 5,000, which is five in German."""
    english = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files()
        if not str(path.relative_to(ROOT)).startswith(READ_IN_ENGLISH)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FormattedValue)
        and node.format_spec
        and "," in ast.unparse(node.format_spec)
    ]
    assert english == []


# --- German is complete --------------------------------------------------------------------------


def test_every_text_has_a_german_translation() -> None:
    known = {(each.text.context, each.text.singular) for each in german() if all(each.translations)}
    missing = [
        f"{where}: {text.singular!r}"
        for text, where in texts_to_translate().items()
        if (text.context, text.singular) not in known
    ]
    assert missing == []


def test_no_translation_is_empty_uncertain_or_of_a_text_that_is_gone() -> None:
    bad = [
        each.text.singular
        for each in german()
        if each.is_fuzzy or each.is_obsolete or not all(each.translations)
    ]
    assert bad == []
    assert len({each.text for each in german()}) == len(german())
    gone = {each.text.singular for each in german()} - {
        each.singular for each in texts_to_translate()
    }
    assert gone - _of_libraries() == set()


def _of_libraries() -> set[str]:
    """Texts of libraries that we word ourselves, in English or German."""
    return {each.text.singular for each in entries(ROOT / "locale/en/LC_MESSAGES/django.po")}


def test_a_translation_has_the_places_and_the_markup_of_its_text() -> None:
    wrong = [f"{each.text.singular!r} → {said!r}" for each in german() for said in _unlike(each)]
    assert wrong == []


def _unlike(entry: Entry) -> Iterator[str]:
    text: Text = entry.text
    originals = [text.singular, text.plural or text.singular]
    for said in entry.translations:
        places = Counter(_PLACES.findall(said))
        # The form for one may leave the number out: "one line" and not "1 line".
        allowed = [Counter(_PLACES.findall(each)) for each in originals]
        tags = Counter(_TAGS.findall(said)) in [Counter(_TAGS.findall(each)) for each in originals]
        edges = [said.startswith("\n") == text.singular.startswith("\n"),
                 said.endswith("\n") == text.singular.endswith("\n")]  # fmt: skip
        if not (places in allowed or set(places) == set(allowed[0])) or not tags or not all(edges):
            yield said


def test_the_compiled_german_is_that_of_the_source() -> None:
    """Whoever changes a translation compiles it: `make messages`."""
    with GERMAN.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for each in german():
        context, singular, plural = each.text
        if plural:
            said = tuple(compiled.ngettext(singular, plural, n) for n in (1, 2))
        elif context:
            said = (compiled.pgettext(context, singular),)
        else:
            said = (compiled.gettext(singular),)
        assert said == each.translations


def test_the_languages_of_the_settings_are_english_and_german() -> None:
    assert [code for code, _name in settings.LANGUAGES] == ["en", "de"]
