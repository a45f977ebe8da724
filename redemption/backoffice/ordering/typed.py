"""The list of products as staff typed it, read from the form."""

import re
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.http import QueryDict

from loyalty_portal.data.recipient import FIELDS

MOST_LINES = 50
COLUMNS = ("sku", "quantity", *FIELDS)
_CELL = re.compile(rf"(all|\d{{1,3}})-({'|'.join(COLUMNS)})")


@dataclass(frozen=True, slots=True)
class TypedLine:
    """A line as it was typed. `own`: cells about a recipient of its own; empty texts for none."""

    sku: str
    quantity: str = ""
    own: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_own(self) -> bool:
        return any(self.own.values())

    @property
    def is_blank(self) -> bool:
        return not (self.sku or self.quantity or self.has_own)


@dataclass(frozen=True, slots=True)
class Typed:
    """Everything that was typed into the list. `all`: the recipient of lines without their own."""

    lines: list[TypedLine]
    all: Mapping[str, str]


def read_typed(said: QueryDict) -> Typed:
    """The list as it was typed. Its first MOST_LINES lines count; `do` may drop one or add one."""
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for name, value in said.items():
        if found := _CELL.fullmatch(name):
            text = str(value).replace("\0", "").strip()
            cells[found[1]][found[2]] = text[:500]
    verb, _colon, what = said.get("do", "").partition(":")
    of_all = cells.pop("all", {})
    if verb == "remove":
        cells.pop(what, None)
    lines = [_line(cells[number]) for number in sorted(cells, key=int)]
    lines = [line for line in lines if not line.is_blank]
    if verb == "add" and what:
        lines.append(TypedLine(what[:100], "1"))
    return Typed(lines[:MOST_LINES], {name: of_all.get(name, "") for name in FIELDS})


def _line(cells: Mapping[str, str]) -> TypedLine:
    own = {name: cells.get(name, "") for name in FIELDS}
    return TypedLine(cells.get("sku", ""), cells.get("quantity", ""), own)


def token_of(text: str) -> uuid.UUID | None:
    """The token of a form; None for anything else."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
