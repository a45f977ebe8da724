"""`manage.py seed_demo`: fills an empty portal and the sandbox with demo data."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.access.factors.codes import code_now
from loyalty_portal.audit.services import record_command
from loyalty_portal.partners.client import PartnerRefusedError, PartnerUnavailableError
from operations.demo.partners import SandboxControlError
from operations.demo.people import APP_SECRET, PASSWORD, give_apps, sign_ins
from operations.demo.services import check, is_seeded, seed
from redemption.models import RedemptionOrder


class Command(BaseCommand):
    help = (
        "Fill an empty portal with people, products and two months of orders, and the sandbox's "
        "ledger with the same. Run it before the worker and the sweeper. Again changes nothing."
    )

    def handle(self, *_args: object, **_options: object) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "seed_demo makes people with a public password, so it runs with DEBUG=true only."
            )
        try:
            self._seed()
        except KeyboardInterrupt:
            raise CommandError("Stopped. Run it again to go on.", returncode=130) from None
        except SandboxControlError as error:
            raise CommandError(str(error)) from error
        except (PartnerRefusedError, PartnerUnavailableError) as error:
            raise CommandError(f"The partner's statement could not be read: {error}") from error
        give_apps()
        self._show_sign_ins()

    def _seed(self) -> None:
        if is_seeded():
            self.stdout.write("The demo's data is there already; nothing was changed.")
            return
        record_command("seed_demo")
        with _quiet():
            seed(say=lambda line: self.stdout.write(f"seeding: {line}"))
            violations = check()
        if violations:
            raise CommandError("\n".join(["The demo's books do not hold:", *map(str, violations)]))
        orders = RedemptionOrder.objects.count()
        self.stdout.write(f"{orders} orders; all invariants hold, and the partner's ledger agrees.")

    def _show_sign_ins(self) -> None:
        rows = sign_ins()
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        self.stdout.write(f"\nSign in with the password {PASSWORD} as")
        for email, name, what in rows:
            self.stdout.write(f"  {email:{widths[0]}}  {name:{widths[1]}}  {what}")
        self.stdout.write(
            "\nStaff are asked for a code, too. All have an authenticator app with the secret\n"
            f"{APP_SECRET}; now its code is {code_now(APP_SECRET)}.\n"
            "`make demo-code` prints the code of later."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide warnings during the block: many of its calls to the partner fail on purpose."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
