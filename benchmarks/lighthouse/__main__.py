"""`make bench-lighthouse`: what Lighthouse says of the pages on which an account manager works, on a
simulated phone, with the demo's data and production's settings.

The scores are medians of BENCH_ROUNDS (3). Accessibility and best practices do not depend on the
machine; the speed does, so it is measured on a quiet one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks.__main__ import Web, database, environment, python
from loyalty_portal.local.embedded import Services
from tests.screenshots.demo import seeded
from tests.support.embedded_plugin import HOW_TO_GET_CHROMIUM, find_chromium
from tests.support.ports import free_port

HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
LEAST = 95
CATEGORIES = ("performance", "accessibility", "best-practices")


def report(url: str, port: int) -> dict[str, Any]:
    """Lighthouse's report about a page, as a phone would see it. `port`: of the browser, which is
    signed in.
    """
    command = [
        str(HERE / "node_modules/.bin/lighthouse"),
        url,
        "--quiet",
        "--output=json",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--port={port}",
        "--disable-storage-reset",  # it would sign the person out
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    if trouble := found.get("runtimeError"):
        sys.exit(f"{url}: {trouble['message']}")
    asked, shown = found["requestedUrl"], found["finalDisplayedUrl"]
    if asked != shown:
        sys.exit(f"{asked} led to {shown}")
    return found


def below(found: dict[str, Any], category: str) -> list[str]:
    """What costs the page points in a category: the audits that failed, in Lighthouse's words."""
    audits = found["audits"]
    weighed = [each["id"] for each in found["categories"][category]["auditRefs"] if each["weight"]]
    lost = (audits[name] for name in weighed if (audits[name]["score"] or 0) < 0.9)
    return [
        f"{each['title']} ({each.get('displayValue', 'failed')})"
        for each in lost
        if each["scoreDisplayMode"] not in {"notApplicable", "manual"}
    ]


def measure(name: str, url: str, port: int) -> bool:
    """Measure a page, print its scores, and say what costs it points. Returns whether all do."""
    rounds = [report(url, port) for _number in range(ROUNDS)]
    scores = {
        category: statistics.median(each["categories"][category]["score"] for each in rounds) * 100
        for category in CATEGORIES
    }
    print(f"{name:12}" + "".join(f"{score:16.0f}" for score in scores.values()), flush=True)
    for category, score in scores.items():
        for told in below(rounds[-1], category) if score < LEAST else []:
            print(f"    {category}: {told}")
    return bool(min(scores.values()) >= LEAST)


def main() -> None:
    browser = find_chromium()
    if not browser:
        sys.exit(HOW_TO_GET_CHROMIUM)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=False))
        shared = dict(os.environ) | services.addresses
        fresh = {"DATABASE_URL": database(shared["DATABASE_URL"], "bench_lighthouse")}
        env = seeded(stack, folder, environment(shared, folder) | fresh)
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        visit = json.loads(python("-m", "benchmarks.lighthouse.visit", env=env))
        web = Web("loyalty_portal.wsgi", env)
        stack.callback(web.close)
        web.wait("/healthz")
        there = f"http://127.0.0.1:{web.port}"
        playwright, port = stack.enter_context(sync_playwright()), free_port()
        window = playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=browser,
            args=["--no-sandbox", f"--remote-debugging-port={port}"],
        )
        stack.callback(window.close)
        window.add_cookies([{"name": "sessionid", "value": visit["session"], "url": there}])
        print(f"{'':12}" + "".join(f"{category:>16}" for category in CATEGORIES))
        reached = [measure(name, f"{there}{path}", port) for name, path in visit["pages"].items()]
        print(f"each is to reach {LEAST}; load {os.getloadavg()[0]:.1f}")
    sys.exit(not all(reached))


if __name__ == "__main__":
    main()
