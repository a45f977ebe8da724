"""The measured part of `make bench-webhooks-out`, in a process with a database of its own."""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import django

django.setup()

from aiohttp import web
from django.db import connections, transaction

from accounts.models import AccountManager, Company, Role, User
from benchmarks.__main__ import ROOT
from loyalty_portal.data.actor import Actor
from loyalty_portal.feed.models import FeedItem, Outbox
from redemption.models import EventType, WebhookEndpoint
from redemption.webhooks_out.services import add_endpoint

SECONDS = float(os.environ.get("BENCH_SECONDS", "600"))
RATE = float(os.environ.get("BENCH_RATE", "20"))
KILL_EVERY = float(os.environ.get("BENCH_KILL", "20"))
PATIENCE = 120.0  # seconds for what is left at the end; a killed sweeper's leases end after 75
COMPANIES, ENDPOINTS = 4, 5
BAD = ("hang", "fail", "reset", "redirect", "gone")
WANTED = 5.0  # seconds, for 95 of 100
LATE = 3.0  # seconds between writing and committing one event


@dataclass
class Receivers:
    """Twenty endpoints in one server, which notes what each good one gets and when."""

    port: int = 0
    got: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    sequences: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    waits: list[float] = field(default_factory=list)
    inside: int = 0  # calls that followed the redirect

    async def good(self, request: web.Request) -> web.Response:
        said = json.loads(await request.read())
        name, message = request.match_info["name"], request.headers["webhook-id"]
        if message not in self.got[name]:
            self.waits.append(time.time() - datetime.fromisoformat(said["timestamp"]).timestamp())
        self.got[name][message] += 1
        self.sequences[name].add(said["sequence"])
        return web.Response(status=204)

    async def bad(self, request: web.Request) -> web.Response:
        how = request.match_info["how"]
        await request.read()
        if how == "hang":
            await asyncio.sleep(60)
        if how == "reset" and request.transport:
            request.transport.abort()
        if how == "redirect":
            there = f"http://127.0.0.1:{self.port}/inside"
            return web.Response(status=302, headers={"Location": there})
        return web.Response(status=410 if how == "gone" else 500)

    async def follow(self, _request: web.Request) -> web.Response:
        self.inside += 1
        return web.Response()

    def start(self) -> None:
        ready = threading.Event()

        async def serve() -> None:
            app = web.Application()
            app.router.add_post("/good/{name}", self.good)
            app.router.add_post("/bad/{how}", self.bad)
            app.router.add_route("*", "/inside", self.follow)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            ready.set()
            await asyncio.Event().wait()

        threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
        ready.wait()


def make_companies(receivers: Receivers) -> dict[UUID, list[str]]:
    """Four companies with a seat to change. Returns the names of the good endpoints of each."""
    good: dict[UUID, list[str]] = {}
    bad = list(BAD)
    for number in range(COMPANIES):
        company = Company.objects.create(name=f"Company {number}", loyalty_account_id=f"A{number}")
        owner = User.objects.create_user(f"owner{number}@bench.example")
        seat = AccountManager.objects.create(company=company, user=owner, role=Role.OWNER)
        member = User.objects.create_user(f"member{number}@bench.example")
        AccountManager.objects.create(company=company, user=member, role=Role.BUYER)
        names = [f"{number}-{place}" for place in range(ENDPOINTS)]
        wrong = [bad.pop() for _ in range(2 if number == 0 else 1)]
        for name in names[len(wrong) :]:
            _add(company, f"http://127.0.0.1:{receivers.port}/good/{name}", seat)
        for how in wrong:
            _add(company, f"http://127.0.0.1:{receivers.port}/bad/{how}", seat)
        good[company.pk] = names[len(wrong) :]
    return good


def _add(company: Company, url: str, seat: AccountManager) -> None:
    only = [EventType.MEMBER_CHANGED]  # so that the numbers are known
    add_endpoint(company=company, url=url, events=only, by=Actor.in_seat(seat))


def change(company_id: UUID) -> None:
    """One event: the member's role changes."""
    seat = AccountManager.objects.get(company=company_id, user__email__startswith="member")
    seat.role = Role.VIEWER if seat.role == Role.BUYER else Role.BUYER
    seat.save(update_fields=["role"])


