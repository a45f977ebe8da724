"""`manage.py import_products`: imports a file of products. It is here because it also sets
stock.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from catalog.importing.files import read_map, write_template
from catalog.importing.formats import READERS, detect_format
from catalog.importing.records import ImportFileError, Terms
from catalog.importing.services import ImportOutcome, import_file
from inventory.services import open_stock
from loyalty_portal.audit.services import record_command
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.data.history import changed_by

SHOWN_ERRORS = 50
SHOWN_CHANGES = 20
MOST_PER_UNIT = 1_000_000


class Command(BaseCommand):
    """Imports all rows of a file or none. docs/staff/importing.md describes the formats."""

    help = (
        "Bring products in from a file, all rows or none. Run again, it changes what differs.\n"
        "The file's stock is taken for physical products that are new; recounts have a page."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="CSV, XLSX or JSON")
        parser.add_argument(
            "--format", choices=sorted(READERS), help="found by the file's beginning if not given"
        )
        parser.add_argument(
            "--points-per-unit", metavar="N", help="points for one unit of the file's currency"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done, write nothing"
        )
        parser.add_argument(
            "--skip-bad-rows", action="store_true", help="leave wrong rows out, and say which"
        )
        parser.add_argument(
            "--map",
            type=Path,
            metavar="FILE",
            help="lines such as: sku = their column (docs/staff/importing.md)",
        )
        parser.add_argument(
            "--template", type=Path, metavar="FILE", help="write an empty CSV or XLSX to fill in"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        if options["template"] is not None:
            self._write_template(options["template"], options["file"])
            return
        path: Path | None = options["file"]
        if path is None:
            raise CommandError("Say which file, or --template FILE for one to fill in.")
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        try:
            with changed_by(SYSTEM, "import_products"):
                outcome = self._import(path, options)
        except (ImportFileError, OSError) as error:
            raise CommandError(f"{error} Nothing was imported.") from error
        except OperationalError as error:
            if "lock" not in str(error):
                raise
            raise CommandError(
                "Another import is at work, or products are being edited. "
                "Nothing was imported; try again."
            ) from error
        self._report(outcome, dry_run=bool(options["dry_run"]))

    def _write_template(self, template: Path, file: Path | None) -> None:
        if file is not None:
            raise CommandError("A template is written, or a file imported; not both at once.")
        try:
            write_template(template)
        except (ImportFileError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{template}: written. Each row will be one product.")

    def _import(self, path: Path, options: Mapping[str, Any]) -> ImportOutcome:
        if options["map"] and options["format"] not in {None, "portal"}:
            raise ImportFileError("--map is for files of no format of their own.")
        columns = read_map(options["map"]) if options["map"] else {}
        terms = Terms(_points_per_unit(options["points_per_unit"]), columns)
        name = "portal" if columns else options["format"] or detect_format(path)
        if not options["dry_run"]:
            record_command("import_products")
        self.stdout.write(f"{path.name}: reading as {name}{' by the map' if columns else ''}")
        return import_file(
            path=path,
            format_name=name,
            terms=terms,
            dry_run=bool(options["dry_run"]),
            skip_bad_rows=bool(options["skip_bad_rows"]),
            take_stock=_take_stock,
            progress=self._progress,
            by=SYSTEM,
        )

    def _progress(self, outcome: ImportOutcome) -> None:
        if outcome.rows and outcome.rows % 5000 < 1000 and outcome.rows >= 5000:
            self.stdout.write(f"{outcome.rows:,} products …")
            self.stdout.flush()

    def _report(self, outcome: ImportOutcome, *, dry_run: bool) -> None:
        for remark in outcome.remarks[:SHOWN_CHANGES]:
            self.stdout.write(str(remark))
        if outcome.remarked > SHOWN_CHANGES:
            self.stdout.write(f"… and {outcome.remarked - SHOWN_CHANGES:,} more remarks")
        if outcome.refused:
            self._refuse(outcome)
        for error in outcome.errors:
            self.stderr.write(f"left out: {error}")
        if dry_run:
            self._preview(outcome)
        self._changes(outcome, "change" if dry_run else "changed")
        said = "Would be" if dry_run else "Imported:"
        self.stdout.write(
            f"{said} {outcome.created:,} created, {outcome.changed:,} changed, "
            f"{outcome.unchanged:,} unchanged, stock taken of {outcome.stocked:,}, "
            f"{outcome.skipped:,} rows skipped, {len(outcome.left_out):,} left out."
        )

    def _refuse(self, outcome: ImportOutcome) -> None:
        for error in outcome.errors[:SHOWN_ERRORS]:
            self.stderr.write(str(error))
        more = outcome.wrong - min(len(outcome.errors), SHOWN_ERRORS)
        if more:
            self.stderr.write(f"… and {more:,} more")
        noun = "error" if outcome.wrong == 1 else "errors"
        hint = "" if outcome.skip_bad_rows else " --skip-bad-rows leaves such rows out."
        raise CommandError(f"{outcome.wrong:,} {noun}. Nothing was imported.{hint}")

    def _preview(self, outcome: ImportOutcome) -> None:
        for sku in outcome.new[:SHOWN_CHANGES]:
            self.stdout.write(f"new: {sku}")
        if outcome.created > SHOWN_CHANGES:
            self.stdout.write(f"… and {outcome.created - SHOWN_CHANGES:,} more new ones")

        if outcome.categories:
            self.stdout.write(f"new categories: {', '.join(outcome.categories.values())}")

    def _changes(self, outcome: ImportOutcome, said: str) -> None:
        """List the changes, after an import too: they overwrote values of earlier files or
        people.
        """
        for data, columns in outcome.changes[:SHOWN_CHANGES]:
            self.stdout.write(f"{said}: {data.sku} ({data.name}): {', '.join(columns)}")
        for gone in outcome.retired:
            self.stdout.write(f"switched off: {gone.sku} ({gone.name}), which has another form now")
        if outcome.changed > SHOWN_CHANGES:
            self.stdout.write(f"… and {outcome.changed - SHOWN_CHANGES:,} more changes")


def _points_per_unit(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        points = Decimal(text)
    except InvalidOperation:
        points = Decimal(0)
    if not points.is_finite() or not 0 < points <= MOST_PER_UNIT:
        raise CommandError(
            f"--points-per-unit {text!r} must be a number above 0 and at most {MOST_PER_UNIT:,}."
        )
    return points


def _take_stock(pieces: Mapping[UUID, int | None]) -> None:
    open_stock(pieces=pieces, reason="Import", by=SYSTEM)
