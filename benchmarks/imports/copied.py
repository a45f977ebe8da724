"""The process that copies a file into a bare table, for `python -m benchmarks.imports`.

Prints as JSON the seconds and the peak of its memory in MB.
"""

import json
import resource
import sys
import time
from pathlib import Path

import psycopg

PIECE = 64 * 1024


def main(address: str, path: Path) -> None:
    with psycopg.connect(address, autocommit=True) as link, path.open("rb") as file:
        began = time.perf_counter()
        with link.cursor().copy("COPY bare FROM STDIN (FORMAT csv, HEADER)") as copy:
            while piece := file.read(PIECE):
                copy.write(piece)
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
