"""Writes CSV and XLSX in pieces, one for each slice, so that the size of a file costs no memory.

A text is safe to open: no cell begins a formula, and a spreadsheet leaves 007, 1/2 and 1E5 as they
are. The import reads the same texts back (docs/staff/importing.md).
"""

import csv
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol
from xml.sax.saxutils import escape

from django.utils.translation import gettext as _

from loyalty_portal.jobs.files import append, made_file
from loyalty_portal.jobs.kinds import JobRefusedError, Step
from loyalty_portal.jobs.models import Job

Cell = str | int | None
Rows = Sequence[Sequence[Cell]]

TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MOST_ROWS = 1_048_575  # of a sheet, below its header
MOST_BYTES = 0xFFFF_FFFF  # of a part of a ZIP file without its 64-bit form
LONGEST_LITERAL = 255  # characters of a text inside a formula
# What a spreadsheet may take for a formula, a number or a date.
_TAKEN_FOR_MORE = re.compile(r"[=+\-@\t\r\d.,'|%]")
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Writer(Protocol):
    """Makes the bytes of a file. `state` is JSON, from which another process goes on."""

    state: dict[str, Any]

    def begin(self, header: Sequence[str]) -> bytes: ...

    def rows(self, rows: Rows) -> bytes: ...

    def end(self) -> bytes: ...


def guarded(cell: Cell) -> str:
    """A cell of a CSV file. A text that would be taken for more than a text becomes ="text"."""
    text = "" if cell is None else str(cell)
    if isinstance(cell, int) or not text or not _TAKEN_FOR_MORE.match(text.lstrip()):
        return text
    if len(text) > LONGEST_LITERAL:
        return f"\N{NO-BREAK SPACE}{text}"
    return '="{}"'.format(text.replace('"', '""'))


class CsvWriter:
    """Comma separated, UTF-8 with its mark, by which Excel knows the encoding."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def begin(self, header: Sequence[str]) -> bytes:
        return "\ufeff".encode() + self.rows([header])

    def rows(self, rows: Rows) -> bytes:
        text = io.StringIO()
        csv.writer(text).writerows([guarded(cell) for cell in row] for row in rows)
        return text.getvalue().encode()

    def end(self) -> bytes:
        return b""


_PARTS = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.'
        'openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        '<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-'
        'officedocument.spreadsheetml.styles+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/worksheet" Target="worksheets/sheet1.xml"/>'
        '<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/styles" Target="styles.xml"/></Relationships>'
    ),
    # Style 1 is the format "text", which leaves what people type as they typed it.
    "xl/styles.xml": (
        '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border>'
        "<left/><right/><top/><bottom/><diagonal/></border></borders>"
        '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
        '<cellXfs count="2"><xf/><xf numFmtId="49" applyNumberFormat="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    ),
}
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SHEET = "xl/worksheets/sheet1.xml"
_STREAMED = 8  # the flag of a part whose sizes follow it
_DATE = 0x21  # 1980-01-01, the first that a ZIP file knows


class XlsxWriter:
    """A workbook with one sheet, whose part is compressed piece by piece. Each ends at a whole
    byte, so the pieces make one stream whichever process wrote them.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = {"parts": [], "size": 0, "crc": 0, "raw": 0, "packed": 0, **state}

    def begin(self, header: Sequence[str]) -> bytes:
        made = b"".join(self._part(name, f"{_XML}{text}") for name, text in _PARTS.items())
        self.state["sheet_at"] = len(made)
        made += _local(_SHEET, flags=_STREAMED)
        widths = f'<cols><col min="1" max="{len(header)}" width="18" style="1"/></cols>'
        made += self._packed(
            f'{_XML}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            f"{widths}<sheetData>{_xml_row(header)}"
        )
        return made

    def rows(self, rows: Rows) -> bytes:
        return self._packed("".join(map(_xml_row, rows)))

    def end(self) -> bytes:
        made = self._packed("</sheetData></worksheet>", last=True)
        sizes = (self.state["crc"], self.state["packed"], self.state["raw"])
        if max(sizes) > MOST_BYTES:
            raise JobRefusedError(_("That is too much for one workbook. Take CSV instead."))
        made += struct.pack("<4sLLL", b"PK\x07\x08", *sizes)
        parts = [*self.state["parts"], [_SHEET, *sizes, self.state["sheet_at"], _STREAMED]]
        start = self.state["sheet_at"] + len(_local(_SHEET)) + self.state["packed"] + 16
        directory = b"".join(_central(*part) for part in parts)
        count = len(parts)
        return (
            made
            + directory
            + struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
        )

    def _part(self, name: str, text: str) -> bytes:
        raw = text.encode()
        packed = _deflated(raw, last=True)
        sizes = (zlib.crc32(raw), len(packed), len(raw))
        made = _local(name, *sizes) + packed
        self.state["parts"].append([name, *sizes, self.state["size"], 0])
        self.state["size"] += len(made)
        return made

    def _packed(self, text: str, *, last: bool = False) -> bytes:
        raw = text.encode()
        packed = _deflated(raw, last=last)
        self.state["crc"] = zlib.crc32(raw, self.state["crc"])
        self.state["raw"] += len(raw)
        self.state["packed"] += len(packed)
        return packed


