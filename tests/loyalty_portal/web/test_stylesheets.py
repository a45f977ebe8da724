"""What `collectstatic` makes of the stylesheets."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from loyalty_portal.web.stylesheets import STYLESHEETS, StaticStorage

ROOT = Path(__file__).resolve().parents[3]


def collected(source: Path, target: Path) -> tuple[StaticStorage, list[Any]]:
    """The storage of `target` after it got the files of `source`, and what went wrong."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    came_from = FileSystemStorage(location=source)
    names = [str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()]
    storage = StaticStorage(location=target, base_url="/static/")
    done = storage.post_process({name: (came_from, name) for name in names})
    return storage, [result for _name, _hashed, result in done if isinstance(result, Exception)]


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_page_gets_every_rule_in_one_stylesheet(tmp_path: Path) -> None:
    storage, wrong = collected(ROOT / "static", tmp_path)

    assert wrong == []
    for sheet in STYLESHEETS:
        text = (tmp_path / storage.stored_name(sheet)).read_text()
        parts = re.findall(r'@import "(.+)";', (ROOT / "static" / sheet).read_text())
        there = sorted((ROOT / "static" / sheet).with_suffix("").rglob("*.css"))
        assert sorted(ROOT / "static/css" / part for part in parts) == there
        assert "@import" not in text
        at = [text.index((ROOT / "static/css" / part).read_text()) for part in parts]
        assert at == sorted(at), "in the order in which they are named"


def test_what_a_stylesheet_names_is_found_from_the_whole(tmp_path: Path) -> None:
    """A change of a picture changes the names of both, so no browser keeps an old one."""
    part = """
.a { background: url("../../../img/dots.svg#one"), url(near.svg) }
.b { background: url("data:image/png;base64,AA=="), url(#mask), url(/elsewhere.svg) }
"""
    files = {
        "css/portal.css": '/* All. */\n@import "portal/deep/a.css";\n.last { color: red }\n',
        "css/portal/deep/a.css": part,
        "css/portal/deep/near.svg": "<svg>near</svg>",
        "img/dots.svg": "<svg>dots</svg>",
    }
    storage, wrong = collected(written(tmp_path / "files", **files), tmp_path / "one")
    first = storage.stored_name("css/portal.css")

    assert wrong == []
    text = (tmp_path / "one" / first).read_text()
    assert text.index(".a {") < text.index(".last {")
    named = re.findall(r'url\("?([^")]+)"?\)', text)
    for address in named[:2]:
        assert (tmp_path / "one/css" / address.split("#")[0]).is_file()
        assert re.search(r"(dots|near)\.[0-9a-f]{12}\.svg", address)
    assert named[2:] == ["data:image/png;base64,AA==", "#mask", "/elsewhere.svg"]

    files["img/dots.svg"] = "<svg>other</svg>"
    storage, _wrong = collected(written(tmp_path / "files", **files), tmp_path / "two")
    assert storage.stored_name("css/portal.css") != first


def test_a_part_that_is_missing_stops_it_with_both_names(tmp_path: Path) -> None:
    files = written(tmp_path / "files", **{"css/portal.css": '@import "portal/gone.css";\n'})
    _storage, wrong = collected(files, tmp_path / "out")

    assert "css/portal/gone.css" in str(wrong[0])
    assert "'css/portal.css'" in str(wrong[0])


@pytest.mark.parametrize("changed", ["portal/a.css", "portal.css"])
def test_a_change_of_one_part_changes_the_name_of_the_whole(tmp_path: Path, changed: str) -> None:
    files = {"css/portal.css": '@import "portal/a.css";\n', "css/portal/a.css": ".a {}\n"}
    before, _ = collected(written(tmp_path / "files", **files), tmp_path / "out")
    first = before.stored_name("css/portal.css")
    files[f"css/{changed}"] += ".b {}\n"
    # The same folder again, as on a machine where each version is collected.
    after, wrong = collected(written(tmp_path / "files", **files), tmp_path / "out")

    assert wrong == []
    assert ".b {}" in (tmp_path / "out" / after.stored_name("css/portal.css")).read_text()
    assert after.stored_name("css/portal.css") != first
