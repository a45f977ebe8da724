"""`manage.py seed_scale`: fills a database with a large programme's products and orders."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from inventory.models import SummedUntil
from loyalty_portal.audit.services import record_command
from operations.scale.services import ScaleError, multiply
from redemption.invariants.checks import check_invariants


class Command(BaseCommand):
    help = (
        "Copy the demo's products and orders, in the database that it names, until there are so "
        "many: to see how pages and reports behave. Run seed_demo before it, and nothing beside it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--products", type=int, required=True, help="to have in the end")
        parser.add_argument("--orders", type=int, required=True, help="to have in the end")

    def handle(self, *_args: object, products: int, orders: int, **_options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "seed_scale makes people with a public password, so it runs with DEBUG=true only."
            )
        record_command("seed_scale")
        self._say(f"into the database {connection.settings_dict['NAME']}")
        begun = timezone.now()
        try:
            multiply(products=products, orders=orders, say=self._say)
            SummedUntil.objects.all().delete()  # the copied movements are old ones
        except ScaleError as error:
            raise CommandError(str(error)) from error
        self._say("checking what must hold")
        # The copies were open when the work began, and no sweeper looked at them since.
        violations = check_invariants(unswept=timezone.now() - begun)
        if violations:
            raise CommandError("\n".join(["The copies do not hold:", *map(str, violations[:20])]))
        self._say("all invariants hold")

    def _say(self, line: str) -> None:
        self.stdout.write(f"scale: {line}")
        self.stdout.flush()
