"""`manage.py rotate_keys`: re-encrypts all codes with the newest key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loyalty_portal.audit.services import record_command
from loyalty_portal.data.encrypted_field import listed_keys, newest_key
from loyalty_portal.data.key_rotation import BATCH, left, rotate, unused_keys

MOST_SHOWN = 20


class Command(BaseCommand):
    """Re-encrypts all codes; afterwards the old key can be removed.

    Before it, put the new key first in FIELD_ENCRYPTION_KEYS and restart all processes.
    """

    help = (
        "Encrypt every stored code anew with the first of FIELD_ENCRYPTION_KEYS. "
        "Orders go on meanwhile, and a run that was stopped is simply begun again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--batch", type=int, default=BATCH, help="rows in one transaction, 1 to 10000"
        )

    def handle(self, *_args: object, batch: int, **_options: Any) -> None:
        if not 1 <= batch <= 10_000:
            raise CommandError("--batch must be from 1 to 10000.")
        record_command("rotate_keys")
        wrong: list[str] = []
        for step in rotate(batch=batch):
            wrong += step.wrong
            self.stdout.write(f"{step.table}: {step.turned:,} of {step.of:,}")
            self.stdout.flush()
        for each in wrong[:MOST_SHOWN]:
            self.stderr.write(each)
        if wrong:
            raise CommandError(
                f"{len(wrong):,} rows could not be turned; keep all keys, and find out why."
            )
        if waiting := left():
            raise CommandError(
                f"{waiting:,} rows were written with an older key meanwhile. Does everything run "
                "with the new one? Restart it, and run this again."
            )
        self.stdout.write(f"Everything is under the first key ({newest_key()}).")
        self._what_may_go()

    def _what_may_go(self) -> None:
        listed = listed_keys()
        for key in unused_keys():
            self.stdout.write(
                f"Key {listed.index(key) + 1} of FIELD_ENCRYPTION_KEYS ({key}) may be removed from "
                "the setting. Keep it with the backups that were made until now."
            )
