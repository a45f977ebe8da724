"""The compiled requirements list every dependency, so an install resolves nothing.

`pip install --no-deps` installs what is listed and nothing else. A compiled file is complete when
each dependency of each listed distribution, with its extras, is listed itself. Those of
`.ci/left-out.txt` are not.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FILES = ["requirements", "requirements-otel", "requirements-aws", "requirements-dev"]

Machine = dict[str, str]

HERE: Machine = {name: str(value) for name, value in default_environment().items()}
# The oldest Python in pyproject.toml to the newest, on the supported platforms.
SUPPORTED: list[Machine] = [
    HERE
    | {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "implementation_version": python,
        "sys_platform": system.lower(),
        "platform_system": system,
    }
    for python in ("3.11.0", "3.11.3", "3.12.0", "3.13.0", "3.14.0")
    for system in ("Linux", "Darwin")
]


def listed(text: str) -> list[Requirement]:
    """The requirements in a compiled file or a .in file."""
    rows = (line.partition(" #")[0].rstrip(" \\") for line in text.splitlines())
    return [Requirement(row) for row in rows if row and row[0].isalnum()]


def wanted(name: str) -> list[Requirement]:
    """The requirements of a .in file, including the files that it includes."""
    text = (ROOT / f"{name}.in").read_text()
    included = re.findall(r"^-r (\S+)\.in$", text, re.MULTILINE)
    return listed(text) + [each for other in included for each in wanted(other)]


LEFT_OUT = {each.name for each in listed((ROOT / ".ci/left-out.txt").read_text())}


def holds(requirement: Requirement, machine: Machine, extra: str = "") -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate(machine | {"extra": extra})


@cache
def dependencies(name: str, extra: str, number: int) -> list[Requirement]:
    """The dependencies of an installed distribution with an extra, on platform `number`."""
    lines = map(Requirement, distribution(name).requires or [])
    wanted_here = (each for each in lines if holds(each, SUPPORTED[number], extra))
    return [each for each in wanted_here if canonicalize_name(each.name) not in LEFT_OUT]


def needs(asked: list[Requirement], known: set[str], number: int) -> Iterator[Requirement]:
    """`asked` and all its dependencies, from the metadata of installed distributions.

    Follows only names in `known`, because other missing names have no metadata.
    """
    waiting = [(each, extra) for each in asked for extra in ("", *each.extras)]
    seen = set()
    yield from asked
    while waiting:
        one, extra = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in known or (name, extra) in seen:
            continue
        seen.add((name, extra))
        for dependency in dependencies(name, extra, number):
            yield dependency
            waiting += [(dependency, more) for more in ("", *dependency.extras)]


def missing(file: list[Requirement], asked: list[Requirement]) -> Iterator[str]:
    """What a compiled file lacks on any supported platform."""
    for number, machine in enumerate(SUPPORTED):
        rows = [row for row in file if holds(row, machine)]
        pinned = {canonicalize_name(row.name): _pin(row) for row in rows}
        # distributions for other platforms have no metadata here
        known: set[str] = {canonicalize_name(row.name) for row in rows if holds(row, HERE)}
        relevant = [each for each in asked if holds(each, machine)]
        for need in needs([*relevant, *rows], known, number):
            pin = pinned.get(canonicalize_name(need.name))
            if pin is None or not need.specifier.contains(pin, prereleases=True):
                yield f"{need} (Python {machine['python_full_version']})"


def _pin(row: Requirement) -> str:
    (pin,) = row.specifier
    assert pin.operator == "==", f"{row} is not pinned"
    return pin.version


def compiled(name: str) -> list[Requirement]:
    return listed((ROOT / f"{name}.txt").read_text())


RUNTIME = compiled("requirements")


@pytest.mark.parametrize("name", FILES)
def test_the_versions_installed_here_are_the_pinned_ones(name: str) -> None:
    """Otherwise the metadata belongs to another version. `make .venv/installed` repairs it."""
    here = [row for row in compiled(name) if holds(row, HERE)]
    assert {row.name: version(row.name) for row in here} == {row.name: _pin(row) for row in here}


@pytest.mark.parametrize("name", FILES)
def test_a_compiled_file_lists_all_that_it_needs(name: str) -> None:
    assert not list(missing(compiled(name), wanted(name)))


@pytest.mark.parametrize("name", FILES)
def test_whichever_line_is_left_out_is_missed(name: str) -> None:
    """The control, which also shows that nothing unneeded is listed."""
    rows = [row for row in compiled(name) if any(holds(row, each) for each in SUPPORTED)]
    asked = wanted(name)
    assert len(rows) > 50
    for left_out in rows:
        rest = [row for row in rows if row is not left_out]
        assert any(missing(rest, asked)), f"{left_out.name} is needed by nobody"


def test_a_version_that_does_not_fit_is_missed() -> None:
    rows = [Requirement("asgiref==3.0.0") if row.name == "asgiref" else row for row in RUNTIME]
    assert any(found.startswith("asgiref") for found in missing(rows, wanted("requirements")))


def test_what_only_an_extra_needs_is_missed() -> None:
    rows = [row for row in RUNTIME if row.name != "hiredis"]  # a dependency of redis[hiredis]
    assert any(found.startswith("hiredis") for found in missing(rows, wanted("requirements")))


def test_every_install_takes_what_is_listed_and_checks_it() -> None:
    texts = [ROOT / name for name in ("Makefile", "Dockerfile", "README.md", "CONTRIBUTING.md")]
    texts += [path for path in (ROOT / ".ci").iterdir() if path.is_file()]
    texts += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    installs = [text.read_text() for text in texts if "pip install" in text.read_text()]
    assert len(installs) >= 2
    for text in installs:
        assert "pip check" in text
        for line in re.findall(r".*pip install.*", text):
            assert {"--no-deps", "--require-hashes"} <= set(line.split()), line