def _deflated(raw: bytes, *, last: bool) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(raw) + packer.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)


def _local(name: str, crc: int = 0, packed: int = 0, raw: int = 0, *, flags: int = 0) -> bytes:
    head = ("<4sHHHHHLLLHH", b"PK\x03\x04", 20, flags, 8, 0, _DATE, crc, packed, raw)
    return struct.pack(*head, len(name), 0) + name.encode()


def _central(name: str, crc: int, packed: int, raw: int, offset: int, flags: int) -> bytes:
    head = ("<4sHHHHHHLLLHHHHHLL", b"PK\x01\x02", 20, 20, flags, 8, 0, _DATE, crc, packed, raw)
    return struct.pack(*head, len(name), 0, 0, 0, 0, 0, offset) + name.encode()


def _xml_row(row: Sequence[Cell]) -> str:
    return f"<row>{''.join(map(_xml_cell, row))}</row>"


def _xml_cell(cell: Cell) -> str:
    if isinstance(cell, int):
        return f"<c><v>{cell}</v></c>"
    if not cell:
        return "<c/>"
    text = guarded(cell) if cell.startswith("=") else cell
    safe = escape(_NO_XML.sub("", text))
    return f'<c s="1" t="inlineStr"><is><t xml:space="preserve">{safe}</t></is></c>'


WRITERS: dict[str, Callable[[dict[str, Any]], Writer]] = {"csv": CsvWriter, "xlsx": XlsxWriter}


def export_rows(
    job: Job,
    *,
    name: str,
    header: Sequence[str],
    total: int,
    following: Callable[[Any], tuple[Rows, Any]],
) -> Iterator[Step]:
    """The work of an export: write the rows of each slice to the job's file.

    `job.parameters["format"]` is csv or xlsx. `following(last)` returns the next rows and the key
    of the last of them, or no rows at the end; `last` is None at first.
    """
    kind = job.parameters["format"]
    if kind == "xlsx" and total > MOST_ROWS:
        raise JobRefusedError(_("A sheet has 1,048,576 rows at most. Take CSV instead."))
    file = made_file(job=job, name=f"{name}.{kind}", content_type=TYPES[kind])
    writer = WRITERS[kind](job.state.get("writer", {}))
    last, done = job.state.get("last"), job.done
    if file.pieces == 0:
        append(file, writer.begin(header))
        yield Step({"writer": writer.state, "last": last}, done=done, total=total)
    while True:
        rows, last = following(last)
        if not rows:
            break
        append(file, writer.rows(rows))
        done += len(rows)
        yield Step({"writer": writer.state, "last": last}, done=done, total=max(total, done))
    append(file, writer.end())
