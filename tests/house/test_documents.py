"""What documents, docstrings and comments name exists, and links lead somewhere."""

import ast
import io
import os
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.db.models import Model

from accounts.models import AccountManager, Company
from catalog.models import Product
from inventory.models import Inventory
from redemption.models import LoyaltyTransaction, OrderItem, RedemptionOrder

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = "docs/architecture.md"
FINDING = "docs/finding-things.md"
DATA_MODEL = "docs/data-model.md"
DECISIONS = "docs/decisions/README.md"
SAGA = "docs/saga.md"
ROOMS = ("accounts", "catalog", "inventory", "fulfillment", "redemption", "operations")
# Django's folders, whose names explain them.
DJANGOS = {"management", "migrations"}
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|\b(?:src|srcset)=\"([^\"]+)\"")
PATH = re.compile(
    r"`((?:\.ci|accounts|benchmarks|catalog|deploy|docs|fulfillment|inventory|loyalty_portal|operations"
    r"|redemption|static|templates|tests)/[\w./-]*|[\w.-]+\.py)(?::+ ?(\w+))?[^`]*`"
)
DOCUMENT = re.compile(r"[\w./-]*[\w-]\.md\b")
MODULE = re.compile(r"(?<![\w/.])(?:[a-z_]+/)*[a-z_]+\.py\b")
DECISION = re.compile(r"\bADR (\d{4})\b|decisions/(\d{4})\b")
RULE = re.compile(r"saga\.md, rules? (\d+)(?: and (\d+))?|rules (\d+), (\d+)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@cache
def tracked() -> frozenset[str]:
    # Uncommitted files count too, so that a new document can be checked before committing.
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    return frozenset(name for name in done.stdout.splitlines() if (ROOT / name).is_file())


@cache
def folders() -> frozenset[str]:
    return frozenset(str(parent) for name in tracked() for parent in Path(name).parents)


@cache
def ends() -> frozenset[str]:
    """Each path, whole and without its first folders."""
    parts = [Path(name).parts for name in tracked()]
    return frozenset("/".join(each[n:]) for each in parts for n in range(len(each)))


def documents() -> list[str]:
    return sorted(name for name in tracked() if name.endswith(".md"))


@cache
def prose(name: str) -> str:
    """A document without code blocks; of a Python file, its docstrings and comments."""
    text = (ROOT / name).read_text()
    if not name.endswith(".py"):
        return FENCED.sub("", text)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    said = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    said += [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join(said)


def spoken() -> Iterator[str]:
    """All files with text for people."""
    own = (".py", ".md", ".toml", ".yml", ".example", ".demo", ".conf", ".html", ".css")
    for name in sorted(tracked()):
        if name.endswith(own) or Path(name).name in {"Makefile", "Dockerfile", "run"}:
            yield name


def exists(name: str, said_in: str) -> bool:
    """Whether a path exists: from the root, from the file that names it, or by its end."""
    beside = os.path.normpath(Path(said_in).parent / name)
    return beside in tracked() or name.rstrip("/") in folders() or name.lstrip("./") in ends()


def defines(name: str, inside: str) -> bool:
    """Whether a file has the name: as a function, class, constant or field if it is of Python."""
    text = (ROOT / name).read_text()
    if not name.endswith(".py"):
        return inside in text
    made = rf"^\s*(?:(?:async )?def|class) {inside}\b|^\s*{inside}(?::[^=\n]+)? = "
    return re.search(made, text, re.MULTILINE) is not None


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", "-")


def test_the_list_of_folders_and_the_tree_agree() -> None:
    """Two levels everywhere, and every package in the rooms."""
    in_tree = set()
    for folder in folders() - {"."}:
        parts = Path(folder).parts
        is_room = parts[0] in (*ROOMS, "loyalty_portal") and f"{folder}/__init__.py" in tracked()
        if (len(parts) <= 2 or is_room) and not DJANGOS & set(parts):
            in_tree.add(folder)
    rows = re.findall(
        r"^\| `([^`]+)/` \| (.+) \|$", (ROOT / ARCHITECTURE).read_text(), re.MULTILINE
    )
    listed = [folder for folder, _purpose in rows]
    assert sorted(in_tree - set(listed)) == [], "folders without a line"
    assert sorted(set(listed) - in_tree) == [], "lines without a folder"
    assert listed == sorted(listed), "each once, in order"


def test_every_document_that_is_named_exists() -> None:
    missing = [
        f"{said_in}: {name}"
        for said_in in spoken()
        for name in DOCUMENT.findall(prose(said_in))
        if not exists(name, said_in) and not exists(f"docs/{name}", said_in)
    ]
    assert missing == []


def test_every_decision_that_is_named_exists() -> None:
    known = {Path(name).name[:4] for name in tracked() if name.startswith("docs/decisions/0")}
    named = {
        (said_in, number)
        for said_in in spoken()
        for found in DECISION.findall(prose(said_in))
        for number in found
        if number
    }
    assert {(where, number) for where, number in named if number not in known} == set()


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"^- \[(\d{4})\]", (ROOT / DECISIONS).read_text(), re.MULTILINE)
    known = [Path(name).name[:4] for name in tracked() if name.startswith("docs/decisions/0")]
    assert listed == sorted(known)


def test_every_rule_that_is_named_exists() -> None:
    known = set(re.findall(r"^(\d+)\. \*\*", (ROOT / SAGA).read_text(), re.MULTILINE))
    named = {
        (said_in, number)
        for said_in in spoken()
        for found in RULE.findall(prose(said_in))
        for number in found
        if number
    }
    assert len(known) >= 17
    assert {(where, number) for where, number in named if number not in known} == set()


@pytest.mark.parametrize("document", documents())
def test_every_link_of_a_document_resolves(document: str) -> None:
    broken = []
    for pair in LINK.findall((ROOT / document).read_text()):
        target, _, anchor = (pair[0] or pair[1]).partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (ROOT / document).parent / target if target else ROOT / document
        name = os.path.relpath(path, ROOT)
        if name not in tracked() and name not in folders():
            broken.append(target)
        elif anchor and path.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", FENCED.sub("", path.read_text()), re.MULTILINE)
            if anchor not in map(slug, headings):
                broken.append(f"{target}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("document", documents())
def test_every_file_that_a_document_names_exists(document: str) -> None:
    """Where the document says “file: name”, the file must define the name."""
    wrong = []
    for name, inside in PATH.findall(prose(document)):
        if not exists(name, document):
            wrong.append(name)
        elif inside and name in tracked() and not defines(name, inside):
            wrong.append(f"{name}: {inside}")
    assert wrong == []


def test_every_module_that_a_comment_names_exists() -> None:
    missing = [
        f"{said_in}: {name}"
        for said_in in spoken()
        if said_in.endswith((".py", ".html", ".toml", ".css"))
        for name in MODULE.findall(prose(said_in))
        if not exists(name, said_in)
    ]
    assert missing == []


def test_each_question_of_a_newcomer_is_answered_in_three_hops() -> None:
    answers = re.split(r"^## ", (ROOT / FINDING).read_text(), flags=re.MULTILINE)[1:]
    hops = {
        text.splitlines()[0]: len(re.findall(r"^\d\. ", text, re.MULTILINE)) for text in answers
    }
    assert len(hops) >= 8
    assert {question: n for question, n in hops.items() if not 1 <= n <= 3} == {}
    assert f"({FINDING})" in (ROOT / "README.md").read_text()


def test_each_recipe_fits_on_one_screen() -> None:
    recipes = [name for name in tracked() if name.startswith("docs/recipes/")]
    assert len(recipes) >= 6
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in recipes}
    assert {name: length for name, length in lengths.items() if length > 60} == {}


@pytest.mark.parametrize(
    "model",
    [
        *(Company, AccountManager, Product, Inventory),
        *(RedemptionOrder, OrderItem, LoyaltyTransaction),
    ],
)
def test_the_data_model_names_every_column_of_the_seven_tables(model: type[Model]) -> None:
    before, _, after = (ROOT / DATA_MODEL).read_text().partition(f"**{model._meta.db_table}** – ")
    assert before
    about = after.partition("\n\n")[0]
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", about))))
    columns = {field.column for field in model._meta.concrete_fields}
    assert columns - named == set()
    asked_for_elsewhere = {"email", "name", "unique", "user_id"}
    assert {word for word in named - columns if word.islower()} <= asked_for_elsewhere
