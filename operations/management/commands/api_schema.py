"""`manage.py api_schema`: writes the OpenAPI document of the API to docs/api/openapi-v1.json."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from loyalty_portal.api.growth import taken_away
from loyalty_portal.api.v1 import api

PLACE = "docs/api/openapi-v1.json"
SERVER = "https://portal.example"  # in the file, wherever it is written


class Command(BaseCommand):
    """Writes the document. Refuses when it takes something away from the one that is there."""

    help = "Write the OpenAPI document of the API to docs/api/openapi-v1.json."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Write nothing; fail when the file is another."
        )

    def handle(self, *_args: object, **options: Any) -> None:
        place: Path = settings.BASE_DIR / PLACE
        before = place.read_text() if place.exists() else ""
        now = document()
        if before and (gone := taken_away(json.loads(before), json.loads(now))):
            raise CommandError("Version 1 only grows. " + " ".join(gone))
        if options["check"]:
            if before != now:
                raise CommandError(f"{PLACE} is another: run manage.py api_schema and commit it.")
            return
        place.parent.mkdir(exist_ok=True)
        place.write_text(now)
        self.stdout.write(f"Wrote {PLACE}.")


def document() -> str:
    """The document as the file has it."""
    made = {**api.document, "servers": [{"url": SERVER}]}
    text = json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return text.replace(settings.PORTAL_URL, SERVER) + "\n"
