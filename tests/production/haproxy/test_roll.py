"""A deploy at noon: buyers notice nothing, and each order that they placed is there once.

The negative controls show that the same buyers see errors when the machines are stopped together,
and missing files when they were not published before.
"""

from __future__ import annotations

import fcntl
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from threading import Event

import pytest

from redemption.models import RedemptionOrder
from redemption.states import OrderStatus
from tests.production.release import Release
from tests.production.shoppers import Noted, shopping
from tests.production.stack import START_SECONDS, Production
from tests.support.daemons import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.long
ROLL_SECONDS = 600.0  # for a whole roll on a busy machine
SHORT, LONG = 30.0, 180.0  # seconds of shopping at least
MIGRATION = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("catalog", "{last}")]
    operations = [migrations.RunSQL("ALTER TABLE product ADD COLUMN rolled text")]
"""


def alter(app: Path, file: str, old: str, new: str) -> None:
    text = (app / file).read_text()
    assert old in text
    (app / file).write_text(text.replace(old, new, 1))


def new_code(app: Path) -> None:
    alter(app, "loyalty_portal/web/health.py", '"ok\\n"', '"new code\\n"')


def new_static(app: Path) -> None:
    mark = secrets.token_hex(4)  # other files each time, so that no earlier test published them
    for file in ("static/css/portal/base.css", "static/js/portal.js"):
        (app / file).write_text((app / file).read_text() + f"\n/* {mark} */\n")


def new_migration(app: Path) -> None:
    folder = app / "catalog/migrations"
    last = max(path.stem for path in folder.glob("0*.py"))
    (folder / "9999_rolled.py").write_text(MIGRATION.format(last=last))


class Buying:
    """Buyers who order until `end`, behind whom somebody deploys."""

    def __init__(self, production: Production, buyers: int) -> None:
        self.production = production
        self.world = production.world()
        self.noted = Noted()
        self._over = Event()
        self._began = time.monotonic()
        product = self.world.virtual(points=1).get_absolute_url()
        browsers = [production.buyer(self.world) for _ in range(buyers)]
        self._shoppers = shopping(browsers, product, self.noted, self._over)
        eventually(
            lambda: len(self.noted.placed) >= buyers, "orders are placed", within=START_SECONDS
        )

    def end(self, *, after: float = 0.0) -> Noted:
        """Let them go on until `after` seconds have passed and the roll's last server has answered
        them, then stop them.
        """
        eventually(lambda: time.monotonic() - self._began > after, "time passes", within=after + 60)
        so_far = len(self.noted.placed) + len(self.noted.failed)
        eventually(
            lambda: len(self.noted.placed) + len(self.noted.failed) > so_far + len(self._shoppers),
            "everybody has gone round once more",
            within=START_SECONDS,
        )
        self._over.set()
        for shopper in self._shoppers:
            shopper.join(START_SECONDS)
        return self.noted

    def orders(self) -> set[str]:
        """The numbers of the orders in the database."""
        found = RedemptionOrder.objects.filter(company=self.world.company)
        return set(found.values_list("order_number", flat=True))

    def each_ended_once(self) -> None:
        """Every order ends, and the partner's ledger agrees."""
        mine = RedemptionOrder.objects.filter(company=self.world.company)
        eventually(
            lambda: not mine.exclude(status=OrderStatus.COMPLETED).exists(),
            "all orders are delivered",
            within=ROLL_SECONDS,
            pause=1,
        )
        assert not self.production.violations(at_rest=False)


