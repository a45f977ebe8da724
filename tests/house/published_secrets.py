"""Finds texts that look like secrets in the repository's files."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Files that are not in the repository, or third-party files full of checksums.
LEFT_OUT = {".git", ".venv", ".local", ".sandbox", "__pycache__", "node_modules", "img"}
LEFT_OUT |= {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
SHAPES = (
    # a webhook secret; 32 bytes in base64; the password in a URL
    re.compile(r"(whsec_[A-Za-z0-9+/_=-]{8,})"),
    re.compile(r"(?<![A-Za-z0-9+/_=-])([A-Za-z0-9+/_-]{43}=)(?![A-Za-z0-9=])"),
    re.compile(r"://[^\s:/@\"'`{}$<>]*:([^\s:/@\"'`{}$<>…]{2,})@"),
    # `API_KEY = "…"`, `"password": "…"`, `secret: str = "…"`
    re.compile(
        r"(?i)(?:secret|secret_key|password|api_key|routing_key)s?\b[\"']?(?:: str)? ?[:=] ?\(?f?[\"']"
        r"([^\"'{}\n]{4,})[\"']"
    ),
    # `env.text("API_KEY", "…")`
    re.compile(r"env\.\w+\(\s*\"[A-Z_]*(?:SECRETS?|KEYS?|PASSWORD)\",\s+\"([^\"{}\s]{4,})\""),
    # `API_KEY=…` of an env file, `PASSWORD: …` and `${PASSWORD:-…}` of a compose file
    re.compile(r"(?m)^[# ]*[A-Z_]*(?:SECRETS?|KEYS?|PASSWORD)(?:=|: )([^\s\"'$(){}…]{4,})$"),
    re.compile(r"(?:SECRETS?|KEYS?|PASSWORD):-([^{}\s]+)}"),
)


def files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT)
        is_ours = path.name != ".env" and LEFT_OUT.isdisjoint(inside.parts)
        if is_ours and path.is_file() and not path.is_symlink():
            yield path


def found_in(text: str) -> set[str]:
    """The texts that look like secrets."""
    found = {said for shape in SHAPES for said in shape.findall(text)}
    return {said for said in found if said.removeprefix("whsec_") and "…" not in said}


def in_the_repository() -> dict[str, str]:
    """All of them, each with the first file that contains it."""
    found: dict[str, str] = {}
    for path in files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for said in found_in(text):
            found.setdefault(said, str(path.relative_to(ROOT)))
    return found
