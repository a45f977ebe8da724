"""Checks after a run: the invariants of saga.md, and what people were told against the facts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field

from django.db.models import F, Sum

from accounts.models import Company, User
from catalog.models import Product
from fulfillment.models import Fulfillment, VirtualCode
from fulfillment.states import FulfillmentStatus
from inventory.models import Inventory, StockMovement
from redemption.invariants.checks import Invariant
from redemption.models import (
    Bulk,
    BulkPart,
    BulkRow,
    BulkStatus,
    Callback,
    Letter,
    OrderItem,
    RedemptionOrder,
)
from redemption.states import OPEN_TRANSACTION, OrderStatus, TransactionStatus
from tests.chaos.actors.files import Files, Handed
from tests.chaos.actors.house import House
from tests.chaos.actors.nemesis import Nemesis
from tests.chaos.actors.people import PROMISES, Record
from tests.chaos.actors.recipients import TAKEN, Links, visit
from tests.redemption.points.statement.ledger import differences

# A letter may be sent twice when its sender was killed before recording it.
SENDERS = {"worker", "worker-2", "sweeper", "sweeper-2", "postgres"}
OURS = ("web", "worker", "sweeper")  # processes, and their spares
PERSONAL = ("recipient_email", "recipient_phone", "address_line1")
SHORTEST = 6  # characters; what is shorter may be part of anything
WORD = re.compile(r"[\w.+@:/-]+")
KEY_OR_TOKEN = re.compile(r"(lrp_)(?:live|test)_[0-9A-Za-z]{20}|(eyJ)[\w-]{15}")
LINES = "lines of the log, with nothing personal or secret"


@dataclass(frozen=True)
class Finding:
    """A broken promise: its `name`, and what it is about."""

    name: str
    subject: str
    figures: str

    def __str__(self) -> str:
        return f"{self.name} {self.subject}: {self.figures}"


@dataclass
class Run:
    """Everything known about a finished run. `received`: pieces by product name; `links`: what
    recipients did with theirs; `files`: of many orders.
    """

    house: House
    record: Record
    nemesis: Nemesis
    received: dict[str, int]
    links: Links = field(default_factory=Links)
    files: Files = field(default_factory=Files)
    counted: Counter[str] = field(default_factory=Counter)

    def finds(self, names: Set[str]) -> bool:
        """Whether promises of these names are broken. False without names."""
        return bool(names) and names <= {each.name for each in self.findings()}

    def findings(self) -> list[Finding]:
        """Run all checks. Needs `as_default`; `counted` then has the number of things checked."""
        self.counted.clear()
        found = [
            Finding(each.invariant.name, each.subject, each.figures)
            for each in self.house.violations()
        ]
        self.counted["promises asked of the whole database"] = len(Invariant)
        for check in CHECKS:
            found += check(self)
        return found


def _placed(run: Run) -> Iterator[Finding]:
    """Every order that somebody was told of exists once, with the content of the form."""
    for told in run.record.told:
        run.counted["forms answered with an order, found as told"] += bool(told.numbers)
        if len(told.numbers) > 1:
            yield Finding("ONE_FORM", told.token, f"two orders: {sorted(told.numbers)}")
        for number in told.numbers:
            order = RedemptionOrder.objects.filter(order_number=number).first()
            if order is None:
                yield Finding("TOLD", number, "does not exist")
                continue
            lines = Counter[str]()
            for item in order.items.all():
                lines[item.product_name] += item.quantity
            if dict(lines) != told.lines or order.company.name != told.company:
                yield Finding("TOLD", number, f"is {dict(lines)}, was told {told.lines}")


def _refused(run: Run) -> Iterator[Finding]:
    """A refused form made no order unless an answer was lost; nobody has an order they did not
    place.
    """
    for told in run.record.told:
        exists = RedemptionOrder.objects.filter(token=told.token).count()
        # of two simultaneous presses, one may be refused and the other succeed with returned stock
        clean = told.refusal and not told.unanswered and not told.numbers
        run.counted["forms refused, nothing left of them"] += bool(clean)
        if (clean and exists) or exists > 1:
            yield Finding("REFUSED", told.token, f"{exists} orders; told “{told.refusal}”")
    tokens = {told.token for told in run.record.told}
    tokens |= {str(key) for key in BulkPart.objects.values_list("pk", flat=True)}
    for order in RedemptionOrder.objects.all():
        if str(order.token) not in tokens:
            yield Finding("UNASKED", order.order_number, "nobody sent this form")


def _promised(run: Run) -> Iterator[Finding]:
    """What a page said after cancelling or rejecting came true."""
    for number, sentence in run.record.promises:
        run.counted["sentences about an order's end that came true"] += 1
        order = RedemptionOrder.objects.get(order_number=number)
        if order.status not in PROMISES[sentence] and not order.needs_attention:
            yield Finding("PROMISED", number, f"“{sentence}” but it is {order.status}")


def _stock(run: Run) -> Iterator[Finding]:
    """The stock is the pieces received, minus those ordered, plus those not supplied."""
    dropped = (OrderStatus.DECLINED, OrderStatus.REJECTED, OrderStatus.EXPIRED)
    for name, received in run.received.items():
        run.counted["products whose pieces add up"] += 1
        lines = OrderItem.objects.filter(product__name=name)
        sold = lines.aggregate(n=Sum("quantity"))["n"] or 0
        kept = lines.exclude(order__status__in=dropped).exclude(fulfillment_status="CANCELLED")
        away = kept.aggregate(n=Sum(F("quantity")))["n"] or 0
        # What came back to the stock; less what could not be supplied of lines cancelled later.
        moved = StockMovement.objects.filter(product__name=name)
        gone = moved.filter(reference__in=lines.filter(fulfillment_status="CANCELLED").values("pk"))
        back = moved.filter(kind="RECEIVED", reference__isnull=False) | gone.filter(kind="ADJUSTED")
        again = back.aggregate(n=Sum("available_change"))["n"] or 0
        shelf = Inventory.objects.get(product=Product.objects.get(name=name))
        there = shelf.quantity_available
        if there != received - away + again or there < 0:
            yield Finding("PIECES", name, f"{there} of {received}; sold {sold}, away {away}")


def _inbox(run: Run) -> Iterator[Finding]:
    """Every callback that was answered 2xx is stored, and no forged one is."""
    for event in run.house.sandbox.control("GET", "/events")["events"]:
        if 200 <= (event["last_status"] or 0) < 300:
            run.counted["webhooks answered 2xx, in the inbox"] += 1
            if not Callback.objects.filter(webhook_id=event["event_id"]).exists():
                yield Finding("INBOX", event["event_id"], "was answered 2xx and is not there")
    for identity, status in run.nemesis.forged.items():
        run.counted["forged webhooks, refused"] += 1
        if status in range(200, 300) or Callback.objects.filter(webhook_id=identity).exists():
            yield Finding("FORGED", identity, f"was answered {status}")


def _deliveries(run: Run) -> Iterator[Finding]:
    """Deliveries agree with the partner's final state."""
    theirs = {"delivered": "DELIVERED", "failed": "FAILED", "cancelled": "CANCELLED"}
    ours = {str(each.pk): each for each in Fulfillment.objects.filter(channel="PARTNER")}
    for each in run.house.sandbox.control("GET", "/fulfillments")["fulfillments"]:
        run.counted["virtual deliveries that both sides see alike"] += 1
        held = ours.get(each["reference"])
        if held is None:
            yield Finding("DELIVERY", each["reference"], "is none of ours")
            continue
        waits = held.attention and held.status == FulfillmentStatus.REQUESTED
        if held.status != theirs.get(each["status"]) and not waits:
            yield Finding("DELIVERY", held.label, f"{each['status']} there, {held.status} here")
        elif held.status == FulfillmentStatus.DELIVERED:
            there = {unit["code"] for unit in each["deliverables"] or []}
            if there != {code.code for code in held.codes.valid()}:
                yield Finding("DELIVERY", held.label, "its codes are others there")


