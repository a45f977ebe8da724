"""`make screenshots`: renews the pictures of the README and the documents, from the demo's data."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from loyalty_portal.local.embedded import Services
from tests.screenshots.demo import ROOT, seeded
from tests.support.daemons import Web
from tests.support.ports import free_port


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder / "servers", environment={}, durable=False))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        shared = {**os.environ, **services.addresses, "DEBUG": "true", "PORTAL_URL": url}
        shared["SEARCH_INDEX_PATH"] = str(folder / "search")
        environment = seeded(stack, folder, shared)
        environment["DJANGO_SETTINGS_MODULE"] = "loyalty_portal.local.demo_settings"
        serve = [sys.executable, "-m", "loyalty_portal.web", "--bind", f"127.0.0.1:{port}"]
        web = Web("web", serve, environment, folder)
        web.port = port
        stack.callback(web.kill)
        web.start()
        pictures = [sys.executable, "-m", "tests.screenshots.pictures", url, *sys.argv[1:]]
        subprocess.run(pictures, cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    main()
