"""Imports catalogues with the command, in a separate process."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.daemons import ROOT
from tests.support.stack import Stack

CATALOGUES = Path(__file__).with_name("catalogues")
CARDS = CATALOGUES / "gift-cards.reloadly.json"
BOOKS = CATALOGUES / "books.oscar.csv"
OUR_CATALOGUES = (CARDS, BOOKS)
POINTS_PER_UNIT = "100"


def import_products(stack: Stack, path: Path) -> str:
    """Run the command and return its output. Fails when the command fails."""
    command = [sys.executable, "manage.py", "import_products", str(path)]
    done = subprocess.run(
        [*command, "--points-per-unit", POINTS_PER_UNIT],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": stack.database, "REDIS_URL": stack.redis.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