def _letters(run: Run) -> Iterator[Finding]:
    """Each occasion has one letter, sent once unless its sender was killed; none has a code."""
    box = [each for each in run.house.mailbox.letters if "<letter-" in str(each["Message-ID"])]
    excused = {blow.target for blow in run.nemesis.struck} & SENDERS
    by_id = Counter(str(letter["Message-ID"]) for letter in box)
    rows = {f"letter-{row.pk}": row for row in Letter.objects.all()}
    for message, times in by_id.items():
        run.counted["letters, each about one occasion"] += 1
        row = rows.get(message.strip("<>").partition("@")[0])
        if row is None:
            yield Finding("LETTER", message, "was written by nobody")
        elif times > 1 and not excused:
            yield Finding("LETTER_ONCE", row.key, f"came {times} times")
    run.counted["letters that came twice after a fault"] = sum(n - 1 for n in by_id.values())
    text = "\n".join(letter.as_string() for letter in run.house.mailbox.letters)
    for each in run.house.sandbox.control("GET", "/fulfillments")["fulfillments"]:
        for unit in each["deliverables"] or []:
            run.counted["codes, in no letter"] += 1
            if (unit.get("code") or unit.get("url")) in text:
                yield Finding("SECRET", each["reference"], "its code is in a letter")


def _lines(run: Run) -> Iterator[Finding]:
    """No line that the portal's processes wrote in the day has an address, a code, a key or a
    token.
    """
    texts = list(User.objects.values_list("email", flat=True))
    texts += [text for row in OrderItem.objects.values_list(*PERSONAL) for text in row]
    texts += [
        text or "" for one in VirtualCode.objects.all() for text in (one.code, one.pin, one.url)
    ]
    never = {text for text in texts if len(text) >= SHORTEST} | {"lrp_", "eyJ"}
    never |= run.links.tokens
    for process in run.house.processes:
        if not process.name.startswith(OURS) or not process.log.exists():
            continue
        with process.log.open(errors="replace") as lines:
            for line in lines:
                run.counted[LINES] += 1
                if words := words_of(line) & never:
                    yield Finding("SECRET", process.name, f"{sorted(words)} in {line[:200]}")


