"""Reads the stock: what is short, how fast it goes, and who changed it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from catalog.models import StockStatus
from inventory.models import Inventory, MovementKind, StockMovement

SHORT_WINDOW, LONG_WINDOW = 28, 90  # days


def short_stock() -> QuerySet[Inventory]:
    """The stock of active products that are low or out."""
    return Inventory.objects.filter(
        product__is_active=True, product__stock_status__in=[StockStatus.LOW, StockStatus.OUT]
    )


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
    now = timezone.now()
    moved = StockMovement.objects.filter(
        product__in=available,
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
    found = {product: (short, long) for product, short, long in sums}
    return {
        product: Pace(
            last_28=max(0, found.get(product, (0, 0))[0]),
            last_90=max(0, found.get(product, (0, 0))[1]),
            available=number,
        )
        for product, number in available.items()
    }


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
