"""Static files as `collectstatic` writes them: with the hash of their content in the name, and with
each of our stylesheets in one piece.
"""

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage

STYLESHEETS = ("css/portal.css", "css/admin.css")
_PART = re.compile(r'@import "([^"]+)";\n')
_ADDRESS = re.compile(r"""url\((["']?)(?![a-z]+:|[/#"'])""")


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Replaces each `@import` of our stylesheets by the file that it names, so that a browser asks
    once. With DEBUG another storage serves them as they are, and the browser follows each.
    """

    def post_process(self, paths: dict[str, Any], **options: Any) -> Iterator[tuple[Any, ...]]:
        """`paths`: for each name, the storage that the file comes from and its name there.

        A part that is missing stays an `@import`, which Django refuses with both names.
        """
        whole = InMemoryStorage()

        def part(found: re.Match[str]) -> str:
            name = posixpath.join("css", found[1])
            if name not in paths:
                return found[0]
            # Addresses in a part are relative to its own folder.
            folder = posixpath.dirname(found[1])
            return _ADDRESS.sub(rf"url(\1{folder}/", _text(paths[name]))

        for sheet in STYLESHEETS:
            if sheet in paths:
                text = _PART.sub(part, _text(paths[sheet]))
                whole.save(sheet, ContentFile(text.encode()))
                paths = paths | {sheet: (whole, sheet)}
        yield from super().post_process(paths, **options)


def _text(source: Any) -> str:
    storage, name = source
    with storage.open(name) as file:
        text: str = file.read().decode()
    return text