class Sweepers:
    """Two sweepers, of which one is killed and started again at each `kill`."""

    def __init__(self) -> None:
        self.running = [self._start(), self._start()]
        self.killed = 0

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "manage.py", "sweep"]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        process = self.running.pop(0)
        process.kill()
        process.wait()
        self.killed += 1
        self.running.append(self._start())

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


def late_event(company_id: UUID) -> tuple[int, int]:
    """Commit one event three seconds after it was written, beside others. Returns its id in the
    outbox, and the highest id that was published before it was committed.
    """
    link = connections["default"]
    with transaction.atomic():
        change(company_id)
        written = Outbox.objects.order_by("-id").values_list("id", flat=True)[0]
        time.sleep(LATE)
        with link.cursor() as cursor:  # outside of this transaction's own rows
            cursor.execute("SELECT last_value FROM feed_outbox_id_seq")
            highest = int(cursor.fetchone()[0])
    connections.close_all()
    return written, highest


def send(companies: list[UUID], sweepers: Sweepers) -> Counter[UUID]:
    """Make the events. Returns how many of each company."""
    made: Counter[UUID] = Counter()
    began, kill_at = time.monotonic(), time.monotonic() + KILL_EVERY
    dice = random.Random(1)
    for number in range(int(SECONDS * RATE)):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        company = dice.choice(companies[1:])  # the first one's seat is for the late event
        change(company)
        made[company] += 1
        if time.monotonic() > kill_at:
            sweepers.kill()
            kill_at += KILL_EVERY
    return made


def main() -> int:
    receivers = Receivers()
    receivers.start()
    good = make_companies(receivers)
    late: list[tuple[int, int]] = []
    with ExitStack() as stack:
        sweepers = Sweepers()
        stack.callback(sweepers.close)
        first = next(iter(good))
        slow = threading.Thread(target=lambda: late.append(late_event(first)))
        slow.start()
        made = send(list(good), sweepers)
        slow.join()
        made[first] += 1
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and missing(receivers, good, made):
            time.sleep(1)
    return report(receivers, good, made, sweepers.killed, late[0])


def missing(receivers: Receivers, good: dict[UUID, list[str]], made: Counter[UUID]) -> int:
    return sum(
        made[company] - len(receivers.got[name])
        for company, names in good.items()
        for name in names
    )


def report(
    receivers: Receivers,
    good: dict[UUID, list[str]],
    made: Counter[UUID],
    killed: int,
    late: tuple[int, int],
) -> int:
    lost = missing(receivers, good, made)
    twice = sum(count - 1 for each in receivers.got.values() for count in each.values())
    p95 = statistics.quantiles(receivers.waits, n=20)[-1] if len(receivers.waits) > 1 else 0.0
    print(f"events: {sum(made.values())} over {COMPANIES} companies, sweepers killed: {killed}")
    print(f"deliveries to good endpoints: {len(receivers.waits)}, lost: {lost} (to reach 0)")
    print(f"  sent again under the same id: {twice}")
    print(
        f"  median {statistics.median(receivers.waits):.2f} s, p95 {p95:.2f} s (to reach {WANTED})"
    )
    states = Counter(endpoint.state.value for endpoint in WebhookEndpoint.objects.all())
    print(f"endpoints: {dict(states)}; redirects followed: {receivers.inside} (to reach 0)")
    written, highest = late
    is_control = highest > written  # else nothing shows that a late event can be missed
    print(
        f"the late event: number {written} of the outbox, committed after {highest} was written; "
        f"a cursor over ids {'misses' if is_control else 'would find'} it (to miss it)"
    )
    orders = list(FeedItem.objects.values_list("pk", flat=True).order_by("published_at", "pk"))
    in_order = orders == sorted(orders)
    numbers: dict[UUID, list[int]] = defaultdict(list)
    for change in FeedItem.objects.order_by("sequence"):
        numbers[change.company].append(change.told_sequence)
    in_order &= all(each == list(range(1, len(each) + 1)) for each in numbers.values())
    print(f"in the order of publishing, each company without gaps: {'yes' if in_order else 'NO'}")
    kept = lost == 0 and p95 <= WANTED and receivers.inside == 0 and in_order
    return 0 if kept and is_control else 1


if __name__ == "__main__":
    sys.exit(main())
