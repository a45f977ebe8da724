"""Reads the stock: what is short, how fast it goes, and who changed it."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import StockStatus
from inventory.models import Inventory, LowStockRule, MovementKind, Reservation, StockMovement
from loyalty_portal.metrics.state import StateFigure, briefly

SHORT_WINDOW, LONG_WINDOW = 28, 90  # days
DAYS_AHEAD = 14  # in how many days a product runs out that is told, where no rule says
AT_ONCE = 1_000  # products that one query looks up


def short_stock() -> QuerySet[Inventory]:
    """The stock of active products that are low or out."""
    return Inventory.objects.filter(
        product__is_active=True, product__stock_status__in=[StockStatus.LOW, StockStatus.OUT]
    )


def reservations_told() -> Iterator[StateFigure]:
    """For Prometheus (settings.STATE_SOURCES): lines that hold stock."""
    with briefly():
        number = Reservation.objects.filter(quantity__gt=F("released") + F("consumed")).count()
    yield StateFigure("portal_reservations_open", "Order lines that hold stock.", [((), number)])


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a product is redeemed: pieces in the last 28 and 90 days, and what that means.

    `per_day` is of the last 28 days, or of the last 90 where nothing was redeemed since.
    """

    last_28: int
    last_90: int
    available: int

    @property
    def per_day(self) -> float:
        return self.last_28 / SHORT_WINDOW if self.last_28 > 0 else self.last_90 / LONG_WINDOW

    @property
    def days_left(self) -> int | None:
        """In how many days the available pieces are gone; None if nothing was redeemed."""
        return int(self.available / self.per_day) if self.per_day > 0 else None

    @property
    def runs_out(self) -> date | None:
        """The day on which it runs out; None if nothing was redeemed, or not within ten years."""
        days = self.days_left
        if days is None or days > 3_650:
            return None
        return timezone.localdate() + timedelta(days=days)


def paces(shelves: Iterable[Inventory]) -> dict[uuid.UUID, Pace]:
    """The pace of each counted product, by its key, in one query.

    Redeemed is what orders reserved less what they released, so a cancelled order counts nothing.
    """
    available = {row.product_id: row.quantity_available for row in shelves if row.is_tracked}
    found = _redeemed(Q(product__in=available))
    return {product: _pace(found.get(product), number) for product, number in available.items()}


def _redeemed(which: Q) -> dict[uuid.UUID, tuple[int, int]]:
    """The pieces of these products that were redeemed in the last 28 and in the last 90 days."""
    now = timezone.now()
    moved = StockMovement.objects.filter(
        which,
        kind__in=[MovementKind.RESERVED, MovementKind.RELEASED],
        created_at__gte=now - timedelta(days=LONG_WINDOW),
    )
    since = Q(created_at__gte=now - timedelta(days=SHORT_WINDOW))
    sums = (
        moved.order_by()
        .values_list("product")
        .annotate(
            short=Sum(-F("available_change"), filter=since, default=0),
            long=Sum(-F("available_change"), default=0),
        )
    )
    return {product: (short, long) for product, short, long in sums}


def _pace(redeemed: tuple[int, int] | None, available: int) -> Pace:
    short, long = redeemed or (0, 0)
    return Pace(last_28=max(0, short), last_90=max(0, long), available=available)


def told_days(days: int) -> str:
    """In how many days something runs out, in a few words."""
    if days < 1:
        return _("today")
    if days > 365:
        return _("in over a year")
    return ngettext("in %(n)s day", "in %(n)s days", days) % {"n": days}


class Why(IntEnum):
    """Why a product is to be ordered again, the most urgent first."""

    OUT = 1
    LOW = 2
    SOON = 3


@dataclass(frozen=True, slots=True)
class Short:
    """A product that is to be ordered again. `days`: until it runs out, None for nobody knows."""

    product_id: uuid.UUID
    why: Why
    available: int
    days: int | None

    @property
    def urgency(self) -> tuple[int, float, int, uuid.UUID]:
        left = float("inf") if self.days is None else self.days
        return self.why, left, self.available, self.product_id


def to_reorder() -> list[Short]:
    """The active products that are out or low, or run out within the days of their category's
    rule, the most urgent first.

    Reads the movements of 90 days, so it is for the clock and not for a page.
    """
    redeemed = _redeemed(Q())
    low = short_stock().filter(is_tracked=True)
    found = [
        Short(product, Why.LOW if number else Why.OUT, number, _days(redeemed.get(product), number))
        for product, number in low.values_list("product_id", "quantity_available").iterator()
    ]
    return sorted([*found, *_running_out(redeemed)], key=lambda each: each.urgency)


def _days(redeemed: tuple[int, int] | None, available: int) -> int | None:
    return _pace(redeemed, available).days_left


def _running_out(redeemed: dict[uuid.UUID, tuple[int, int]]) -> Iterator[Short]:
    """The products that are not low yet."""
    rules = dict(LowStockRule.objects.values_list("category", "days_ahead"))
    enough = Inventory.objects.filter(
        is_tracked=True, product__is_active=True, product__stock_status=StockStatus.IN_STOCK
    )
    keys = list(redeemed)
    for at in range(0, len(keys), AT_ONCE):
        rows = enough.filter(product__in=keys[at : at + AT_ONCE])
        columns = ("product_id", "product__category_id", "quantity_available")
        for product, category, number in rows.values_list(*columns):
            days, ahead = _days(redeemed[product], number), rules.get(category)
            if days is not None and days <= (DAYS_AHEAD if ahead is None else ahead):
                yield Short(product, Why.SOON, number, days)


def last_change(product_id: uuid.UUID) -> str:
    """Who changed the number of pieces on the shelf last, in a sentence; "" if nobody did."""
    moved = StockMovement.objects.filter(product=product_id).exclude(
        kind__in=[MovementKind.RESERVED, MovementKind.RELEASED]
    )
    last = moved.select_related("by").order_by("-created_at", "-id").first()
    if last is None:
        return ""
    change = last.available_change + last.reserved_change
    return _("Last: %(what)s, %(change)s, by %(who)s at %(when)s.") % {
        "what": last.get_kind_display(),
        "change": f"{change:+d}".replace("-", "\u2212"),
        "who": last.by or _("the portal"),
        "when": date_format(timezone.localtime(last.created_at), "H:i"),
    }
