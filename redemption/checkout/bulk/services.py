"""A bulk: taking a file in, reading it, having it approved, and placing its orders."""

import hashlib
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountManager
from accounts.models.readers import reader_of
from accounts.permissions import may_redeem
from catalog.models import Product
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.texts.times import exact
from redemption.checkout.approvals.approval import approval_need
from redemption.checkout.approvals.asking import APPROVAL_TIME
from redemption.checkout.bulk.sheets import (
    LARGEST_FILE,
    LONGEST_REFERENCE,
    rows_of,
    too_large,
)
from redemption.checkout.held import partner_trouble
from redemption.checkout.rows import GivenRow, read_rows, today_of
from redemption.checkout.selectors import offered_products
from redemption.checkout.services import (
    CheckoutInput,
    Line,
    place_order,
)
from redemption.models import Bulk, BulkPart, BulkRow, BulkStatus
from redemption.models.cart import MOST_ROWS as MOST_LINES
from redemption.saga.steps import RedemptionError, must

logger = logging.getLogger(__name__)

LEASE = 120.0  # seconds from the last slice until another process may take the bulk up
TURN = 5.0  # seconds that a bulk is worked without a break
SLICE = 500  # rows that are read, or lines that are placed, in one transaction
MOST_ORDERS = 25  # of one transaction
_WORKED = (BulkStatus.READING, BulkStatus.PLACING)
HELD_UP = 60.0  # seconds until a bulk that a partner's problem holds up is tried again


class SameFileError(RedemptionError):
    """The company has given the same file before. `bulk` is what became of it."""

    def __init__(self, bulk: Bulk) -> None:
        self.bulk = bulk
        facts = {"when": exact(bulk.created_at, zone=bulk.seat.company.time_zone)}
        super().__init__(_("The same file was given on %(when)s.") % facts)


class BulkTakenUpError(Exception):
    """The lease was lost to another process; roll this slice back."""


def take(*, seat: AccountManager, name: str, data: bytes, again: bool, by: Actor) -> Bulk:
    """Take a file in, to be read in the background.

    Raises SameFileError when the company gave the same file before, unless `again`, and
    RedemptionError with a sentence when it is empty or too large.
    """
    must(may_redeem(by))
    if not data:
        raise RedemptionError(_("The file is empty."))
    if len(data) > LARGEST_FILE:
        raise RedemptionError(too_large())
    digest = hashlib.sha256(data).hexdigest()
    with transaction.atomic():
        # Two presses of one button wait here for one another.
        AccountManager.objects.select_for_update(no_key=True, of=("self",)).get(pk=seat.pk)
        same = Bulk.objects.filter(seat__company=seat.company_id, digest=digest)
        before = same.exclude(status=BulkStatus.REFUSED).select_related("seat__company").first()
        if before and not again:
            raise SameFileError(before)
        return Bulk.objects.create(seat=seat, name=name[-200:], digest=digest, file=data)


def confirm(*, bulk: Bulk, seen_points: int, by: Actor, ask: Callable[[Bulk], object]) -> bool:
    """Have the right rows placed; the wrong ones are left out. Returns whether the bulk waits for
    one approval of all its orders first, which `ask` asks for. One whose approval ran out may be
    confirmed anew.

    Raises RedemptionError when it is not the actor's, was confirmed before, or costs something
    else than the page showed.
    """
    must(may_redeem(by) and bulk.seat.user_id == by.user_id)
    with transaction.atomic():
        seat = AccountManager.objects.select_for_update(no_key=True, of=("self",)).get(
            pk=bulk.seat_id
        )
        total = points_of(bulk)
        if not total or total != seen_points:
            raise RedemptionError(_("This has changed since you looked. Please check it again."))
        need = approval_need(seat, total)
        to = BulkStatus.WAITING if need else BulkStatus.PLACING
        bulk.approve_by = timezone.now() + APPROVAL_TIME if need else None
        _move(
            bulk,
            BulkStatus.READY,
            to,
            approve_by=bulk.approve_by,
            reminders=0,
            problem="",
            next_attempt_at=None if need else Now(),
        )
        if need:
            ask(bulk)
    return need is not None


def go_on(*, bulk: Bulk, by: Actor) -> None:
    """Try the orders once more that could not be placed, after a stop too."""
    must(may_redeem(by) and bulk.seat.user_id == by.user_id)
    if not bulk.can_go_on:
        raise RedemptionError(_("Nothing of this can be tried again."))
    with transaction.atomic():
        _move(bulk, bulk.status, BulkStatus.PLACING, next_attempt_at=Now(), problem="")
        bulk.parts.filter(order=None).update(problem="")


