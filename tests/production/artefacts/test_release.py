"""`make release` makes what a version consists of, from a commit and nothing else."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BIN = str(Path(sys.executable).parent)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    author = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@portal.example"}
    committer = {name.replace("AUTHOR", "COMMITTER"): value for name, value in author.items()}
    environment = {**os.environ, **author, **committer, "BIN": BIN}
    return subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, env=environment
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with what a release is made of."""
    folder = tmp_path / "checkout"
    (folder / ".ci").mkdir(parents=True)
    for name in (
        ".ci/release", ".gitignore", "pyproject.toml", "CHANGELOG.md", "requirements.txt",
        "Dockerfile", "manage.py",
    ):  # fmt: skip
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / ".ci/release").chmod(0o755)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "All"]):
        assert run(folder, "git", *command).returncode == 0
    return folder


def test_a_release_has_sources_parts_and_checksums_the_same_each_time(checkout: Path) -> None:
    done = run(checkout, ".ci/release")
    assert done.returncode == 0, done.stderr
    dist = checkout / "dist"
    [archive] = dist.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {Path(name).name for name in files.getnames()}
    assert {"manage.py", "requirements.txt"} <= names
    [parts] = dist.glob("*.cdx.json")
    listed = {each["name"]: each["version"] for each in json.loads(parts.read_text())["components"]}
    pinned = (checkout / "requirements.txt").read_text()
    assert f"django=={listed['django']}" in pinned.lower()
    assert run(dist, "sha256sum", "--check", "--strict", "SHA256SUMS").returncode == 0
    sums = (dist / "SHA256SUMS").read_text()
    assert len(sums.splitlines()) == len(list(dist.iterdir())) - 1
    # the same commit makes the same bytes
    assert run(checkout, ".ci/release").returncode == 0
    assert (dist / "SHA256SUMS").read_text() == sums


def test_what_is_not_committed_or_not_written_up_is_refused(checkout: Path) -> None:
    (checkout / "manage.py").write_text("print('changed')\n")
    refused = run(checkout, ".ci/release")
    assert refused.returncode == 1
    assert "not committed" in refused.stderr
    pyproject = checkout / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('version = "0.2.0"', 'version = "9.0.0"'))
    run(checkout, "git", "commit", "-qam", "More")
    refused = run(checkout, ".ci/release")
    assert refused.returncode == 1
    assert "no heading for 9.0.0" in refused.stderr
    assert not (checkout / "dist").exists()
