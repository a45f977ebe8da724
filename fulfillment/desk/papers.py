"""Pick list and packing slips as PDF, with QR codes that the desk's field understands.

They hold what goes into the parcels and nothing else: no points, no codes, and on each slip only
its own recipient.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import segno
from anyascii import anyascii
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from fpdf import FPDF

from fulfillment.models import Fulfillment
from loyalty_portal.configuration import brand

Parcel = Sequence[Fulfillment]  # its open lines

# DejaVu Sans prints Latin, Greek, Cyrillic, Armenian and Georgian names as they are written.
_FONT, _FILE = "DejaVu", Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
MARGIN, WIDTH = 15, 180  # millimetres, on A4
SMALL, TEXT, LARGE = 8, 10, 16  # points
_QR, _BIG_QR = 14, 28  # millimetres
_RIGHT_TO_LEFT = frozenset({"R", "AL"})


class Paper(FPDF):
    """A document of A4 pages in one font, for texts of any script."""

    def __init__(self) -> None:
        super().__init__(format="A4")
        self.add_font(_FONT, fname=_FILE)
        self.set_margin(MARGIN)
        self.set_auto_page_break(auto=True, margin=MARGIN)
        self.set_font(_FONT, size=TEXT)

    def printable(self, text: str) -> str:
        """The text, or its transcription into Latin letters if the font cannot show it, or its
        letters run from right to left and would have to be joined.
        """
        known = self.fonts[_FONT.lower()].cmap  # type: ignore[union-attr]
        for sign in text:
            joined = unicodedata.bidirectional(sign) in _RIGHT_TO_LEFT
            if joined or (ord(sign) not in known and not sign.isspace()):
                return anyascii(text)
        return text

    def say(self, text: str, *, size: int = TEXT, width: float = WIDTH) -> None:
        """Write a paragraph."""
        self.set_font_size(size)
        line = size * 0.5
        self.multi_cell(width, line, self.printable(text), new_x="LMARGIN", new_y="NEXT")

    def qr(self, text: str, x: float, y: float, side: float) -> None:
        """Draw a QR code of `side` millimetres, as rectangles."""
        rows = segno.make(text, error="m", micro=False).matrix
        dot = side / len(rows)
        for down, row in enumerate(rows):
            for across, dark in enumerate(row):
                if dark:
                    self.rect(x + across * dot, y + down * dot, dot, dot, style="F")

    def row(
        self, cells: Sequence[tuple[float, str]], *, size: int = TEXT, numbers: int = 0
    ) -> None:
        """Write cells of these widths beside each other, each cut to its width. The last `numbers`
        of them end at the right.
        """
        self.set_font_size(size)
        for place, (width, text) in enumerate(cells):
            is_number = place >= len(cells) - numbers
            shown = self._cut(self.printable(text), width - 2)
            self.cell(width, 6, shown, align="R" if is_number else "L")
        self.ln(6)

    def _cut(self, text: str, width: float) -> str:
        if self.get_string_width(text) <= width:
            return text
        while text and self.get_string_width(f"{text}…") > width:
            text = text[:-1]
        return f"{text}…"

    def rule(self) -> None:
        self.line(MARGIN, self.get_y(), MARGIN + WIDTH, self.get_y())


def pick_list(parcels: Sequence[Parcel]) -> bytes:
    """What to fetch from the shelves for these parcels: each SKU with its code and its orders."""
    paper = Paper()
    paper.add_page()
    told = ngettext("Pick list for %(n)s parcel", "Pick list for %(n)s parcels", len(parcels))
    paper.say(told % {"n": len(parcels)}, size=LARGE)
    paper.say(date_format(timezone.localtime(), "DATETIME_FORMAT"), size=SMALL)
    paper.ln(4)
    by_sku: dict[str, list[Fulfillment]] = defaultdict(list)
    for line in (line for parcel in parcels for line in parcel):
        by_sku[line.sku].append(line)
    for sku, lines in sorted(by_sku.items()):
        if paper.will_page_break(_QR + 4):
            paper.add_page()
        top = paper.get_y() + 2
        paper.rule()
        paper.qr(sku, MARGIN, top, _QR)
        pieces = sum(line.open_quantity for line in lines)
        paper.set_xy(MARGIN + _QR + 4, top)
        paper.row([(14, f"{pieces} ×"), (WIDTH - _QR - 18, lines[0].product_name)])
        paper.set_x(MARGIN + _QR + 4)
        paper.row([(WIDTH - _QR - 4, sku)], size=SMALL)
        orders = ", ".join(f"{line.label}: {line.open_quantity}" for line in lines)
        paper.set_x(MARGIN + _QR + 4)
        paper.say(orders, size=SMALL, width=WIDTH - _QR - 4)
        paper.set_y(max(paper.get_y(), top + _QR) + 2)
    return bytes(paper.output())


def packing_slips(parcels: Sequence[Parcel]) -> bytes:
    """A page for each parcel, to be put into it."""
    paper = Paper()
    for lines in parcels:
        paper.add_page()
        _slip(paper, lines)
    return bytes(paper.output())


def _slip(paper: Paper, lines: Parcel) -> None:
    first = lines[0]
    paper.qr(first.label, MARGIN + WIDTH - _BIG_QR, MARGIN, _BIG_QR)
    paper.say(brand.current().name, size=LARGE, width=WIDTH - _BIG_QR - 4)
    paper.say(_("Packing slip for order %(order)s") % {"order": first.label})
    paper.say(date_format(timezone.localtime(), "DATE_FORMAT"), size=SMALL)
    paper.set_y(MARGIN + _BIG_QR + 8)
    for text in (first.recipient_name, *first.address_lines()):
        paper.say(text)
    paper.ln(8)
    paper.row([(20, _("Pieces")), (50, "SKU"), (WIDTH - 70, _("Product"))], size=SMALL)
    for line in lines:
        paper.rule()
        cells = [(20.0, str(line.open_quantity)), (50, line.sku), (WIDTH - 70, line.product_name)]
        paper.row(cells)
    for text in dict.fromkeys(line.message for line in lines if line.message):
        paper.ln(6)
        paper.say(text)