def points_of(bulk: Bulk) -> int:
    """What its orders cost together."""
    total: int = bulk.parts.aggregate(total=Sum("points", default=0))["total"]
    return total


def _move(bulk: Bulk, before: str, to: str, **changes: Any) -> None:
    if not Bulk.objects.filter(pk=bulk.pk, status=before).update(status=to, **changes):
        raise RedemptionError(_("Somebody did this already. Look at the page again."))


# --- The work ------------------------------------------------------------------------------------


def work_on(bulk_id: uuid.UUID, *, placed: Callable[[Sequence[uuid.UUID]], None]) -> bool:
    """Read or place for a turn. Returns False when another process has it, or it is not due.
    `placed` is told the debits of orders, once they are committed.
    """
    token = Bulk.objects.lease(bulk_id, seconds=LEASE)
    if token is None:
        return False
    bulk = Bulk.objects.select_related("seat__user", "seat__company").get(pk=bulk_id)
    with reader_of(bulk.seat.user, bulk.seat.company).reading():
        try:
            ended = _turn(bulk, token, placed)
        except BulkTakenUpError:
            logger.warning("bulk: %s is at work elsewhere", bulk_id)
            return True
        except _HeldUpError as why:
            Bulk.objects.release(bulk.pk, token, retry_in=HELD_UP, problem=str(why))
            return True
    if not ended:
        Bulk.objects.release(bulk.pk, token, retry_in=0.0)
    return True


def _turn(bulk: Bulk, token: uuid.UUID, placed: Callable[[Sequence[uuid.UUID]], None]) -> bool:
    """Work slices until no work is left, or the turn is over. Returns whether none is left."""
    until = time.monotonic() + TURN
    slices = _reading(bulk) if bulk.status == BulkStatus.READING else _placing(bulk)
    while bulk.status in _WORKED and time.monotonic() < until:
        with transaction.atomic():
            step = next(slices)
            _write(bulk, token, lease_until=Now() + timedelta(seconds=LEASE), raised=0)
        placed(step)
    if bulk.status in _WORKED:
        return False
    # It may have been confirmed meanwhile: then it is due, and stays so.
    _write(bulk, token, lease_until=None, lease_token=None)
    Bulk.objects.filter(pk=bulk.pk).exclude(status__in=_WORKED).update(next_attempt_at=None)
    return True


class _HeldUpError(Exception):
    """A partner's problem holds all orders up. The bulk waits."""


def _write(bulk: Bulk, token: uuid.UUID, **changes: Any) -> None:
    if not Bulk.objects.filter(pk=bulk.pk, lease_token=token).update(**changes):
        raise BulkTakenUpError


def _set(bulk: Bulk, **changes: Any) -> None:
    """Write columns in the transaction of the slice. A bulk without further work is not due."""
    if changes.get("status", bulk.status) not in _WORKED:
        changes["next_attempt_at"] = None
    Bulk.objects.filter(pk=bulk.pk).update(**changes)
    for name, value in changes.items():
        setattr(bulk, name, value)


# What a slice did: debits to be worked. Each slice is a transaction.
_Step = list[uuid.UUID]


def _reading(bulk: Bulk) -> Iterator[_Step]:
    try:
        rows = rows_of(bytes(bulk.file))
    except RedemptionError as error:
        _set(bulk, status=BulkStatus.REFUSED, problem=str(error), file=b"")
        yield []
        return
    skus = {row.get("sku", "") for _number, row in rows}
    products = offered_products(skus=skus, tier_level=bulk.seat.company.tier_level)
    today = today_of(bulk.seat.company)
    for start in range(bulk.rows_read, len(rows), SLICE):
        some = rows[start : start + SLICE]
        read = [_read(bulk, number, row, products, today) for number, row in some]
        BulkRow.objects.bulk_create(read)
        _set(bulk, rows_read=start + len(some), rows_in_all=len(rows))
        yield []
    _share_out(bulk)
    _set(bulk, status=BulkStatus.READY, file=b"")
    yield []


def _read(
    bulk: Bulk, number: int, cells: dict[str, str], products: dict[str, Product], today: Any
) -> BulkRow:
    product = products.get(cells.get("sku", ""))
    row = BulkRow(bulk=bulk, number=number, cells=cells)
    if product is None:
        row.errors = [["sku", _("No product on offer has this SKU.")]]
        return row
    reading = read_rows([GivenRow(product, cells)], today=today)
    row.errors = [[error.column, error.detail] for error in reading.errors]
    reference = " ".join(cells.get("reference", "").split())
    if len(reference) > LONGEST_REFERENCE or "\0" in reference or reference.startswith("="):
        told = _("A reference has at most %(most)s characters, and is no formula.")
        row.errors.append(["reference", told % {"most": LONGEST_REFERENCE}])
    if "beyond" in cells:
        row.errors.append(["", _("This row has more cells than there are columns.")])
    if not row.errors:
        row.reference = reference
        row.points = reading.rows[0].quantity * product.points_cost
    return row