def words_of(line: str) -> set[str]:
    """The words of a line; "lrp_" or "eyJ" stands for a key or a token."""
    secrets = {found[1] or found[2] for found in KEY_OR_TOKEN.finditer(line)}
    words = {word.rstrip(".") for word in WORD.findall(line)}
    return words.union(secrets, *(word.split("/") for word in words if "/for-you/" in word))


def _mismatches(run: Run) -> Iterator[Finding]:
    """A mismatching answer that reached us was shown to a person."""
    if any(blow.kind != "mismatch" for blow in run.nemesis.struck):
        return
    for call in run.house.sandbox.calls(fault="mismatch", operation="debit"):
        run.counted["mismatching answers, shown to a person"] += 1
        order = RedemptionOrder.objects.get(order_number=call["reference"])
        if not order.needs_attention and not order.events.filter(subject="NOTE").exists():
            yield Finding("MISMATCH", order.order_number, "nobody was told")


def _answered(run: Run) -> Iterator[Finding]:
    """A line whose recipient was told that the answer counts goes to this recipient."""
    for key, name in run.record.answers.items():
        run.counted["answers of recipients that counted"] += 1
        item = OrderItem.objects.get(pk=key)
        parcels = Fulfillment.objects.filter(reference=key).values_list("recipient_name", flat=True)
        if item.recipient_name != name or list(parcels) != [name]:
            told = f"answered as {name}, is for {item.recipient_name}, sent to {list(parcels)}"
            yield Finding("ANSWERED", str(key), told)
    waited = Fulfillment.objects.filter(reference__in=OrderItem.objects.exclude(waits_for=""))
    run.counted["lines that waited and were passed on"] = waited.count()
    silent = OrderItem.objects.filter(waits_for="RECIPIENT", fulfillment_status="CANCELLED")
    run.counted["lines that ended without an answer"] = silent.count()


def _by_link(run: Run) -> Iterator[Finding]:
    """Of all answers to a link one counts. The company sees the city of it, the desk the address.
    A link that nobody answered in time takes no answer any more.
    """
    for link, names in run.links.tried.items():
        sent = Fulfillment.objects.filter(recipient_name__in=names)
        counted = run.links.taken.get(link, [])
        run.counted["answers by a link that counted"] += len(counted)
        parcels = list(sent.values_list("recipient_name", flat=True))
        if len(counted) > 1 or len(parcels) > 1 or not set(counted) <= set(parcels):
            yield Finding("LINK", names[0], f"{counted} counted, sent to {parcels}")
        for item in OrderItem.objects.filter(pk__in=sent.values("reference")):
            there = sent.get(reference=item.pk)
            if item.address_line1 or item.city != there.city:
                yield Finding("LINK", str(item.pk), "the company sees the address")
    for link in run.links.ignored:
        run.counted["links that nobody answered in time"] += 1
        if (said := visit(run.house.url, link, "Too Late")) == TAKEN:
            yield Finding("LINK", "Too Late", f"an answer after its time counted ({said})")
    if Fulfillment.objects.filter(recipient_name="Too Late").exists():
        yield Finding("LINK", "Too Late", "something is sent there")


