"""The import contracts refuse wrong imports, which are tried one at a time.

The graph of imports is built once and each wrong import is added to it alone; once it is written into
a copy of the tree, and the command is run there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter import configuration
from importlinter.application import use_cases
from importlinter.application.app_config import settings

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
    ("redemption/orders/selectors.py", "redemption.orders.forms"),
    ("redemption/orders/actions/services.py", "redemption.orders.actions.dual_control"),
    ("redemption/points/reconciliation/matching.py", "redemption.points.reconciliation.services"),
    ("accounts/access/keys.py", "accounts.access.bearer"),
    ("accounts/seats/services.py", "accounts.access.keys"),
    ("redemption/orders/records.py", "redemption.orders.api"),
    ("redemption/orders/selectors.py", "redemption.points.api"),
    ("loyalty_portal/api/v1.py", "accounts.company.account"),
    ("loyalty_portal/api/cursors.py", "loyalty_portal.api.portal_api"),
    # Sub-rooms: models import no page, and lower ones no higher ones.
    ("redemption/models/orders.py", "redemption.backoffice.badges"),
    ("redemption/incidents/services.py", "redemption.saga.steps"),
    ("redemption/saga/steps.py", "redemption.checkout.services"),
    ("redemption/states.py", "redemption.models"),
    # The ground, the partner client, the sandbox.
    ("loyalty_portal/configuration/brand.py", "httpx"),
    ("loyalty_portal/api/portal_api.py", "httpx"),
    ("loyalty_portal/data/leases.py", "tenacity"),
    ("redemption/saga/transactions.py", "httpx"),
    ("accounts/adapter.py", "requests"),
    ("loyalty_portal/outbound_http.py", "loyalty_portal.settings"),
    ("loyalty_portal/data/ids.py", "accounts.models"),
    ("fulfillment/permissions.py", "fulfillment.services"),
    ("loyalty_portal/fastpath/sql.py", "loyalty_portal.data.leases"),
    # The fastpath has a list of users, and only itself uses its cursor.
    ("redemption/orders/selectors.py", "loyalty_portal.fastpath.sql"),
    ("fulfillment/withdrawing.py", "loyalty_portal.fastpath.updates"),
    ("inventory/services.py", "loyalty_portal.fastpath.cursor"),
    ("redemption/saga/queues.py", "loyalty_portal.sandbox.app"),
    ("loyalty_portal/sandbox/app.py", "loyalty_portal.settings"),
    # The replica is for what decides nothing.
    ("redemption/checkout/selectors.py", "loyalty_portal.data.replica"),
    ("redemption/saga/queues.py", "loyalty_portal.data.replica"),
    ("redemption/analytics/services.py", "loyalty_portal.data.replica"),
    ("inventory/services.py", "loyalty_portal.data.replica"),
    ("redemption/backoffice/home.py", "loyalty_portal.data.replica"),
]

# The rungs above services. A package of that name, such as management, has its modules below it.
PAGES = {"urls", "views", "api", "admin", "forms", "tasks"}


class Walls:
    """The contracts of pyproject.toml, asked about imports that may not be there."""

    def __init__(self) -> None:
        configuration.configure()
        self.options = use_cases.read_user_options(str(ROOT / "pyproject.toml"))
        use_cases._register_contract_types(self.options)
        self.graph = grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)
        settings.configure(GRAPH_BUILDER=self)

    def build(self, **_options: object) -> grimp.ImportGraph:
        """Takes the place of import-linter's own builder, which reads all files each time."""
        return self.graph

    def refusals(self) -> dict[str, str]:
        """The contracts that are broken now, and what each says about it."""
        report = use_cases.create_report(self.options)
        return {
            contract.name: str(check.metadata)
            for contract, check in report.get_contracts_and_checks()
            if not check.kept
        }


@pytest.fixture(scope="module")
def walls() -> Walls:
    return Walls()


def test_the_tree_as_it_is_keeps_all_contracts(walls: Walls) -> None:
    assert walls.refusals() == {}
    assert set(walls.options.session_options["root_packages"]) == set(PACKAGES)


@pytest.mark.parametrize(("file", "wrong"), WRONG)
def test_a_wrong_import_is_refused(walls: Walls, file: str, wrong: str) -> None:
    importer = file.removesuffix(".py").replace("/", ".")
    ends: dict[str, Any] = {"importer": importer, "imported": wrong}
    if wrong == "requests":  # which nobody imports, so the graph has it only now
        walls.graph.add_module(wrong, is_squashed=True)
    assert {importer, wrong} <= walls.graph.modules
    assert not walls.graph.direct_import_exists(**ends)
    walls.graph.add_import(**ends, line_number=1, line_contents=f"import {wrong}")
    try:
        [*refusals] = walls.refusals().values()
    finally:
        walls.graph.remove_import(**ends)
    assert any(importer in said and wrong in said for said in refusals)


def test_no_selector_or_service_of_any_room_imports_a_page_a_form_or_a_task(walls: Walls) -> None:
    """Every such pair is added at once, in all rooms, and each is named."""
    rungs = {name: name.rpartition(".")[2] for name in walls.graph.modules if "." in name}
    wrong = {
        (importer, imported)
        for importer, low in rungs.items()
        for imported, high in rungs.items()
        if low in {"selectors", "services"}
        and high in PAGES
        and not walls.graph.direct_import_exists(importer=importer, imported=imported)
    }
    assert len(wrong) > 300
    for importer, imported in wrong:
        walls.graph.add_import(
            importer=importer, imported=imported, line_number=1, line_contents="import"
        )
    try:
        said = "".join(walls.refusals().values())
    finally:
        for importer, imported in wrong:
            walls.graph.remove_import(importer=importer, imported=imported)
    kept = [
        pair for pair in wrong if f"'importer': {pair[0]!r}, 'imported': {pair[1]!r}" not in said
    ]
    assert kept == []


@pytest.mark.parametrize(
    "folder", ["redemption", "redemption/saga", "catalog", "loyalty_portal", "operations/doctor"]
)
def test_a_module_that_no_contract_names_is_refused(walls: Walls, folder: str) -> None:
    module = f"{folder.replace('/', '.')}.something_new"
    walls.graph.add_module(module)
    try:
        assert any(module in said for said in walls.refusals().values())
    finally:
        walls.graph.remove_module(module)


def test_the_command_refuses_what_stands_in_a_file(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    module = tmp_path / "catalog/services.py"
    module.write_text(f"{module.read_text()}\nimport redemption.states\n")
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "catalog.services -> redemption.states" in done.stdout


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
