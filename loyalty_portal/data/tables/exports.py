"""Writes a table of a report as CSV or XLSX, for spreadsheets.

Texts of a CSV are made harmless. XLSX stores types, so its texts are as they are.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from loyalty_portal.data.tables.cells import BOM, CSV_TYPE, csv_text
from loyalty_portal.data.tables.tables import CellKind, ReportTable, exported

XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# What XML cannot hold; openpyxl refuses it.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_LONGEST = 32_767  # characters of a cell
_NOT_IN_A_NAME = re.compile(r"[][*/\\?:']")
_LONGEST_NAME = 31


def headings(table: ReportTable) -> list[str]:
    """The titles of the columns, with the unit where a number needs one."""
    units = {CellKind.SHARE: " (%)", CellKind.SECONDS: " (s)"}
    return [f"{column.title}{units.get(column.kind, '')}" for column in table.columns]


def values_of(table: ReportTable) -> Iterator[list[Any]]:
    """The rows as an export has them."""
    kinds = [column.kind for column in table.columns]
    for row in table.rows:
        yield [exported(value, kind) for value, kind in zip(row.values, kinds, strict=True)]


def as_csv(table: ReportTable) -> bytes:
    """The whole table as a CSV file."""
    return (BOM + csv_text([headings(table)]) + csv_text(values_of(table))).encode()


def as_xlsx(table: ReportTable, *more: ReportTable) -> bytes:
    """The whole table as a workbook, with a sheet for each further one."""
    book = Workbook(write_only=True)
    for each in (table, *more):
        # A sheet's name may not have some signs of a title.
        name = _NOT_IN_A_NAME.sub(" ", each.title)[:_LONGEST_NAME] if more else "Report"
        sheet: Any = book.create_sheet(name)
        sheet.append([_cell(sheet, title) for title in headings(each)])
        for row in values_of(each):
            sheet.append([_cell(sheet, value) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _cell(sheet: Any, value: Any) -> Any:
    if isinstance(value, str):
        cell: Any = WriteOnlyCell(sheet, _NOT_IN_XML.sub("", value)[:_LONGEST])
        cell.data_type = "s"  # openpyxl would write a formula
        return cell
    return value


FORMATS = {"csv": (CSV_TYPE, as_csv), "xlsx": (XLSX_TYPE, as_xlsx)}
