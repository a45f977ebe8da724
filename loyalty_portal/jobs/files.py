"""The files of jobs: written and read in pieces, so that their size costs no memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.db.models import F

from loyalty_portal.jobs.models import FileRole, Job, JobFile, JobPiece

PIECE = 1024 * 1024  # bytes; a longer piece is cut


def give_file(*, job: Job, name: str, content_type: str, chunks: Iterable[bytes]) -> JobFile:
    """Store the file that a job is to work on, in the caller's transaction."""
    file = JobFile.objects.create(
        job=job, role=FileRole.GIVEN, name=name[-200:], content_type=content_type
    )
    for chunk in chunks:
        append(file, chunk)
    return file


def made_file(*, job: Job, name: str, content_type: str) -> JobFile:
    """The file that the job makes, empty at first; a later slice gets the same one."""
    file, _created = JobFile.objects.get_or_create(
        job=job, role=FileRole.MADE, defaults={"name": name, "content_type": content_type}
    )
    return file


def append(file: JobFile, data: bytes) -> None:
    """Add bytes at the end. Call it in the transaction of a slice."""
    cuts = [data[start : start + PIECE] for start in range(0, len(data), PIECE)]
    first = file.pieces
    JobPiece.objects.bulk_create(
        JobPiece(file=file, number=first + n, data=cut) for n, cut in enumerate(cuts)
    )
    JobFile.objects.filter(pk=file.pk).update(
        pieces=F("pieces") + len(cuts), size=F("size") + len(data)
    )
    file.refresh_from_db(fields=["pieces", "size"])


def pieces_of(file: JobFile) -> Iterator[bytes]:
    """The bytes of a file, piece by piece."""
    for number in range(file.pieces):
        yield bytes(JobPiece.objects.values_list("data", flat=True).get(file=file, number=number))


@contextmanager
def on_disk(file: JobFile) -> Iterator[Path]:
    """The file at a place on disk, for readers that need one. It is removed at the end."""
    with NamedTemporaryFile() as kept:
        for piece in pieces_of(file):
            kept.write(piece)
        kept.flush()
        yield Path(kept.name)
