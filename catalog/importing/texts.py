"""Cleans texts from shops: names become one line, descriptions become safe HTML.

A description may be plain text, HTML, or HTML that was escaped once too often. Removed tags do not
join words: a block becomes a paragraph, and a table row becomes a line.
"""

import html
import re

import nh3

INLINE_TAGS = {"strong", "b", "em", "i"}
DESCRIPTION_TAGS = {"p", "br", "ul", "ol", "li", "h3", "h4"} | INLINE_TAGS
BETWEEN_CELLS = " · "
# Invisible format characters, except those that join letters and emoji.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u061c\u180e\u200b\u2028\u2029\u202a-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
# The form ="007" by which spreadsheets keep leading zeros.
_LISTING = re.compile(r"(</?(?:ul|ol|li)>)")
_PROTECTED = re.compile(r'="(.*)"', re.DOTALL)
_PARAGRAPHS = (
    "address article aside blockquote caption center dd details div dl dt fieldset figcaption "
    "figure footer form header hr main nav pre section summary table tbody tfoot thead tr"
)
_KEPT_BLOCKS = "p br ul ol li h1 h2 h3 h4 h5 h6"
_CELLS = "td th"
_OTHERS = (
    "a abbr acronym b big button cite code col colgroup del em embed font head html body i iframe "
    "img input ins kbd label link mark meta noscript object option picture q s samp script select "
    "small source span strike strong style sub sup svg template textarea time title tt u var video "
    "wbr"
)


def _tags(names: str) -> str:
    return rf"</?(?:{'|'.join(names.split())})\b[^<>]*>"


# Tags of a description that are kept, or become a paragraph, a heading or a line.
READ_TAGS = frozenset(
    f"{_KEPT_BLOCKS} {_PARAGRAPHS} {_CELLS} span strong b em i html body head".split()
) - {"form"}
_BLOCK = re.compile(_tags(f"{_KEPT_BLOCKS} {_PARAGRAPHS} {_CELLS}"), re.IGNORECASE)
_ESCAPED = re.compile(_tags(f"{_KEPT_BLOCKS} {_PARAGRAPHS}"), re.IGNORECASE)
_OUTER = re.compile(_tags(_PARAGRAPHS), re.IGNORECASE)
_CELL = re.compile(r"<t[dh]\b[^>]*>", re.IGNORECASE)
_FIRST_CELL = re.compile(rf"(^|<p>)\s*{BETWEEN_CELLS.strip()}\s*")
_KNOWN = _tags(f"{_KEPT_BLOCKS} {_PARAGRAPHS} {_CELLS} {_OTHERS}")
_NOT_A_TAG = re.compile(rf"<(?!!)(?!{_KNOWN.removeprefix('<')})", re.IGNORECASE)
_EMPTY = re.compile(r"<p>(?:\s|&nbsp;|<br>)*</p>")


def plain(text: str) -> str:
    """Turn a text into one line without HTML entities, invisible characters and extra blanks."""
    shield = _PROTECTED.fullmatch(text.strip())
    bare = shield[1].replace('""', '"') if shield else text
    return " ".join(_UNSEEN.sub("", html.unescape(bare)).split())


def plain_lines(text: str) -> str:
    """Turn a text into plain lines without invisible characters and blanks at their ends."""
    shield = _PROTECTED.fullmatch(text.strip())
    bare = shield[1].replace('""', '"') if shield else text
    return "\n".join(_UNSEEN.sub("", line).rstrip() for line in bare.splitlines()).strip()


def is_protected(text: str) -> bool:
    """Whether a text is in the form ="007", which shows the text and computes nothing."""
    return _PROTECTED.fullmatch(text.strip()) is not None


def rich(text: str) -> str:
    """Turn a description into safe HTML; plain text becomes paragraphs."""
    text = _UNSEEN.sub("", text.replace("\r\n", "\n"))
    if not _BLOCK.search(text) and _ESCAPED.search(html.unescape(text)):
        text = html.unescape(text)
    text = _NOT_A_TAG.sub("&lt;", text)
    return _marked_up(text) if _BLOCK.search(text) else _paragraphs(text)


def _paragraphs(text: str) -> str:
    safe = nh3.clean(text, tags=INLINE_TAGS, attributes={})
    blocks = (block.strip().split("\n") for block in re.split(r"\n\s*\n|\r+", safe))
    return "".join(
        f"<p>{'<br>'.join(' '.join(line.split()) for line in lines)}</p>"
        for lines in blocks
        if any(lines)
    )


def _marked_up(text: str) -> str:
    text = re.sub(r"<(/?)h[1-6]\b[^>]*>", r"<\1h3>", text, flags=re.IGNORECASE)
    text = _CELL.sub(BETWEEN_CELLS, text)
    # A block tag also ends the paragraph before it.
    text = _OUTER.sub("</p><p>", text)
    clean = nh3.clean(text, tags=DESCRIPTION_TAGS, attributes={})
    return _in_lists(_EMPTY.sub("", _FIRST_CELL.sub(r"\1", clean)).strip())


def _in_lists(clean: str) -> str:
    """Put items that stand in no list into one: shops export them so, and browsers show them."""
    made: list[str] = []
    lists = items = 0
    is_ours = False
    for piece in _LISTING.split(clean):
        if is_ours and not items and piece.strip() and piece != "<li>":
            made.append("</ul>")
            is_ours = False
        if piece == "<li>" and not lists and not items and not is_ours:
            made.append("<ul>")
            is_ours = True
        made.append(piece)
        lists += (piece in {"<ul>", "<ol>"}) - (piece in {"</ul>", "</ol>"})
        items += (piece == "<li>") - (piece == "</li>")
    return "".join(made) + ("</ul>" if is_ours else "")
