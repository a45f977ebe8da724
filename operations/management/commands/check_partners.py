"""`manage.py check_partners`: checks the partners' APIs (docs/conformance.md)."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from operations.conformance.points import Compliance, Point, UntriedError
from operations.conformance.services import Result, check_fulfillment, check_loyalty

PARTNERS = ("loyalty", "fulfillment")
WAIT = 30.0  # seconds


class Command(BaseCommand):
    help = (
        "Check a partner's test environment against docs/contracts, point by point. Moves single "
        "points of --account and gives them back; orders single units of --sku. Exit code 0: "
        "nothing is broken; 1: a promise is not kept; 2: it could not be tried."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "partner", nargs="?", choices=PARTNERS, help="One of them; both when left out."
        )
        parser.add_argument("--account", default="", help="A test account with some points in it.")
        parser.add_argument("--sku", default="", help="A virtual product of the test environment.")
        parser.add_argument(
            "--listen",
            type=address,
            metavar="HOST:PORT",
            help="Hear the webhooks here; the partner must send them to it.",
        )
        parser.add_argument(
            "--wait",
            type=float,
            default=WAIT,
            help="Seconds for a delivery, and for its webhooks (%(default)g).",
        )
        parser.add_argument("--json", action="store_true", help="One JSON document.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        wanted = [options["partner"]] if options["partner"] else list(PARTNERS)
        if "loyalty" in wanted and not options["account"]:
            raise CommandError(
                "Name a test account with --account: points of it are moved.", returncode=2
            )
        if "fulfillment" in wanted and not options["sku"]:
            raise CommandError(
                "Name a product of the test environment with --sku: it is ordered.", returncode=2
            )
        results = []
        for partner in wanted:
            try:
                results.append(self._check(partner, options))
            except UntriedError as why:
                raise CommandError(str(why), returncode=2) from None
            if not results[-1].whole:
                break
        if options["json"]:
            self.stdout.write(json.dumps(_document(results), indent=2, ensure_ascii=False))
        if not all(result.whole for result in results):
            raise CommandError("Broken off.", returncode=2)
        if not all(result.holds for result in results):
            sys.exit(1)

    def _check(self, partner: str, options: dict[str, Any]) -> Result:
        quiet = options["json"]

        def tell(point: Point) -> None:
            if not quiet:
                self._say(point)

        if not quiet:
            self.stdout.write(self.style.MIGRATE_HEADING(f"The {partner} partner"))
        if partner == "loyalty":
            result = check_loyalty(account=options["account"], tell=tell)
        else:
            result = check_fulfillment(
                sku=options["sku"], wait=options["wait"], listen=options["listen"], tell=tell
            )
        if not quiet:
            counts = ", ".join(f"{result.count(verdict)} {verdict}" for verdict in Compliance)
            self.stdout.write(f"{result.address}: {counts}. {result.left}\n\n")
        return result

    def _say(self, point: Point) -> None:
        styles = {
            Compliance.KEPT: self.style.SUCCESS,
            Compliance.NOT_KEPT: self.style.ERROR,
            Compliance.CANNOT_TELL: self.style.WARNING,
        }
        verdict = styles[point.verdict](f"{point.verdict:<12}")
        self.stdout.write(f"{verdict} {point.key:<22} {point.promise}")
        self.stdout.write(f"{'':13}{point.seen}")
        if point.verdict is not Compliance.KEPT:
            unless = "For us" if point.verdict is Compliance.NOT_KEPT else "If it is not kept"
            self.stdout.write(f"{'':13}{unless}: {point.means}")


def address(text: str) -> tuple[str, int]:
    """Parse HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ArgumentTypeError("must be HOST:PORT, such as 0.0.0.0:8129")
    return host, int(port)


def _document(results: list[Result]) -> dict[str, Any]:
    return {
        "holds": all(result.holds for result in results),
        "partners": [
            {
                "partner": result.partner,
                "address": result.address,
                "points": [asdict(point) for point in result.points],
                "counts": {verdict.value: result.count(verdict) for verdict in Compliance},
                "left": result.left,
            }
            for result in results
        ],
    }
