"""The embedded servers: data is kept, folders are locked, no process is left."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from loyalty_portal.local.embedded import Services
from loyalty_portal.local.embedded_folder import Folder, FolderInUseError, remove_orphans

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from loyalty_portal.local.embedded import Services
services = Services(Path(sys.argv[1]), environment={}, durable=True).__enter__()
print(*(server.process.pid for server in services.servers), flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may enter, so that nothing is copied for root's `nobody`."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    yield home / "servers"
    shutil.rmtree(home)


def services(folder: Path, **given: str) -> Services:
    return Services(folder, environment=given, durable=False)


def remember(addresses: dict[str, str], word: str) -> set[str]:
    """Write `word` to both servers, and read all words that both know."""
    with psycopg.connect(addresses["DATABASE_URL"]) as link:
        link.execute("CREATE TABLE IF NOT EXISTS memory (word text)")
        link.execute("INSERT INTO memory VALUES (%s)", [word])
        rows = link.execute("SELECT word FROM memory").fetchall()
    with redis.Redis.from_url(addresses["REDIS_URL"], decode_responses=True) as client:
        client.sadd("memory", word)
        return {word for (word,) in rows} & set(client.smembers("memory"))


def test_data_is_kept_between_two_starts(folder: Path) -> None:
    with services(folder) as first:
        remember(first.addresses, "one")
    with services(folder) as second:
        assert remember(second.addresses, "two") == {"one", "two"}
        processes = [server.process for server in second.servers]
    assert [process.returncode for process in processes] == [0, 0]


def test_two_folders_run_side_by_side(folder: Path) -> None:
    with services(folder / "a") as one, services(folder / "b") as other:
        assert remember(one.addresses, "one") == {"one"}
        assert remember(other.addresses, "other") == {"other"}


def test_a_folder_in_use_is_refused_with_the_holders_number(folder: Path) -> None:
    with services(folder), pytest.raises(FolderInUseError, match=r"Process [0-9]+ is using"):
        services(folder).__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as somebody else")
def test_roots_data_is_kept_elsewhere_when_nobody_may_not_enter_and_goes_with_its_folder(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    with services(tmp_path / "servers") as running:
        assert remember(running.addresses, "elsewhere") == {"elsewhere"}
        elsewhere = running.folder.path
    assert not elsewhere.is_relative_to(tmp_path)
    shutil.rmtree(tmp_path)
    remove_orphans()
    assert not elsewhere.exists()


def test_strangers_are_kept_out(folder: Path) -> None:
    with services(folder) as running:
        database, cache = (running.addresses[name] for name in ("DATABASE_URL", "REDIS_URL"))
        for server in running.servers:
            database = database.replace(server.password, "guess")
            cache = cache.replace(server.password, "guess")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(database)
        with redis.Redis.from_url(cache) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_addresses_that_are_given_are_used(folder: Path) -> None:
    given = {"DATABASE_URL": "postgresql://db/portal", "REDIS_URL": "redis://cache/0"}
    with services(folder, **given) as none:
        assert none.addresses == given
        assert none.servers == []
    with services(folder, DATABASE_URL="postgresql://db/portal") as cache_only:
        assert [server.name for server in cache_only.servers] == ["redis"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
def test_a_killed_starter_leaves_no_server_and_a_folder_that_starts_again(folder: Path) -> None:
    holder = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(holder, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        servers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        assert len(servers) == 2
        process.kill()
    with services(folder) as again:
        assert remember(again.addresses, "still here") == {"still here"}
    _gone, alive = psutil.wait_procs(servers, timeout=30)
    assert alive == []


def test_a_pid_file_that_names_a_stranger_does_not_keep_it_from_starting(folder: Path) -> None:
    with services(folder) as first:
        data = next(server for server in first.servers if server.name == "postgres").home / "data"
    (data / "postmaster.pid").write_text(f"1\n{data}\n")
    with services(folder) as again:
        assert remember(again.addresses, "started") == {"started"}


def test_a_start_broken_off_in_the_middle_begins_anew(folder: Path) -> None:
    with Folder(folder) as held:
        half = held.path / "postgres" / "data.part"
    half.mkdir(mode=0o700, parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with services(folder) as started:
        assert remember(started.addresses, "whole") == {"whole"}
