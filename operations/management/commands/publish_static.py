"""`manage.py publish_static WHERE`: this version's static files beside those of earlier ones."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from operations.publishing import FileStore, FolderStore, publish

S3 = "s3://"


class Command(BaseCommand):
    help = (
        "Copy the collected static files into a folder or a bucket that a web server or a CDN "
        "serves as /static/, and remove from it what no version has published for 30 days. Run it "
        "before the first server of a new version starts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "where", help="what is served as /static/: a folder, or s3://BUCKET/PREFIX"
        )

    def handle(self, *_args: Any, where: str, **_options: Any) -> None:
        storage = staticfiles_storage
        names: dict[str, str] = {}
        if isinstance(storage, ManifestFilesMixin):
            names = storage.hashed_files
        if not names:
            raise CommandError("There are no collected files. Run collectstatic first.")
        source = Path(settings.STATIC_ROOT).resolve()
        try:
            store = _bucket(where) if where.startswith(S3) else _folder(where, source)
            told = publish(sorted(set(names.values())), source=source, store=store)
        except OSError as error:
            raise CommandError(f"Not all files were published: {error}.") from error
        self.stdout.write(
            f"{told.copied} files copied, {told.kept} were there, {told.removed} removed that no "
            "version has published for 30 days."
        )


def _folder(where: str, source: Path) -> FileStore:
    target = Path(where).resolve()
    if source == target or source in target.parents or target in source.parents:
        raise CommandError(f"{where} and STATIC_ROOT ({source}) must be folders apart.")
    return FolderStore(target)


def _bucket(address: str) -> FileStore:
    if not address.removeprefix(S3).strip("/"):
        raise CommandError("Name the bucket: s3://BUCKET/PREFIX.")
    try:
        bucket = import_string("operations.publishing_s3.BucketStore")  # its packages are optional
    except ModuleNotFoundError as error:
        raise CommandError("s3:// needs the packages of requirements-aws.txt.") from error
    store: FileStore = bucket(address)
    return store
