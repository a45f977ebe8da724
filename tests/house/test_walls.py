"""The import contracts refuse wrong imports, which are tried one at a time.

The graph of imports is built once and each wrong import is added to it alone; once it is written into
a copy of the tree, and the command is run there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter import configuration
from importlinter.application import use_cases
from importlinter.application.app_config import settings
from importlinter.application.user_options import UserOptions

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
    ("accounts/access/adapter.py", "requests"),
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
    # The ladder across rooms and sub-rooms: what is no page knows none.
    ("redemption/models/orders.py", "catalog.views"),
    ("redemption/models/orders.py", "accounts.services"),
    ("redemption/models/orders.py", "fulfillment.desk.views"),
    ("redemption/states.py", "accounts.models"),
    ("redemption/states.py", "catalog.views"),
    ("redemption/permissions.py", "accounts.views"),
    ("catalog/models/products.py", "accounts.views"),
    ("inventory/models.py", "catalog.views"),
    ("inventory/models.py", "catalog.admin"),
    ("redemption/saga/steps.py", "accounts.views"),
    ("redemption/saga/steps.py", "redemption.points.api"),
    ("redemption/saga/transactions.py", "catalog.views"),
    ("redemption/saga/transactions.py", "redemption.points.tasks"),
    ("redemption/invariants/checks.py", "redemption.points.tasks"),
    ("redemption/orders/actions/cancelling.py", "redemption.checkout.views"),
    ("redemption/orders/timeline.py", "redemption.checkout.views"),
    ("redemption/checkout/forms.py", "redemption.saga.tasks"),
    ("redemption/checkout/approvals/approval.py", "redemption.saga.queues"),
    ("redemption/checkout/rows.py", "accounts.views"),
    ("redemption/messages/notifications.py", "accounts.admin"),
    ("redemption/messages/digests.py", "redemption.points.header.spending"),
    ("accounts/models/people.py", "loyalty_portal.api.v1"),
    ("accounts/models/people.py", "loyalty_portal.admin_site.base"),
    ("accounts/permissions.py", "loyalty_portal.api.v1"),
    ("accounts/selectors.py", "loyalty_portal.admin_site.base"),
    ("fulfillment/models/fulfillments.py", "loyalty_portal.admin_site.base"),
    ("redemption/checkout/bulk/selectors.py", "redemption.checkout.bulk.services"),
    ("redemption/checkout/cart/selectors.py", "redemption.checkout.cart.services"),
    ("redemption/webhooks_out/selectors.py", "redemption.webhooks_out.services"),
    ("redemption/analytics/selectors.py", "redemption.analytics.services"),
    ("redemption/backoffice/selectors.py", "fulfillment.virtual.services"),
    # Who may use the doors.
    ("loyalty_portal/outbound_http.py", "tenacity"),
    ("loyalty_portal/sandbox/app.py", "tenacity"),
    ("loyalty_portal/sandbox/app.py", "httpx"),
    ("loyalty_portal/audit/services.py", "urllib3"),
    ("accounts/loyalty.py", "aiohttp"),
    ("loyalty_portal/settings.py", "loyalty_portal.sandbox.app"),
    ("operations/demo/services.py", "loyalty_portal.sandbox.app"),
    ("catalog/services.py", "loyalty_portal.partners.client"),
    ("redemption/incidents/services.py", "loyalty_portal.partners.client"),
    ("redemption/incidents/pagerduty.py", "loyalty_portal.outbound_http"),
    # Rungs of the smaller packages.
    ("loyalty_portal/sandbox/store.py", "loyalty_portal.sandbox.partners"),
    ("loyalty_portal/sandbox/faults/rules.py", "loyalty_portal.sandbox.faults.fault_effects"),
    ("loyalty_portal/sandbox/faults/rules.py", "loyalty_portal.sandbox.partners"),
    ("loyalty_portal/sandbox/control/forms.py", "loyalty_portal.sandbox.control.page"),
    ("loyalty_portal/web/tags/moments.py", "loyalty_portal.web.tags.figures"),
]

# The rungs above services. A package of that name, such as management, has its modules below it.
PAGES = {"urls", "views", "api", "admin", "forms", "tasks"}
BELOW = {"selectors", "services", "permissions", "models", "states"}
EXTERNAL = {"requests", "urllib3"}  # nobody imports them, so the graph has them only in a test
# Each of its modules is found by Django, by its name, and none is imported.
FOUND_BY_NAME = ("management.commands", "migrations")


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

    def refusals(self) -> Iterator[str]:
        """What each contract that is broken now says about it, those that are quickly asked first."""
        contracts = self.options.contracts_options
        for contract in sorted(contracts, key=lambda each: bool(each["type"] == "forbidden")):
            options = UserOptions(self.options.session_options, [contract])
            report = use_cases.create_report(options)
            for _contract, check in report.get_contracts_and_checks():
                if not check.kept:
                    yield str(check.metadata)


@pytest.fixture(scope="module")
def walls() -> Walls:
    return Walls()


def test_the_tree_as_it_is_keeps_all_contracts(walls: Walls) -> None:
    assert list(walls.refusals()) == []
    assert set(walls.options.session_options["root_packages"]) == set(PACKAGES)


@pytest.mark.parametrize(("file", "wrong"), WRONG)
def test_a_wrong_import_is_refused(walls: Walls, file: str, wrong: str) -> None:
    importer = file.removesuffix(".py").replace("/", ".")
    ends: dict[str, Any] = {"importer": importer, "imported": wrong}
    if wrong in EXTERNAL:
        walls.graph.add_module(wrong, is_squashed=True)
    assert {importer, wrong} <= walls.graph.modules
    assert not walls.graph.direct_import_exists(**ends)
    walls.graph.add_import(**ends, line_number=1, line_contents=f"import {wrong}")
    try:
        assert any(importer in said and wrong in said for said in walls.refusals())
    finally:
        walls.graph.remove_import(**ends)


def test_nothing_below_pages_imports_a_page_a_form_or_a_task_of_any_room(walls: Walls) -> None:
    """Every such pair is added at once, in all rooms, and each is named."""
    modules = [name for name in walls.graph.modules if "." in name]
    wrong = {
        (importer, imported)
        for importer in modules
        for imported in modules
        if BELOW & set(importer.split("."))
        and imported.rpartition(".")[2] in PAGES
        # what settings ask about the API, and the sandbox's own
        and not imported.startswith(("loyalty_portal.configuration.", "loyalty_portal.sandbox."))
        # back office and desk are pages, with services of their own; their rungs hold those
        and not {"backoffice", "desk", "documents", "company"} & set(importer.split("."))
        and not walls.graph.direct_import_exists(importer=importer, imported=imported)
    }
    assert len(wrong) > 3_000
    for importer, imported in wrong:
        walls.graph.add_import(
            importer=importer, imported=imported, line_number=1, line_contents="import"
        )
    try:
        said = "".join(walls.refusals())
    finally:
        for importer, imported in wrong:
            walls.graph.remove_import(importer=importer, imported=imported)
    kept = [
        pair for pair in wrong if f"'importer': {pair[0]!r}, 'imported': {pair[1]!r}" not in said
    ]
    assert kept == []


@pytest.mark.parametrize(
    "folder",
    [
        "redemption",
        "redemption/saga",
        "catalog",
        "loyalty_portal",
        "loyalty_portal/sandbox",
        "loyalty_portal/fastpath/postgresql",
        "operations/doctor",
    ],
)
def test_a_module_that_no_contract_names_is_refused(walls: Walls, folder: str) -> None:
    module = f"{folder.replace('/', '.')}.something_new"
    walls.graph.add_module(module)
    try:
        assert any(module in said for said in walls.refusals())
    finally:
        walls.graph.remove_module(module)


def test_each_package_of_several_modules_has_a_place_for_each(walls: Walls) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    exhaustive = {
        container
        for each in contracts["contracts"]
        if each.get("exhaustive")
        for container in each["containers"]
    }
    packages = {
        name
        for name in walls.graph.modules
        if not walls.graph.is_module_squashed(name)
        and len(walls.graph.find_children(name)) > 1
        and not name.endswith(FOUND_BY_NAME)
    }
    assert packages - exhaustive == set()


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
