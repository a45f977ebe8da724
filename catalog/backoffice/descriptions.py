"""Cleans a description that staff typed, and says what was taken out of it."""

from html.parser import HTMLParser
from typing import Any

from django.utils.translation import gettext as _

from catalog.importing.texts import READ_TAGS, rich
from catalog.importing.values import LONGEST_DESCRIPTION
from loyalty_portal.data.texts.numbers import grouped

MOST_TOLD = 8


class _Finder(HTMLParser):
    """Collects what a description cannot have: `<script>`, `onerror`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}  # in the order in which they occur

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        if tag not in READ_TAGS:
            self.found[f"<{tag}>"] = None
        for name, _value in attrs:
            self.found[name] = None


def cleaned_description(text: str) -> tuple[str, str]:
    """The description as it is stored and shown, and a sentence about what was taken out, or "".

    Plain text becomes paragraphs, as in an import. Raises ValueError when it is too long.
    """
    if len(text) > LONGEST_DESCRIPTION:
        raise ValueError(
            _("The description is longer than %(most)s characters.")
            % {"most": grouped(LONGEST_DESCRIPTION)}
        )
    finder = _Finder()
    finder.feed(text)
    if not finder.found:
        return rich(text), ""
    parts = ", ".join(list(finder.found)[:MOST_TOLD])
    told = _("The description was cleaned. Only text, headings, lists and emphasis stay; gone: %s.")
    return rich(text), told % parts
