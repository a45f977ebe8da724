"""`make seed-scale`: a database of a large programme, on the embedded server, in .local/scale.

It is kept, because it takes minutes to make. SCALE_PRODUCTS and SCALE_ORDERS may be given. The
database is named after its number of orders.
"""

import os
import secrets
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from benchmarks.__main__ import ROOT, database, environment, python
from loyalty_portal.local.embedded import Services
from tests.support.sandbox_process import API_KEY, SandboxProcess

FOLDER = ROOT / ".local" / "scale"
PRODUCTS = int(os.environ.get("SCALE_PRODUCTS", "200000"))
ORDERS = int(os.environ.get("SCALE_ORDERS", "1000000"))


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """The environment of the embedded servers in FOLDER, whose data stays."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    key = FOLDER / "key"  # the codes of a kept database need the same key again
    if not key.exists():
        key.write_text(urlsafe_b64encode(secrets.token_bytes(32)).decode())
    with Services(FOLDER / "servers", environment={}, durable=False) as services:
        env = environment(dict(os.environ) | services.addresses, FOLDER)
        yield env | {"FIELD_ENCRYPTION_KEYS": key.read_text()}


def of_size(shared: dict[str, str], *, products: int, orders: int) -> dict[str, str]:
    """The environment of a database with so many orders, made if it is not there yet."""
    name = f"scale_{orders}"
    address = shared["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    env = shared | {"DATABASE_URL": address}
    with psycopg.connect(shared["DATABASE_URL"]) as link:
        there = link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if there is None:
        _make(shared, env, name, products=products, orders=orders)
    return env


def _make(
    shared: dict[str, str], env: dict[str, str], name: str, *, products: int, orders: int
) -> None:
    """Make it under another name first, so that a stopped run leaves none that looks whole."""
    building = f"{name}_unfinished"
    unfinished = env | {"DATABASE_URL": database(shared["DATABASE_URL"], building), "DEBUG": "true"}
    started = time.monotonic()
    with ExitStack() as stack:
        sandbox = stack.enter_context(SandboxProcess.start(data_dir=None))
        unfinished |= {
            "LOYALTY_API_URL": sandbox.loyalty_url,
            "LOYALTY_API_KEY": API_KEY,
            "FULFILLMENT_API_URL": sandbox.fulfillment_url,
            "FULFILLMENT_API_KEY": API_KEY,
        }
        python("manage.py", "migrate", "-v0", env=unfinished)
        python("manage.py", "seed_demo", env=unfinished)
    counts = ("--products", str(products), "--orders", str(orders))
    print(python("manage.py", "seed_scale", *counts, env=unfinished))
    with psycopg.connect(shared["DATABASE_URL"], autocommit=True) as link:
        link.execute(f'ALTER DATABASE "{building}" RENAME TO "{name}"')
    print(f"{name}: made in {time.monotonic() - started:.0f} s")


def main() -> int:
    with server() as shared:
        of_size(shared, products=PRODUCTS, orders=ORDERS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
