"""Asks the package index whether a pinned package has a known vulnerability.

Ends with 1 when one has. Where no index can be asked, nothing was audited: it says so and ends with
0, since a release must not depend on somebody else's server.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = "requirements-aws.txt"  # all that an image may have
SECONDS = 300


def main() -> int:
    auditor = Path(sys.executable).with_name("pip-audit")
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(
            [auditor, "-r", LOCK, *options, "--format", "json"],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        packages = []
    asked = [each for each in packages if "skip_reason" not in each]
    if not asked:
        print(f"No index could be asked, so nothing in {LOCK} was audited.")
        return 0
    print(f"{len(asked)} of {len(packages)} packages of {LOCK} were audited.")
    bad = [(each, fault) for each in asked for fault in each["vulns"]]
    for each, fault in bad:
        mended = ", ".join(fault["fix_versions"]) or "no version yet"
        print(f"{each['name']} {each['version']}: {fault['id']}, mended in {mended}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
