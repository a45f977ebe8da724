"""Bring a catalogue in from a file. It stands here because it also takes stock of what is new."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from catalog.importing.records import ImportFileError, Terms
from catalog.importing.services import READERS, Outcome, detect_format, import_file
from inventory.services import open_stock

SHOWN_ERRORS = 50
SHOWN_CHANGES = 20
MOST_PER_UNIT = 1_000_000


class Command(BaseCommand):
    """All rows or none: docs/importing.md describes the formats."""

    help = (
        "Bring products in from a file, all rows or none. Run again, it changes what differs.\n"
        "The file's stock is taken for physical products that are new; recounts have a page."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV, XLSX or JSON")
        parser.add_argument(
            "--format", choices=sorted(READERS), help="found by the file's beginning if not given"
        )
        parser.add_argument(
            "--points-per-unit", metavar="N", help="points for one unit of the file's currency"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done, write nothing"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        dry_run = bool(options["dry_run"])
        terms = Terms(_points_per_unit(options["points_per_unit"]))
        try:
            name = options["format"] or detect_format(path)
            self.stdout.write(f"{path.name}: reading as {name}")
            outcome = import_file(
                path=path,
                format_name=name,
                terms=terms,
                dry_run=dry_run,
                take_stock=_take_stock,
                progress=self._progress,
                by=None,
            )
        except (ImportFileError, OSError) as error:
            raise CommandError(f"{error} Nothing was imported.") from error
        except OperationalError as error:
            if "lock" not in str(error):
                raise
            raise CommandError(
                "Another import is at work, or products are being edited. "
                "Nothing was imported; try again."
            ) from error
        self._report(outcome, dry_run=dry_run)

    def _progress(self, outcome: Outcome) -> None:
        if outcome.rows and outcome.rows % 5000 < 1000 and outcome.rows >= 5000:
            self.stdout.write(f"{outcome.rows:,} products …")
            self.stdout.flush()

    def _report(self, outcome: Outcome, *, dry_run: bool) -> None:
        for error in outcome.errors[:SHOWN_ERRORS]:
            self.stderr.write(str(error))
        if outcome.wrong:
            more = outcome.wrong - min(len(outcome.errors), SHOWN_ERRORS)
            if more:
                self.stderr.write(f"… and {more:,} more")
            noun = "error" if outcome.wrong == 1 else "errors"
            raise CommandError(f"{outcome.wrong:,} {noun}. Nothing was imported.")
        if dry_run:
            self._preview(outcome)
        self._changes(outcome, "change" if dry_run else "changed")
        said = "Would be" if dry_run else "Imported:"
        self.stdout.write(
            f"{said} {outcome.created:,} created, {outcome.changed:,} changed, "
            f"{outcome.unchanged:,} unchanged, stock taken of {outcome.stocked:,}, "
            f"{outcome.skipped:,} rows skipped."
        )

    def _preview(self, outcome: Outcome) -> None:
        for sku in outcome.new[:SHOWN_CHANGES]:
            self.stdout.write(f"new: {sku}")
        if outcome.created > SHOWN_CHANGES:
            self.stdout.write(f"… and {outcome.created - SHOWN_CHANGES:,} more new ones")

    def _changes(self, outcome: Outcome, said: str) -> None:
        """Also when it is done: what an earlier file or a person had entered is gone."""
        for data, columns in outcome.changes[:SHOWN_CHANGES]:
            self.stdout.write(f"{said}: {data.sku} ({data.name}): {', '.join(columns)}")
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


def _take_stock(pieces: Mapping[UUID, int]) -> None:
    open_stock(pieces=pieces, reason="Import", by=None)
