"""A heartbeat file for processes that answer no requests, and a command that checks it.

The worker, the sweeper and the scheduler touch HEARTBEAT_FILE while their loops run. In their
containers `python -m loyalty_portal.queue.heartbeat` exits with 1 when that was too long ago.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

FRESH_SECONDS = 60.0


def beat(file: str) -> None:
    """Touch the file, if one is set. Errors are ignored: a full disk must not stop the work."""
    if file:
        with suppress(OSError):
            Path(file).touch()


def main() -> int:
    """Check the file. Returns 0 if the process is alive, 1 if not, 2 if no file is set."""
    file = os.environ.get("HEARTBEAT_FILE", "").strip()
    if not file:
        sys.stderr.write("HEARTBEAT_FILE: is missing; nothing can be said.\n")
        return 2
    try:
        age = time.time() - Path(file).stat().st_mtime
    except OSError as error:
        sys.stderr.write(f"No sign of life yet: {error}\n")
        return 1
    sys.stderr.write(f"The last sign of life was {age:.0f} s ago.\n")
    return 0 if age < FRESH_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