def roll(production: Production, *arguments: str) -> subprocess.CompletedProcess[str]:
    """deploy/roll, as an operator calls it."""
    command = [str(ROOT / "deploy/roll"), "--socket", str(production.balancer.socket)]
    patience = ["--seconds", f"{START_SECONDS:g}"]
    command += ["--command", production.control.command, *patience, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def deploy(production: Production, release: Release) -> None:
    """The steps of docs/operations.md: files, schema, then one machine after the other."""
    production.release = release
    production.publish()
    production.manage("migrate", "--verbosity=0")
    done = roll(production)
    assert done.returncode == 0, done.stdout + done.stderr


def runs_new_code(production: Production) -> bool:
    return all(answered(m.web.port) == "new code\n" for m in production.machines.values())


def answered(port: int) -> str:
    link = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        link.request("GET", "/healthz")
        return link.getresponse().read().decode()
    finally:
        link.close()


def stylesheets(production: Production) -> set[str]:
    page = production.visitor().get("/accounts/login/").text
    return set(re.findall(r'href="(/static/css/portal/base[^"]+)"', page))


def assert_nobody_noticed(buying: Buying, noted: Noted) -> None:
    assert noted.failed == []
    assert noted.missing == set()
    assert len(set(noted.placed)) == len(noted.placed)
    assert buying.orders() == set(noted.placed)
    buying.each_ended_once()
    print(f"{noted.requests} requests, {len(noted.placed)} orders, none failed")


def test_a_deploy_of_new_files_is_noticed_by_nobody(production: Production, tmp_path: Path) -> None:
    before = stylesheets(production)
    release = Release(tmp_path / "release", new_static)
    buying = Buying(production, 3)
    deploy(production, release)
    noted = buying.end(after=SHORT)

    assert stylesheets(production).isdisjoint(before)
    assert_nobody_noticed(buying, noted)


@pytest.mark.parametrize("change", [new_code, new_static, new_migration])
def test_ten_buyers_notice_nothing_of_a_deploy(
    production: Production, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    release = Release(tmp_path / "release", change)
    buying = Buying(production, 10)
    deploy(production, release)
    noted = buying.end(after=LONG)

    assert_nobody_noticed(buying, noted)
    if change is new_code:
        assert runs_new_code(production)


def test_buyers_see_errors_when_both_machines_are_stopped_at_once(production: Production) -> None:
    """Negative control: without one machine after the other, the same buyers notice."""
    buying = Buying(production, 10)
    for machine in production.machines.values():
        for process in (machine.web, machine.api):
            assert process.process is not None
            process.process.send_signal(signal.SIGTERM)
    eventually(lambda: buying.noted.failed, "somebody notices", within=START_SECONDS)
    for machine in production.machines.values():
        machine.stop()
    production.mend()
    noted = buying.end()

    assert set(noted.placed) <= buying.orders()
    buying.each_ended_once()


def test_files_are_missing_when_they_were_not_published_before(
    production: Production, tmp_path: Path
) -> None:
    """Negative control: the origin has only what was published."""
    production.release = Release(tmp_path / "release", new_static)
    buying = Buying(production, 3)
    done = roll(production)
    noted = buying.end()

    assert done.returncode == 0, done.stdout + done.stderr
    assert noted.missing
    production.publish()


def test_a_web_process_that_is_killed_costs_at_most_the_forms_that_it_held(
    production: Production,
) -> None:
    """Pages are asked of the other one. No form is sent twice by the balancer."""
    buying = Buying(production, 10)
    production.machines["machine1"].web.kill()
    eventually(
        lambda: production.balancer.states()["web/machine1"] == "DOWN", "the balancer has noticed"
    )
    production.mend()
    noted = buying.end()

    assert [failed for failed in noted.failed if not failed.startswith("POST ")] == []
    assert len(set(noted.placed)) == len(noted.placed)
    lost = [failed for failed in noted.failed if failed.startswith("POST /checkout/")]
    assert set(noted.placed) <= buying.orders()
    assert len(buying.orders() - set(noted.placed)) <= len(lost)
    buying.each_ended_once()


def test_nobody_notices_that_haproxy_reads_its_configuration_again(production: Production) -> None:
    buying = Buying(production, 10)
    before = production.balancer.order("show info")
    production.balancer.reload()
    eventually(
        lambda: (
            production.balancer.order("show info").splitlines()[5:7] != before.splitlines()[5:7]
        ),
        "another process serves",
    )
    assert_nobody_noticed(buying, buying.end())


def test_a_second_roll_is_refused(production: Production) -> None:
    with Path(f"{production.balancer.socket}.roll").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = roll(production)

    assert (done.returncode, done.stdout) == (1, "")
    assert "Another roll is under way. Nothing was done." in done.stderr
    assert production.balancer.sends_to_all()


def test_a_roll_stops_nothing_while_the_other_machine_is_not_ready(production: Production) -> None:
    production.balancer.order("set server api/machine2 state maint")
    done = roll(production, "machine1")

    assert done.returncode == 1
    assert "machine1 is not replaced, since it is needed" in done.stderr
    assert all(process.is_running for process in production.machines["machine1"].processes)


def test_a_version_that_does_not_become_ready_stays_out_and_the_other_serves(
    production: Production, tmp_path: Path
) -> None:
    good = production.release
    production.release = Release(tmp_path / "release", new_migration)  # not migrated
    done = roll(production, "--seconds", "30")
    states = production.balancer.states()
    page = production.visitor().get("/accounts/login/")
    production.release = good
    production.machines["machine1"].stop()
    for process in production.machines["machine1"].processes:
        process.folder = good.app

    assert done.returncode == 1
    assert "machine1 is not ready after 30 s. It stays drained" in done.stderr
    assert (states["web/machine1"], states["web/machine2"]) == ("DOWN", "UP")
    assert page.status_code == 200
