"""A bulk as its page shows it."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from accounts.layout import Header
from accounts.models import AccountManager
from accounts.permissions import may_approve, may_redeem
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.times import exact
from redemption.checkout.approvals.asking import told_asked, who_decides
from redemption.checkout.limits import Allowance, allowances_of
from redemption.checkout.rows import COLUMNS, label_of
from redemption.models import Bulk, BulkPart, BulkRow, BulkStatus
from redemption.models.badges import Badge
from redemption.permissions import may_decide

SHOWN = 50  # rows, and orders, that a page shows
_LOOKS = {
    BulkStatus.READING: ("live", "refresh-cw"),
    BulkStatus.READY: ("", "circle-check"),
    BulkStatus.WAITING: ("warn", "hourglass"),
    BulkStatus.PLACING: ("live", "refresh-cw"),
    BulkStatus.DONE: ("ok", "circle-check"),
    BulkStatus.REFUSED: ("bad", "circle-x"),
    BulkStatus.REJECTED: ("bad", "circle-x"),
    BulkStatus.STOPPED: ("warn", "circle-alert"),
}


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row that cannot be placed: its line in the file, who it is for, the errors by column."""

    number: int
    who: str
    errors: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class BulkPage:
    """The one object of the page's templates. Numbers of rows, orders and points are whole."""

    bulk: Bulk
    look: Badge
    rows: int
    wrong: list[WrongRow]
    wrong_in_all: int
    parts: list[BulkPart]
    parts_in_all: int
    placed: int
    failed: int
    points: int
    header: Header
    is_own: bool
    can_decide: bool
    can_go_on: bool
    waits: str = ""  # until when it waits for approval, and whose
    problem: str = ""
    allowances: list[Allowance] = field(default_factory=list)

    @property
    def over(self) -> list[str]:
        """Why its orders together are more than limits leave: a sentence for each."""
        exceeded = (each for each in self.allowances if each.over(self.points))
        return [each.refusal(self.points) for each in exceeded]

    @property
    def is_live(self) -> bool:
        """Whether somebody works on it now, so that the page looks again by itself."""
        return self.bulk.status in {BulkStatus.READING, BulkStatus.PLACING}

    @property
    def is_ready(self) -> bool:
        return self.bulk.status == BulkStatus.READY

    @property
    def done(self) -> int:
        """Of what the progress bar counts: rows that are read, or orders that are placed."""
        reading = self.bulk.status == BulkStatus.READING
        return self.bulk.rows_read if reading else self.placed + self.failed

    @property
    def of(self) -> int:
        reading = self.bulk.status == BulkStatus.READING
        return (self.bulk.rows_in_all if reading else self.parts_in_all) or 1

    @property
    def missing(self) -> int:
        """Points that are lacking, by the last known balance."""
        spendable = self.header.spendable
        return 0 if spendable is None else max(0, self.points - spendable)

    @property
    def can_place(self) -> bool:
        """Whether the page offers the button. The partner decides about the points in the end."""
        known_short = self.missing > 0 and not self.header.stale
        return self.is_own and self.parts_in_all > 0 and not known_short


def bulks_of(seat: AccountManager) -> list[Bulk]:
    """The newest bulks that the seat may see: its own, and those of colleagues that it decides."""
    found = _of_company(seat)
    if not may_approve(Actor.in_seat(seat)):
        found = found.filter(seat=seat)
    return list(found[:SHOWN])


def waiting_for(seat: AccountManager) -> list[Bulk]:
    """The bulks of colleagues that wait for an approval which this seat may give."""
    actor = Actor.in_seat(seat)
    waiting = _of_company(seat).filter(status=BulkStatus.WAITING).exclude(seat=seat)
    waiting = waiting.annotate(orders=Count("parts"), points=Sum("parts__points"))
    return [bulk for bulk in waiting[:SHOWN] if may_decide(actor, bulk)]


def _of_company(seat: AccountManager) -> QuerySet[Bulk]:
    found = Bulk.objects.filter(seat__company=seat.company_id).defer("file")
    return found.select_related("seat__user", "seat__company")


def bulk_page(bulk: Bulk, seat: AccountManager, header: Header, problem: str = "") -> BulkPage:
    """Read the page."""
    actor = Actor.in_seat(seat)
    wrong = bulk.rows.exclude(errors=[])
    parts = bulk.parts.select_related("order")
    return BulkPage(
        bulk=bulk,
        look=Badge(*_LOOKS[BulkStatus(bulk.status)], bulk.get_status_display()),
        rows=bulk.rows_in_all,
        wrong=[_wrong(row) for row in wrong[:SHOWN]],
        wrong_in_all=wrong.count(),
        parts=list(parts[:SHOWN]),
        **parts.aggregate(
            parts_in_all=Count("pk"),
            placed=Count("order"),
            failed=Count("pk", filter=~Q(problem="")),
            points=Sum("points", default=0),
        ),
        header=header,
        is_own=bulk.seat_id == seat.pk and may_redeem(actor),
        can_decide=bulk.status == BulkStatus.WAITING and may_decide(actor, bulk),
        can_go_on=bulk.seat_id == seat.pk and bulk.can_go_on,
        waits=_waits(bulk) if bulk.status == BulkStatus.WAITING else "",
        problem=problem,
        allowances=allowances_of(seat) if bulk.status == BulkStatus.READY else [],
    )


def _waits(bulk: Bulk) -> str:
    until = exact(bulk.approve_by, zone=bulk.seat.company.time_zone) if bulk.approve_by else ""
    told = _("Waiting for approval until %(when)s.") % {"when": until}
    return f"{told} {told_asked([str(each.seat.user) for each in who_decides(bulk)])}".strip()


def wrong_rows(bulk: Bulk) -> list[list[Any]]:
    """The wrong rows as they were given, each with what is wrong, for a file to correct."""
    columns = ("sku", "product", "reference", *COLUMNS)
    return [
        [
            *(row.cells.get(name, "") for name in columns),
            " ".join(f"{told}: {why}" if told else why for told, why in _wrong(row).errors),
        ]
        for row in bulk.rows.exclude(errors=[])
    ]


def _wrong(row: BulkRow) -> WrongRow:
    cells = row.cells
    return WrongRow(
        number=row.number,
        who=cells.get("recipient_name") or cells.get("recipient_email") or "–",
        errors=[(_column(name), why) for name, why in row.errors],
    )


def _column(name: str) -> str:
    if name == "sku":
        return "SKU"
    if name == "reference":
        return _("Reference")
    return label_of(name) if name else ""
