"""Rules for style sheets, scripts and templates (templates/ui documents the parts)."""

import gzip
import math
import re
from pathlib import Path

import pytest
import unfold

ROOT = Path(__file__).resolve().parents[2]
# in the order in which all.css names them
STYLESHEETS = [
    f"css/portal/{name}"
    for name in re.findall(r'@import "(.+)";', (ROOT / "static/css/portal/all.css").read_text())
]
CSS = "\n".join((ROOT / "static" / name).read_text() for name in STYLESHEETS)
RULES = re.sub(r"/\*.*?\*/", "", CSS, flags=re.DOTALL)
CLASSES = set(re.findall(r"\.([a-z][\w-]*)(?=[^{};]*{)", RULES))
SCRIPTED = {"errornote", "action-counter", "all", "clear", "question"}  # of Django's own scripts
# Classes that are used but are in no class attribute of a template, with their origin.
WORN_ELSEWHERE = {"gate--art": "a block of ui/entrance.html", "htmx-request": "htmx"}
PAGE = [
    *(f"static/{name}" for name in STYLESHEETS),
    "static/js/htmx.min.js",
    "static/js/portal.js",
    "templates/ui/brand.css",
]
TEMPLATES = [
    path
    for path in sorted((ROOT / "templates").rglob("*.html"))
    if not {"email", "admin", "unfold"} & set(path.relative_to(ROOT / "templates").parts)
]
TEXTS = ("ink", "ink-2", "ink-3", "ok", "warn", "bad", "live")
GROUNDS = ("paper", "surface", "sunk")
ADMIN_TEMPLATES = sorted(
    path for folder in ("admin", "unfold") for path in (ROOT / "templates" / folder).rglob("*.html")
)
ADMIN_CSS = "\n".join(
    path.read_text()
    for folder in (ROOT / "static/css/admin", Path(unfold.__file__).parent / "static/unfold")
    for path in sorted(folder.rglob("*.css"))
)
ADMIN_CLASSES = {
    re.sub(r"\\(.)", r"\1", name)
    for name in re.findall(r"\.((?:\\.|[a-zA-Z_-])(?:\\.|[\w-])*)", ADMIN_CSS)
}
# Contrast: text 4.5 to 1, other visible parts 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11).
PAIRS = [
    *((text, ground, 4.5) for text in TEXTS for ground in GROUNDS),
    *((tone, f"{tone}-soft", 4.5) for tone in ("ok", "warn", "bad", "live")),
    *(("ink", f"{tone}-soft", 4.5) for tone in ("ok", "warn", "bad", "live")),
    *(("line-strong", ground, 3.0) for ground in GROUNDS),
    ("on-accent", "accent", 4.5),
    ("accent", "paper", 3.0),
    ("accent", "surface", 3.0),
]


def luminance(lightness: float, chroma: float, hue: float) -> float:
    """WCAG's relative luminance of an OKLCH colour."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    red, green, blue = (min(1.0, max(0.0, part)) for part in (red, green, blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def token(name: str, scheme: str) -> float:
    """The luminance of a colour token of tokens.css."""
    value = re.search(rf"--{name}: light-dark\((.+)\);", CSS)
    assert value, f"--{name} is not a colour for both schemes"
    day, night = re.findall(r"oklch\(([\d. ]+)\)", value[1])
    return luminance(*map(float, (day if scheme == "light" else night).split()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("one", "other", "least"), PAIRS)
def test_colours_can_be_told_apart(one: str, other: str, least: float, scheme: str) -> None:
    low, high = sorted((token(one, scheme), token(other, scheme)))
    assert (high + 0.05) / (low + 0.05) >= least


def test_a_page_loads_little() -> None:
    weight = sum(len(gzip.compress((ROOT / path).read_bytes())) for path in PAGE)
    assert weight <= 60 * 1024


def test_a_page_links_one_stylesheet() -> None:
    """Beside the brand's, which is empty for most."""
    for name in ("ui/frame/_assets.html", "500.html"):
        text = (ROOT / "templates" / name).read_text()
        assert re.findall(r"{% static '(css/[^']+)' %}", text) == ["css/portal.css"]


