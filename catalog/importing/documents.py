"""Reads JSON files. A file is loaded whole, so its size is limited."""

import json
from pathlib import Path
from typing import Any

from catalog.importing.records import ImportFileError

LARGEST = 64 * 1024 * 1024  # bytes


def is_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}


def load(path: Path) -> Any:
    """Load a JSON file. Raises ImportFileError when it is too large or not JSON."""
    if path.stat().st_size > LARGEST:
        raise ImportFileError(f"JSON files may have {LARGEST >> 20} MB; this one has more.")
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ImportFileError(f"This is not JSON as it should be: {error}.") from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number")