def _files(run: Run) -> Iterator[Finding]:
    """Each file was taken in once. Each right row of it is placed once, or the page says why it is
    not; of one that nobody confirmed or approved none is, and never a wrong one.
    """
    taken = {bulk.digest: bulk for bulk in Bulk.objects.all()}
    if Bulk.objects.count() != len(taken) or set(taken) - set(run.files.given):
        yield Finding("FILE", "files", "some were taken in that nobody gave, or twice")
    for digest, one in run.files.given.items():
        bulk = taken.get(digest)
        if bulk is not None:
            yield from findings_of_file(one, bulk, run.counted)
        elif one.page:
            yield Finding("FILE", one.page, "was told of, and is not there")


def findings_of_file(one: Handed, bulk: Bulk, counted: Counter[str]) -> Iterator[Finding]:
    named = {*one.right, *one.wrong}
    got = OrderItem.objects.filter(recipient_name__in=named).select_related("order")
    times = Counter(item.recipient_name for item in got)
    counted["rows of files, placed once"] += len(times)
    if twice := [name for name, number in times.items() if number > 1]:
        yield Finding("FILE_ROW_ONCE", one.page, f"{len(twice)} rows were placed twice")
    waits = BulkRow.objects.filter(bulk=bulk, part__isnull=False, part__order=None)
    kept = {row.cells["recipient_name"] for row in waits}
    counted["rows of files, not placed for a reason that is told"] += len(kept)
    wrong = {name for name in times if name in one.wrong}
    if wrong or times.keys() & kept or times.keys() | kept != one.right.keys():
        figures = f"{len(times)} rows placed, {len(kept)} kept, of {len(one.right)}; {wrong} wrong"
        yield Finding("FILE_ROWS", one.page, figures)
    if any(not item.order.reference.startswith(one.right[item.recipient_name]) for item in got):
        yield Finding("FILE_ROWS", one.page, "a row is in an order of another reference")
    is_over = bulk.status in {BulkStatus.DONE, BulkStatus.READY, BulkStatus.REJECTED}
    is_yes = bulk.status == BulkStatus.DONE
    counted[f"files, {bulk.get_status_display().lower()}"] += 1
    if not is_over or (times and not is_yes) or (one.decided == "approve" and not is_yes):
        yield Finding("FILE", one.page, f"{bulk.status}, {len(times)} placed, {one.decided}")
    if is_yes and bulk.parts.filter(order=None, problem="").exists():
        yield Finding("FILE", one.page, "is placed, but for orders that nobody looked at")
    if one.confirmed and bulk.status == BulkStatus.READY and not bulk.problem:
        yield Finding("FILE", one.page, "was confirmed, and waits for it")


def _statement(run: Run) -> Iterator[Finding]:
    """Each company's points statement is its account at the partner, entry by entry."""
    run.counted["statements that are the partner's ledger"] = Company.objects.count()
    for company, told in differences(run.house.sandbox):
        yield Finding("STATEMENT", company.name, told)


def _ended(run: Run) -> Iterator[Finding]:
    """Everything has ended, or a person was told why it cannot."""
    for order in RedemptionOrder.objects.all():
        run.counted["orders that ended, or wait for a person"] += 1
        waits = order.transactions.filter(
            status__in=OPEN_TRANSACTION - {TransactionStatus.NEEDS_REVIEW}
        )
        if not order.needs_attention and (not order.is_final or waits.exists()):
            yield Finding("UNFINISHED", order.order_number, f"is {order.status}")


def _strange(run: Run) -> Iterator[Finding]:
    """Nobody saw a page that they should not: signed out, forbidden, not found."""
    run.counted["pages seen"] = run.record.pages
    for strange in run.record.strange:
        yield Finding("STRANGE", "page", strange)


CHECKS: tuple[Callable[[Run], Iterator[Finding]], ...] = (
    _placed,
    _refused,
    _promised,
    _stock,
    _inbox,
    _deliveries,
    _letters,
    _lines,
    _mismatches,
    _answered,
    _by_link,
    _files,
    _statement,
    _ended,
    _strange,
)
