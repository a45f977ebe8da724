"""`manage.py verify_audit`: verifies that nobody changed the history (docs/staff/audit.md)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loyalty_portal.audit.verifying import verify


class Command(BaseCommand):
    help = "Verify the chain over the history. Exit code 1 when a row or a link is not as it was."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            action="append",
            default=[],
            metavar="NUMBER:HASH",
            help="A head from the log, which must be in the chain. May be given several times.",
        )

    def handle(self, *args: Any, head: list[str], **options: Any) -> None:  # noqa: ARG002
        found = verify(tuple(head))
        for sentence in found.wrong:
            self.stdout.write(sentence)
        self.stdout.write(
            f"{found.links} links over {found.rows} rows; {found.waiting} rows wait for the "
            f"publisher. Head: {found.head or 'none'}"
        )
        if found.wrong:
            raise CommandError(
                f"The history is not as it was written: {len(found.wrong)} findings."
            )
