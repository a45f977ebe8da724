"""The one stylesheet of a page, made of many files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.storage import FileSystemStorage
from django.test import Client

from loyalty_portal.web.stylesheets import STYLESHEETS, StylesheetFinder

ROOT = Path(__file__).resolve().parents[3]
ADMIN = "@import 'none.css';"  # not written as we write it, so it is left alone


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in ({"css/admin/all.css": ADMIN} | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def made(folder: Path, files: dict[str, str]) -> Path:
    finder = StylesheetFinder(made=folder / "made", source=written(folder / "source", files))
    return Path(finder.find("css/portal.css"))


@pytest.mark.parametrize("sheet", STYLESHEETS)
def test_a_page_gets_every_rule_in_one_stylesheet(client: Client, sheet: str) -> None:
    answer = client.get(f"/static/{sheet}")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]

    folder = (ROOT / "static" / sheet).with_suffix("")
    parts = re.findall(r'@import "(.+)";', (folder / "all.css").read_text())
    there = {path for path in folder.rglob("*.css") if path.name != "all.css"}
    assert {folder / part for part in parts} == there
    assert "@import" not in text
    at = [text.index((folder / part).read_text()) for part in parts]
    assert at == sorted(at), "in the order in which they are named"


def test_it_is_collected_and_no_file_is_found_twice() -> None:
    found = [path for finder in finders.get_finders() for path, _storage in finder.list([])]

    assert set(STYLESHEETS) <= set(found)
    ours = [path for path in found if path.startswith("css/")]
    assert len(ours) == len(set(ours))
    for sheet in STYLESHEETS:
        assert finders.find(sheet, find_all=True) == [finders.find(sheet)]


def test_what_a_part_names_is_found_from_the_whole(tmp_path: Path) -> None:
    part = """
.a { background: url("../../../img/dots.svg#one"), url(near.svg) }
.b { background: url("data:image/png;base64,AA=="), url(#mask), url(/elsewhere.svg) }
"""
    files = {
        "css/portal/all.css": '/* All. */\n@import "deep/a.css";\n.last { color: red }\n',
        "css/portal/deep/a.css": part,
        "css/portal/deep/near.svg": "<svg>near</svg>",
        "img/dots.svg": "<svg>dots</svg>",
    }
    sheet = made(tmp_path, files)
    named = re.findall(r'url\("?([^")]+)"?\)', sheet.read_text())
    for address in named[:2]:
        assert (tmp_path / "source/css" / address.split("#")[0]).is_file()
    assert named[2:] == ["data:image/png;base64,AA==", "#mask", "/elsewhere.svg"]

    # The storage that makes the hashes finds them too.
    storage = ManifestStaticFilesStorage(location=tmp_path / "out", base_url="/static/")
    source = FileSystemStorage(location=tmp_path / "source")
    own = FileSystemStorage(location=tmp_path / "made")
    names = {name: (source, name) for name in files if name.endswith(".svg")}
    done = list(storage.post_process(names | {"css/portal.css": (own, "css/portal.css")}))
    assert [result for *_names, result in done if isinstance(result, Exception)] == []
    hashed = (tmp_path / "out" / storage.stored_name("css/portal.css")).read_text()
    assert len(re.findall(r"(?:dots|near)\.[0-9a-f]{12}\.svg", hashed)) == 2


def test_a_change_of_a_part_is_seen_and_none_leaves_the_file_alone(tmp_path: Path) -> None:
    files = {"css/portal/all.css": '@import "a.css";\n', "css/portal/a.css": ".a {}\n"}
    first = made(tmp_path, files).stat()
    assert made(tmp_path, files).stat().st_ino == first.st_ino
    files["css/portal/a.css"] = ".b {}\n"
    assert made(tmp_path, files).read_text() == ".b {}\n"


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"css/portal/gone\.css"):
        made(tmp_path, {"css/portal/all.css": '@import "gone.css";\n'})
