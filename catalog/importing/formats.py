"""The list of import formats, and the detection of a file's format."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from catalog.importing import oscar, portal, reloadly, saleor, shopify, woocommerce
from catalog.importing.documents import is_json, load
from catalog.importing.records import Found, ImportFileError, Terms
from catalog.importing.sheets import beginnings, find_table, header_names, rows

READERS: Mapping[str, Callable[[Path, Terms], Found]] = {
    "portal": portal.read,
    "shopify": shopify.read,
    "woocommerce": woocommerce.read,
    "reloadly": reloadly.read,
    "saleor": saleor.read,
    "oscar": oscar.read,
}
LEAST_SHARED, LEAST_NEAR = 2, 0.5  # a format that shares less is not called near
SHOWN = 12  # how many column names an error message quotes
KNOWN = (
    "These are known: portal, shopify and woocommerce (CSV or XLSX with a header), oscar (CSV "
    "without one), reloadly and saleor (JSON)."
)
WAYS_ON = (
    "Rename the columns, say with --map FILE what each is called there, or begin with our own "
    "columns: import_products --template FILE."
)


class _Sheet(NamedTuple):
    """A spreadsheet format: its name and the columns that its header must have. `optional`: all
    others, where they are known.
    """

    name: str
    fits: Callable[[list[str]], bool]
    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    renamed: Mapping[str, str] = {}

    def lacks(self, header: list[str]) -> list[str]:
        names = {self.renamed.get(name, name) for name in header}
        return [name for name in self.needed if name not in names]

    def nearness(self, header: list[str]) -> float:
        """How near a header is, from 0 to 1; 0 also when it has at most half of what counts.

        For a format whose columns are all known it is the share of the header's columns that the
        format has; for others, the share of the needed columns that the header has.
        """
        names = {self.renamed.get(name, name) for name in header if name}
        shared = len(names & {*self.needed, *self.optional})
        near = shared / (len(names) if self.optional else len(self.needed)) if names else 0.0
        return near if shared >= LEAST_SHARED and near > LEAST_NEAR else 0.0


_SHEETS = (
    _Sheet("shopify", shopify.fits, shopify.NEEDED, renamed=shopify.RENAMED),
    _Sheet("woocommerce", woocommerce.fits, woocommerce.NEEDED),
    _Sheet("portal", portal.fits, portal.NEEDED, portal.OPTIONAL),
)
_OURS_FIRST = sorted(_SHEETS, key=lambda each: each.name != "portal")  # it wins ties


def detect_format(path: Path) -> str:
    """Detect a file's format from its beginning. Raises ImportFileError when no format fits."""
    if is_json(path):
        return _document_format(load(path))
    table = find_table(path, lambda header: any(each.fits(header) for each in _SHEETS))
    if table is not None:
        return next(each.name for each in _SHEETS if each.fits(table.header))
    _, first = next(rows(path), (0, []))
    if oscar.fits(first):
        return "oscar"
    raise ImportFileError(_unknown(path))


def _document_format(document: object) -> str:
    for name, module in (("reloadly", reloadly), ("saleor", saleor)):
        if module.fits(document):
            return name
    raise ImportFileError(
        f"The JSON file is neither Reloadly's nor Saleor's: it is {_described(document)}. {KNOWN}"
    )


def _described(document: object) -> str:
    """Describe a JSON value in a few words for an error message."""
    if isinstance(document, dict):
        return f"an object with {_listed([str(key) for key in document]) or 'nothing in it'}"
    if isinstance(document, list):
        first = document[0] if document else None
        if isinstance(first, dict):
            return f"a list of objects with {_listed([str(key) for key in first]) or 'nothing'}"
        return "a list of other things than objects" if document else "an empty list"
    return "a single value"


def _unknown(path: Path) -> str:
    """Build the error for a file of no known format: what was found, and the nearest format."""
    best: tuple[float, str, int, list[str], _Sheet] | None = None
    for sheet, (number, cells) in beginnings(path):
        header = header_names(cells)
        for each in _OURS_FIRST:
            near_by = each.nearness(header)
            if best is None or near_by > best[0]:
                best = (near_by, sheet, number, cells, each)
    if best is None:
        return "The file is empty."
    near_by, sheet, number, cells, nearest = best
    where = f"row {number} of the sheet {sheet!r}" if sheet else f"row {number}"
    read = f"In {where} stands: {_listed(cells)}."
    near = ""
    if near_by:
        lacking = [name.replace(" ", "_") for name in nearest.lacks(header_names(cells))]
        if nearest.name == "portal" and not {"points cost", "price"} & set(header_names(cells)):
            lacking.append("points_cost (or price)")
        near = f" Nearest is {nearest.name}, which also needs {', '.join(lacking)}."
    return f"The columns are of no known format. {read}{near} {KNOWN} {WAYS_ON}"


def _listed(names: list[str]) -> str:
    shown = [name.strip()[:40] for name in names if name.strip()]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more
