"""Our stylesheets in one piece each, so that a browser asks once for them."""

import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

STYLESHEETS = ("css/portal.css", "css/admin.css")
_PART = re.compile(r'@import "([^"]+)";\n')
_ADDRESS = re.compile(r"""url\((["']?)(?![a-z]+:|[/#"'])""")


class StylesheetFinder(BaseFinder):
    """Finds `css/portal.css`, which is no file: it is made of the files that `css/portal/all.css`
    names, in their order. With DEBUG that happens at each request, otherwise by `collectstatic`.

    `made` is the folder where it is put, `source` that of our static files.
    """

    def __init__(self, made: Path | None = None, source: Path | None = None) -> None:
        self._storage = FileSystemStorage(made or settings.BASE_DIR / ".local" / "stylesheets")
        self._source = source or settings.BASE_DIR / "static"

    def check(self, **_options: object) -> list[Any]:
        return []

    def find(self, path: str, find_all: bool = False, **_options: object) -> Any:
        if path not in STYLESHEETS:
            return []
        made = self._make(path)
        return [made] if find_all else made

    def list(
        self, _ignore_patterns: Iterable[str] | None
    ) -> Iterator[tuple[str, FileSystemStorage]]:
        for sheet in STYLESHEETS:
            self._make(sheet)
            yield sheet, self._storage

    def _make(self, sheet: str) -> str:
        target = Path(self._storage.path(sheet))
        target.parent.mkdir(parents=True, exist_ok=True)
        text = self._whole(sheet)
        if not target.exists() or target.read_text() != text:
            # At once, for others may read it now.
            new = target.with_suffix(f".{threading.get_native_id()}")
            new.write_text(text)
            new.replace(target)
        return str(target)

    def _whole(self, sheet: str) -> str:
        folder = PurePosixPath(sheet).with_suffix("")

        def part(found: re.Match[str]) -> str:
            text = (self._source / folder / found[1]).read_text()
            # Addresses in a part are relative to its own folder.
            return _ADDRESS.sub(rf"url(\1{(folder / found[1]).parent.relative_to('css')}/", text)

        return _PART.sub(part, (self._source / folder / "all.css").read_text())
