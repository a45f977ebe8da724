"""Rules of this repository that no linter checks."""

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("accounts", "catalog", "inventory", "fulfillment", "redemption", "operations")
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
MOST_NAMES = 20  # in a folder; the root has what tools look for there


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sources("loyalty_portal", *ROOMS)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in done.stdout.splitlines()]


# folders that have many files by nature
MANY = ("migrations", "commands", "drawings", "email", "decisions", "fixtures", "runbooks")


def test_no_folder_shows_more_than_20_names() -> None:
    names: dict[Path, set[str]] = {}
    for path in tracked():
        parts = path.parts
        for depth in range(1, len(parts)):
            names.setdefault(Path(*parts[:depth]), set()).add(parts[depth])
    crowded = {
        str(folder): len(shown) for folder, shown in names.items() if len(shown) > MOST_NAMES
    }
    assert {f: n for f, n in crowded.items() if Path(f).name not in MANY} == {}


def test_no_template_is_longer_than_200_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in sorted((ROOT / "templates").rglob("*.html"))
    }
    assert {name: length for name, length in lengths.items() if length > 200} == {}


def test_no_stylesheet_and_no_script_of_ours_is_longer_than_400_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for kind in ("css", "js")
        for path in sorted((ROOT / "static").rglob(f"*.{kind}"))
        if not path.name.endswith(".min.js")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sources("loyalty_portal", *ROOMS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def test_no_signal_drives_the_business() -> None:
    signals = ("django.dispatch", "django.db.models.signals", "django.core.signals")
    users = [
        str(path.relative_to(ROOT))
        for path in sources("loyalty_portal", *ROOMS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(signals)
    ]
    assert users == []


def test_no_import_hides_inside_a_function() -> None:
    hidden = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in sources("loyalty_portal", *ROOMS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_whoever_acts_is_an_actor() -> None:
    """A service says who acts as keyword-only `by`, a permission as `actor`: always an Actor."""
    others = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources(*ROOMS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg == "actor" or (argument.arg == "by" and argument in node.args.kwonlyargs)
        if argument.annotation is None or ast.unparse(argument.annotation) != "Actor"
    ]
    assert others == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_entrance_holds_no_code(room: str) -> None:
    tree = ast.parse((ROOT / room / "__init__.py").read_text())
    assert [node for node in tree.body if not isinstance(node, ast.Expr)] == []


# Names that two modules may both define, each with its reason.
SAME_NAME_ALLOWED = {
    "Command": "Django finds each command of manage.py by this name",
    "Channel": "kombu looks for this name in a transport; ours of fulfillment is a stored choice",
    "Answer": "the sandbox stands for the partners, and imports nothing of the portal's client",
    "Contract": "the sandbox and check_partners each read the contract for themselves",
}


def test_no_two_modules_define_a_class_of_one_name() -> None:
    """Only classes of modules count; nested ones such as `Product.Meta` have names of their own."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources("loyalty_portal", *ROOMS):
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert {name: where for name, where in twice.items() if name not in SAME_NAME_ALLOWED} == {}
    assert set(SAME_NAME_ALLOWED) == set(twice)  # every exception is still needed


def test_what_replaces_our_own_code_in_a_test_says_why() -> None:
    """A line `# replaced: …` above it, or above the lines of the same kind before it."""
    silent, replaces = [], "monkeypatch.setattr("
    for path in sources("tests"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            before = number - 1
            while lines[before].lstrip().startswith(replaces):
                before -= 1
            if line.lstrip().startswith(replaces) and "# replaced: " not in lines[before]:
                silent.append(f"{path.relative_to(ROOT)}:{number + 1}")
    assert silent == []
