"""Runs the import command."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.core.management.base import CommandError
from openpyxl import Workbook

FIXTURES = Path(__file__).parent / "fixtures"
PORTAL_HEADER = "sku,name,product_type,points_cost,category"


@dataclass(frozen=True)
class Run:
    """The output of the command, and whether it succeeded."""

    out: str
    errors: str
    ok: bool


def run(path: Path | None, *options: str) -> Run:
    return _called(*([str(path)] if path else []), *options)


def template(path: Path) -> Run:
    return _called("--template", str(path))


def _called(*arguments: str) -> Run:
    out, errors = io.StringIO(), io.StringIO()
    ok = True
    try:
        call_command("import_products", *arguments, stdout=out, stderr=errors)
    except CommandError as error:
        errors.write(str(error))
        ok = False
    return Run(out.getvalue(), errors.getvalue(), ok)


def portal_file(folder: Path, *rows: str, header: str = PORTAL_HEADER) -> Path:
    path = folder / "products.csv"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def workbook(*rows: Sequence[object]) -> bytes:
    book, kept = Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    book.save(kept)
    return kept.getvalue()


def swollen(book: bytes) -> bytes:
    """The same workbook with a table of texts that unpacks to 300 MB."""
    kept = io.BytesIO(book)
    with (
        zipfile.ZipFile(kept, "a", zipfile.ZIP_DEFLATED) as packed,
        packed.open("xl/sharedStrings.xml", "w") as part,
    ):
        for _ in range(300):
            part.write(b" " * 1_000_000)
    return kept.getvalue()
