"""`manage.py publish_static FOLDER`: this version's static files beside those of earlier ones."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.management.base import BaseCommand, CommandError

from operations.publishing import publish


class Command(BaseCommand):
    help = (
        "Copy the collected static files into a folder that a web server or a CDN serves as "
        "/static/, and remove from it what no version has published for 30 days. Run it before the "
        "first server of a new version starts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="what is served as /static/")

    def handle(self, *_args: Any, folder: Path, **_options: Any) -> None:
        storage = staticfiles_storage
        names: dict[str, str] = {}
        if isinstance(storage, ManifestFilesMixin):
            names = storage.hashed_files
        if not names:
            raise CommandError("There are no collected files. Run collectstatic first.")
        source, target = Path(settings.STATIC_ROOT).resolve(), folder.resolve()
        if source == target or source in target.parents or target in source.parents:
            raise CommandError(f"{folder} and STATIC_ROOT ({source}) must be folders apart.")
        try:
            told = publish(sorted(set(names.values())), source=source, target=target)
        except OSError as error:
            raise CommandError(f"Not all files were published: {error}.") from error
        self.stdout.write(
            f"{told.copied} files copied, {told.kept} were there, {told.removed} removed that no "
            "version has published for 30 days."
        )
