"""The import contracts refuse wrong imports, which are put into a copy one at a time."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "loyalty_portal",
    "accounts",
    "catalog",
    "inventory",
    "fulfillment",
    "redemption",
    "operations",
)
WRONG = [
    # Rooms: a lower room imports a higher one, or one beside it.
    ("catalog/services.py", "redemption.states"),
    ("accounts/services.py", "catalog.models"),
    ("fulfillment/services.py", "accounts.models"),
    ("inventory/services.py", "fulfillment.models"),
    ("redemption/orders/views.py", "operations.demo.services"),
    # Rungs of a room and of its sub-rooms.
    ("catalog/services.py", "catalog.views"),
    ("catalog/selectors.py", "catalog.services"),
    ("accounts/selectors.py", "accounts.services"),
    ("fulfillment/services.py", "fulfillment.admin"),
    ("redemption/saga/steps.py", "redemption.saga.tasks"),
    ("redemption/saga/transactions.py", "redemption.saga.queues"),
    ("redemption/checkout/services.py", "redemption.checkout.views"),
    ("redemption/checkout/selectors.py", "redemption.checkout.services"),
    ("redemption/orders/selectors.py", "redemption.orders.views"),
    ("redemption/orders/actions/services.py", "redemption.orders.actions.dual_control"),
    ("redemption/points/reconciliation/matching.py", "redemption.points.reconciliation.services"),
    # Sub-rooms: models import no page, and lower ones no higher ones.
    ("redemption/models/orders.py", "redemption.backoffice.badges"),
    ("redemption/incidents/services.py", "redemption.saga.steps"),
    ("redemption/saga/steps.py", "redemption.checkout.services"),
    ("redemption/states.py", "redemption.models"),
    # The ground, the partner client, the sandbox.
    ("loyalty_portal/brand.py", "httpx"),
    ("loyalty_portal/data/leases.py", "tenacity"),
    ("redemption/saga/transactions.py", "httpx"),
    ("loyalty_portal/data/ids.py", "accounts.models"),
    ("fulfillment/permissions.py", "fulfillment.services"),
    ("loyalty_portal/fastpath/sql.py", "loyalty_portal.data.leases"),
    # The fastpath has a list of users, and only itself uses its cursor.
    ("redemption/orders/selectors.py", "loyalty_portal.fastpath.sql"),
    ("fulfillment/virtual/services.py", "loyalty_portal.fastpath.updates"),
    ("inventory/services.py", "loyalty_portal.fastpath.cursor"),
    ("redemption/saga/queues.py", "loyalty_portal.sandbox.app"),
    ("loyalty_portal/sandbox/app.py", "loyalty_portal.settings"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walls")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def refusal(copy: Path) -> str:
    """The output of the contracts for the copy; "" when all are kept."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=copy, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def test_the_copy_as_it_is_keeps_all_contracts(copy: Path) -> None:
    assert refusal(copy) == ""


@pytest.mark.parametrize(("file", "wrong"), WRONG)
def test_a_wrong_import_is_refused(copy: Path, file: str, wrong: str) -> None:
    module = copy / file
    text = module.read_text()
    module.write_text(f"{text}\nimport {wrong}\n")
    try:
        assert "BROKEN" in refusal(copy)
    finally:
        module.write_text(text)


@pytest.mark.parametrize(
    "folder", ["redemption", "redemption/saga", "catalog", "loyalty_portal", "operations/doctor"]
)
def test_a_module_that_no_contract_names_is_refused(copy: Path, folder: str) -> None:
    module = copy / folder / "something_new.py"
    module.write_text("")
    try:
        assert "something_new" in refusal(copy)
    finally:
        module.unlink()


def test_the_users_of_the_fastpath_are_those_that_are_listed() -> None:
    """The contract refuses others; here, nobody is listed who is none any more."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [fenced] = [
        each
        for each in contracts["contracts"]
        if each.get("protected_modules") == ["loyalty_portal.fastpath"]
    ]
    for user in fenced["allowed_importers"]:
        module = ROOT / f"{user.replace('.', '/')}.py"
        assert "from loyalty_portal.fastpath." in module.read_text(), user


def test_only_the_fastpath_asks_for_its_switch() -> None:
    """Its users do not branch: each of its functions has a plain form."""
    asking = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "FASTPATH" in path.read_text() and path.parent.name != "fastpath"
    }
    fenced = "loyalty_portal/fastpath/postgresql/base.py"
    assert asking == {fenced, "loyalty_portal/settings.py"}
