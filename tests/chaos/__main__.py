"""`make chaos SEED=1-20 ORDERS=300`: runs the whole portal under every fault, seed by seed."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser

import django
from django.utils.module_loading import import_string

from tests.support.embedded_plugin import ENVIRONMENT


def seeds(text: str) -> range:
    """Parse `7` or `1-20`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=seeds, default=seeds("1-3"), help="one number or 1-20")
    parser.add_argument("--orders", type=int, default=100, help="to be placed with each seed")
    chosen = parser.parse_args()
    # This address is never used: each run has its own partners.
    nowhere = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    os.environ.update(ENVIRONMENT | nowhere | {"DJANGO_SETTINGS_MODULE": "loyalty_portal.settings"})
    django.setup()
    night = import_string("tests.chaos.night.night")
    return int(night(chosen.seed, chosen.orders))


if __name__ == "__main__":
    sys.exit(main())