def _share_out(bulk: Bulk) -> None:
    """Make the parts: the right rows of each reference, by 500."""
    by_reference: dict[str, list[BulkRow]] = defaultdict(list)
    for row in bulk.rows.filter(errors=[]).only("reference", "points", "number", "part"):
        by_reference[row.reference].append(row)
    parts: list[BulkPart] = []
    kept: list[BulkRow] = []
    for reference, rows in by_reference.items():
        pieces = [rows[start : start + MOST_LINES] for start in range(0, len(rows), MOST_LINES)]
        for piece, those in enumerate(pieces, start=1):
            told = f"{reference} {piece}/{len(pieces)}".strip() if len(pieces) > 1 else reference
            part = BulkPart(
                id=uuid7(),
                bulk=bulk,
                number=len(parts) + 1,
                reference=told,
                lines=len(those),
                points=sum(row.points for row in those),
            )
            parts.append(part)
            for row in those:
                row.part = part
            kept += those
    BulkPart.objects.bulk_create(parts)
    BulkRow.objects.bulk_update(kept, ["part"], batch_size=1_000)


def _placing(bulk: Bulk) -> Iterator[_Step]:
    while True:
        seat = AccountManager.objects.select_related("company", "user").get(pk=bulk.seat_id)
        if not seat.is_usable or not may_redeem(Actor.in_seat(seat)):
            told = _("The seat, its person or its company was switched off. No more was placed.")
            _set(bulk, status=BulkStatus.STOPPED, problem=told)
            yield []
            return
        parts = _next(bulk)
        if not parts:
            _set(bulk, status=BulkStatus.DONE, problem="")
            yield []
            return
        yield _place(bulk, seat, parts)


def _next(bulk: Bulk) -> list[BulkPart]:
    """The next orders to place in one transaction: some small ones, or one of many lines."""
    some: list[BulkPart] = []
    lines = 0
    for part in bulk.parts.filter(order=None, problem="")[:MOST_ORDERS]:
        if some and lines + part.lines > SLICE:
            break
        some.append(part)
        lines += part.lines
    return some


def _place(bulk: Bulk, seat: AccountManager, parts: Sequence[BulkPart]) -> _Step:
    rows: dict[uuid.UUID, list[BulkRow]] = defaultdict(list)
    for row in BulkRow.objects.filter(part__in=parts):
        if row.part_id:
            rows[row.part_id].append(row)
    skus = {row.cells.get("sku", "") for those in rows.values() for row in those}
    products = offered_products(skus=skus, tier_level=seat.company.tier_level)
    if why := partner_trouble().holds(products.values()):
        raise _HeldUpError(why)
    debits, whole = [], []
    for part in parts:
        try:
            debits.append(_place_part(bulk, seat, part, rows[part.pk], products))
            whole.append(part)
        except RedemptionError as error:
            part.problem = str(error)
    _record(parts, whole)
    return debits


def _record(parts: Sequence[BulkPart], placed: Sequence[BulkPart]) -> None:
    """Write down what became of the parts. Rows that are placed are in their orders now."""
    BulkPart.objects.bulk_update(parts, ["order", "problem"])
    BulkRow.objects.filter(part__in=placed).delete()


def _place_part(
    bulk: Bulk,
    seat: AccountManager,
    part: BulkPart,
    rows: Sequence[BulkRow],
    products: dict[str, Product],
) -> uuid.UUID:
    """Place the order of one part. Returns its debit. Raises RedemptionError when it cannot be."""
    today = today_of(seat.company)
    lines = []
    for row in rows:
        product = products.get(row.cells["sku"])
        if product is None:
            told = _("Line %(line)s: no product on offer has the SKU %(sku)s any more.")
            raise RedemptionError(told % {"line": row.number, "sku": row.cells["sku"]})
        reading = read_rows([GivenRow(product, row.cells)], today=today)
        if reading.errors:
            told = _("Line %(line)s: %(why)s")
            raise RedemptionError(told % {"line": row.number, "why": reading.errors[0].detail})
        [read] = reading.rows
        lines.append(
            Line(product, read.quantity, read.recipient, read.message, read.send_on, read.asks)
        )
    entered = CheckoutInput(
        token=part.pk,
        seen_points=part.points,
        reference=part.reference,
        approved_by=bulk.decided_by_id,
    )
    part.order = place_order(seat=seat, lines=lines, entered=entered, by=Actor.in_seat(seat))
    return entered.debit_id
