"""`manage.py publish_static`: the files of several versions in one folder."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.management import CommandError, call_command

from operations.publishing import KEPT_SECONDS, FolderStore, publish


def collected(folder: Path, **files: str) -> Path:
    """A folder as collectstatic leaves it."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.css").write_text(text)
    return folder


def shown(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_of_a_new_version_lie_beside_those_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "published"
    publish(
        ["a.1.css"], source=collected(tmp_path / "one", **{"a.1": "old"}), store=FolderStore(target)
    )
    told = publish(
        ["a.2.css", "a.1.css"],
        source=collected(tmp_path / "two", **{"a.2": "new", "a.1": "old"}),
        store=FolderStore(target),
    )

    assert shown(target) == {"a.1.css": "old", "a.2.css": "new"}
    assert (told.copied, told.kept, told.removed) == (1, 1, 0)


def test_compressed_copies_and_folders_come_along_and_others_can_read_them(tmp_path: Path) -> None:
    source = tmp_path / "one"
    (source / "css").mkdir(parents=True)
    for name in ("css/a.1.css", "css/a.1.css.gz", "css/a.css"):
        (source / name).write_text(name)
    publish(["css/a.1.css"], source=source, store=FolderStore(tmp_path / "published"))

    assert set(shown(tmp_path / "published")) == {"css/a.1.css", "css/a.1.css.gz"}
    assert (tmp_path / "published/css/a.1.css").stat().st_mode & 0o777 == 0o644


def test_what_no_version_published_for_thirty_days_goes(tmp_path: Path) -> None:
    source, target = collected(tmp_path / "one", **{"a.1": "a", "b.1": "b"}), tmp_path / "published"
    publish(["a.1.css", "b.1.css"], source=source, store=FolderStore(target))
    (target / ".part-7-c.css").write_text("half a copy")
    for name in ("a.1.css", "b.1.css", ".part-7-c.css"):
        old = time.time() - KEPT_SECONDS - 60
        os.utime(target / name, (old, old))
    told = publish(["b.1.css"], source=source, store=FolderStore(target))

    assert set(shown(target)) == {"b.1.css"}
    assert told.removed == 2


def test_a_folder_in_the_collected_files_or_without_files_is_refused(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="Run collectstatic first"):
        call_command("publish_static", str(tmp_path))

    storage = ManifestStaticFilesStorage(location=tmp_path)
    storage.hashed_files = {"a.css": "a.1.css"}
    # replaced: tests run without collected files
    monkeypatch.setattr(
        "operations.management.commands.publish_static.staticfiles_storage", storage
    )
    settings.STATIC_ROOT = collected(tmp_path / "one", **{"a.1": "a"})
    with pytest.raises(CommandError, match="must be folders apart"):
        call_command("publish_static", str(tmp_path / "one/published"))
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="Not all files were published"):
        call_command("publish_static", str(tmp_path / "file/published"))
    call_command("publish_static", str(tmp_path / "published"))
    assert set(shown(tmp_path / "published")) == {"a.1.css"}