def test_that_stylesheet_names_every_file_of_the_portal_once() -> None:
    there = {str(p.relative_to(ROOT / "static")) for p in (ROOT / "static/css/portal").rglob("*")}
    parts = {name for name in there if name.endswith(".css")} - {"css/portal/all.css"}
    assert sorted(STYLESHEETS) == sorted(parts)


def test_the_order_of_the_layers_is_declared_once_before_any_of_them() -> None:
    declared = re.findall(r"@layer ([^{;]+);", RULES)
    assert len(declared) == 1
    assert RULES.lstrip().startswith("@layer " + declared[0])
    assert set(re.findall(r"@layer (\w+) {", RULES)) == set(declared[0].split(", "))


def test_every_rule_of_the_portal_stands_in_a_layer() -> None:
    """A rule outside all layers would override all others."""
    outermost = re.findall(r"^(\S.*?) {$", RULES, flags=re.MULTILINE)
    assert [rule for rule in outermost if not rule.startswith("@layer ")] == []


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    icons = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/img/icons.svg").read_text()))
    named = {
        name
        for path in TEMPLATES
        for name in re.findall(r"(?:icon_sprite }}|icons\.svg' %})#([\w-]+)", path.read_text())
    }
    assert named <= icons


@pytest.mark.parametrize(
    "path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates"))
)
def test_a_template_keeps_the_content_security_policy(path: Path) -> None:
    markup = re.sub(r"{%.*?%}|{#.*?#}", "", path.read_text(), flags=re.DOTALL)
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:|<style|<script(?![^>]*\ssrc=)", markup)


@pytest.mark.parametrize(
    "path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates"))
)
def test_a_template_wears_classes_that_the_stylesheet_has(path: Path) -> None:
    markup = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", " ", path.read_text(), flags=re.DOTALL)
    worn = {name for names in re.findall(r'\sclass="([^"]*)"', markup) for name in names.split()}
    assert {name for name in worn if not name.endswith("-")} <= CLASSES


@pytest.mark.parametrize(
    "path", ADMIN_TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates"))
)
def test_a_template_of_the_admin_wears_classes_that_a_stylesheet_has(path: Path) -> None:
    """Ours or the theme's. The theme has few of its framework's utilities; sr-only is not one."""
    text = path.read_text()
    known = CLASSES if '{% extends "base.html" %}' in text else ADMIN_CLASSES
    text = re.sub(r"-{% if .*?{% endif %}", "-", text)  # an ending that depends on something
    markup = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", " ", text, flags=re.DOTALL)
    worn = {name for names in re.findall(r'\sclass="([^"]*)"', markup) for name in names.split()}
    assert "chart" not in worn, "the theme's app.js draws on it as on a canvas"
    assert {name for name in worn if not name.endswith("-")} <= known | SCRIPTED


def test_the_stylesheets_have_no_class_that_nobody_wears() -> None:
    """The page of the parts shows what others wear, so it counts for nothing."""
    pages = [path for path in TEMPLATES if path.parent.name != "operations"]
    markup = "".join(re.sub(r"{#.*?#}", "", path.read_text(), flags=re.DOTALL) for path in pages)
    attributes = re.findall(r'\sclass="((?:{%.*?%}|{{.*?}}|[^"])*)"', markup, re.DOTALL)
    worn = set(re.findall(r"[\w-]+", " ".join(attributes)))
    assert CLASSES - worn == set(WORN_ELSEWHERE)


@pytest.mark.parametrize(
    "path",
    [*TEMPLATES, *ADMIN_TEMPLATES],
    ids=lambda path: str(path.relative_to(ROOT / "templates")),
)
def test_a_form_leaves_it_to_the_server_to_say_what_is_wrong(path: Path) -> None:
    """The browser's own messages would hide our error texts."""
    forms = re.findall(r"<form\b(?:{%.*?%}|{{.*?}}|[^>])*>", path.read_text(), re.DOTALL)
    assert all("novalidate" in form for form in forms)
