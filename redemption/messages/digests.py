"""Digests: a letter with all that happened to the lines of an order since the one before.

The first news begins a digest, which is due 15 minutes later and gathers all news until it is
closed; the last one is due at once when the order ends. Closing it fixes what it tells: how far
each line got since the earlier letters. So each piece of news is in one digest, however often the
digest is sent (docs/decisions/0037-letters-in-digests.md).
"""

import uuid
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import (
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    Q,
    QuerySet,
)
from django.db.models.functions import Coalesce, Now

from accounts.selectors import letter_address
from fulfillment.models import Fulfillment
from redemption.models import (
    Letter,
    LetterKind,
    OrderItem,
    RedemptionOrder,
)
from redemption.states import SETTLED_LINE, TransactionStatus

WINDOW = timedelta(minutes=15)  # between two letters about parts of one order


class Units(NamedTuple):
    """How many units of a line were shipped, delivered, will not be supplied, and came back."""

    shipped: int = 0
    delivered: int = 0
    lost: int = 0
    returned: int = 0

    def less(self, other: "Units") -> "Units":
        return Units(*(now - then for now, then in zip(self, other, strict=True)))

    def plus(self, other: "Units") -> "Units":
        return Units(*(one + more for one, more in zip(self, other, strict=True)))


def is_part(order: RedemptionOrder, item: OrderItem | None, *more: OrderItem) -> bool:
    """Whether these lines are only part of the order.

    `item=None`: the news is about several lines, or the whole order.
    """
    if item is not None:
        points = sum(each.points for each in (item, *more))
        return points != order.total_points  # each line costs points
    return order.items.all()[1:2].exists()


def gather(order: RedemptionOrder) -> bool | None:
    """Have a digest tell what the caller's transaction, which holds the order's lock, changes.

    A digest that gathers already is locked, so it is not closed before that commits; the same
    statement asks whether the order has a line that is not settled. Returns that, or None when a
    new digest began.
    """
    is_open = _lock_gathering(order)
    if is_open is None:
        _write(order, due=Now() + WINDOW, update="to")
    return is_open


def _lock_gathering(order: RedemptionOrder) -> bool | None:
    """Lock the digest that gathers. Returns whether a line is not settled, None without a digest to
    the buyer's address.
    """
    lines = OrderItem.objects.filter(order=OuterRef("order"))
    is_open = Exists(lines.exclude(fulfillment_status__in=SETTLED_LINE))
    rows = Letter.objects.select_for_update(no_key=True).filter(
        key=Letter.gathering_key(order.pk), to=letter_address(order.account_manager)
    )
    found: bool | None = rows.values_list(is_open, flat=True).first()
    return found


def finish(order: RedemptionOrder) -> None:
    """Have the last digest, of the whole order, sent at once: it has ended."""
    _write(order, due=Now(), update="next_attempt_at")


def _write(order: RedemptionOrder, *, due: Any, update: str) -> None:
    letter = Letter(
        order=order,
        kind=LetterKind.DIGEST,
        key=Letter.gathering_key(order.pk),
        to=letter_address(order.account_manager),
        next_attempt_at=due,
    )
    Letter.objects.bulk_create(
        [letter], update_conflicts=True, unique_fields=["key"], update_fields=[update]
    )


@transaction.atomic
def close(letter_id: uuid.UUID, token: uuid.UUID) -> bool:
    """Fix what a leased digest tells. Returns False when it is not to be sent now: it waits until
    15 minutes after the letter before, or there was nothing to tell, and it is removed.
    """
    RedemptionOrder.objects.filter(letters=letter_id).beat()  # its page shows what becomes of it
    held = _held(letter_id, token)
    if held is None:
        return False
    # A letter that staff had sent once more tells nothing new.
    earlier = Letter.objects.filter(order=held.order_id, again_of=None).exclude(pk=held.pk)
    told = list(earlier.values_list("kind", "item_id", "facts"))
    whole = held.order.is_final and not any(facts.get("whole") for _kind, _item, facts in told)
    wait = None if whole else _wait(earlier)
    if wait is not None:
        held.if_ours(retry_in=wait.total_seconds())(attempts=F("attempts") - 1)
        return False
    news = _since(held.order, told)
    if not (news or whole):
        held.delete()
        return False
    held.facts = {**news, "whole": whole}
    held.key = f"{held.key}:{held.pk}"
    held.save(update_fields=["facts", "key"])
    return True


def _held(letter_id: uuid.UUID, token: uuid.UUID) -> Letter | None:
    """The digest, locked: whoever wrote news into it has committed. The order is read later."""
    return Letter.objects.select_for_update().filter(pk=letter_id, lease_token=token).first()


def _wait(earlier: QuerySet[Letter]) -> timedelta | None:
    """How long the digest must wait for a quarter of an hour to pass since the one before."""
    trying = Q(sent_at__isnull=True, next_attempt_at__isnull=False)
    left = ExpressionWrapper(Coalesce("sent_at", Now()) + WINDOW - Now(), DurationField())
    digests = earlier.filter(trying | Q(sent_at__gt=Now() - WINDOW), kind=LetterKind.DIGEST)
    longest: timedelta | None = digests.aggregate(longest=Max(left))["longest"]
    return longest


def _since(order: RedemptionOrder, told: Iterable[tuple[str, Any, Any]]) -> dict[str, Any]:
    """How far lines and points got since the letters before; empty when they did not."""
    before, back_before = _told(told)
    lines = {}
    for key, units in units_of(order.items.all()).items():
        more = units.less(before.get(key, Units()))
        if any(more):
            lines[key] = more
    back = sum(
        each.points_amount
        for each in order.transactions.all()
        if not each.is_debit and each.status == TransactionStatus.SUCCEEDED
    )
    back -= back_before
    if back <= 0 and not any(count > 0 for more in lines.values() for count in more):
        return {}
    return {"lines": lines, "back": back}


def _told(letters: Iterable[tuple[str, Any, Any]]) -> tuple[dict[str, Units], int]:
    """What letters told about lines, by the line's id, and the points that they said are back.

    Letters about single lines count: a version before digests wrote them.
    """
    lines: dict[str, Units] = {}
    back: Counter[str] = Counter()
    for kind, item_id, facts in letters:
        parts: dict[str, Any] = facts.get("lines", {})
        if kind in {LetterKind.SHIPPED, LetterKind.DELIVERED}:
            units = facts.get("units") or {str(item_id): facts["quantity"]}
            sent = kind == LetterKind.SHIPPED
            parts = {key: [n, 0, 0] if sent else [0, n, 0] for key, n in units.items()}
        elif kind == LetterKind.REFUNDED:
            back[kind] += facts["points"]
        back[kind] += facts.get("back", 0)
        for key, units in parts.items():
            lines[key] = lines.get(key, Units()).plus(Units(*units))
    return lines, back.total()


def units_of(items: Iterable[OrderItem]) -> dict[str, Units]:
    """How far each line got, by its id. One query."""
    lines = list(items)
    parcels = Fulfillment.objects.filter(reference__in=[item.pk for item in lines])
    shipped = dict(parcels.values_list("reference", "quantity_shipped"))
    return {
        str(item.pk): Units(
            shipped.get(item.pk, 0),
            item.quantity_delivered,
            item.quantity_failed,
            item.quantity_returned,
        )
        for item in lines
    }
