"""What a bulk edit makes of one product: pure rules, without the database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from django.db.models import TextChoices
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Product
from loyalty_portal.data.texts.numbers import grouped

MOST_POINTS = 2_147_483_647  # the largest value of the points column
_TIMES = ("available_from", "available_until")


class Rounding(TextChoices):
    """How new points become a multiple of 1, 10 or 100."""

    NEAREST = "nearest", gettext_lazy("to the nearest")
    UP = "up", gettext_lazy("up")
    DOWN = "down", gettext_lazy("down")


_WAYS = {
    Rounding.NEAREST: ROUND_HALF_UP,
    Rounding.UP: ROUND_CEILING,
    Rounding.DOWN: ROUND_FLOOR,
}


@dataclass(frozen=True, slots=True)
class Edited:
    """The columns that change, or why the product is skipped. Neither: nothing changes."""

    columns: Mapping[str, Any]
    skipped: str = ""


def edited(product: Product, edit: Mapping[str, Any]) -> Edited:
    """What `edit`, the parameters of a job, makes of the product.

    `edit` holds the new value of each column as JSON; for the points `percent`, `round` and `to`.
    """
    wanted = {name: value for name, value in edit.items() if name != "points"}
    if "points" in edit:
        points = repriced(product.points_cost, **edit["points"])
        if not 1 <= points <= MOST_POINTS:
            told = _("would cost %(points)s points; between 1 and %(most)s are possible")
            return Edited({}, told % {"points": grouped(points), "most": grouped(MOST_POINTS)})
        wanted["points_cost"] = points
    start, end = (
        moment(wanted[name]) if name in wanted else getattr(product, name) for name in _TIMES
    )
    if start and end and start >= end and wanted.keys() & set(_TIMES):
        return Edited({}, _("would end before it begins"))
    now = values(product, wanted)
    return Edited({name: value for name, value in wanted.items() if now[name] != value})


def repriced(points: int, *, percent: str, round: str, to: int) -> int:  # noqa: A002 - stored so
    """The points after a change of so many percent, as a multiple of `to`."""
    exact = Decimal(points) * (100 + Decimal(percent)) / 100 / to
    return int(exact.quantize(Decimal(1), rounding=_WAYS[Rounding(round)])) * to


def moment(value: str | None) -> datetime | None:
    return parse_datetime(value) if value else None


def values(product: Product, columns: Iterable[str]) -> dict[str, Any]:
    """The values of these columns as JSON holds them."""
    return {name: as_json(getattr(product, name)) for name in columns}


def as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def put(product: Product, columns: Mapping[str, Any]) -> None:
    """Set columns to values as JSON holds them."""
    for name, value in columns.items():
        setattr(product, name, moment(value) if name in _TIMES else value)
