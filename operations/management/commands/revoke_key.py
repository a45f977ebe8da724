"""`manage.py revoke_key lrp_live_4fQz…t9Xa --reason "found in a file"`: revokes an API key."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.access.keys import KeyRefusedError, key_shown_as, revoke_key
from accounts.tasks import send_letters_of
from loyalty_portal.audit.services import record_command
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.data.history import changed_by


class Command(BaseCommand):
    """Revokes the key that is shown so. Its next call is refused, and the owners get a letter."""

    help = "Revoke an API key at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "shown",
            help="the key as pages and letters show it, with … or ... in the middle; a key that "
            "was found somewhere may be given whole",
        )
        parser.add_argument("--reason", required=True, help="the owners of the company read it")

    def handle(self, *_args: object, shown: str, reason: str, **_options: object) -> None:
        try:
            with transaction.atomic(), changed_by(SYSTEM, "revoke_key"):
                key = key_shown_as(shown.strip())
                record_command("revoke_key")
                revoke_key(key=key, reason=reason, by=SYSTEM)
                send_letters_of(key.seat.company_id)
        except KeyRefusedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{key.shown} of {key.seat.company} is revoked. The owners are told.")
