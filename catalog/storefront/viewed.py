"""Records which products people look at, for reports, and how often they are redeemed."""

import logging
from collections.abc import Mapping
from uuid import UUID

from django.db import Error, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import AccountManager, programme_zone
from catalog.models import Product, ProductView
from loyalty_portal.data.zones import local_day
from loyalty_portal.fastpath.sql import insert_unknown

logger = logging.getLogger(__name__)

MOST_POPULAR = 2_147_483_647  # the largest number of the column


def record_view(*, seat: AccountManager, product_id: UUID) -> None:
    """Record that the seat looks at the product today; the second time changes nothing.

    A page is shown also while this cannot be written, so an error is logged and not raised.
    """
    today = local_day(timezone.now(), programme_zone())
    try:
        insert_unknown([ProductView(seat_id=seat.pk, product_id=product_id, day=today)])
    except Error as error:
        logger.warning("a view was not recorded: %s", type(error.__cause__ or error).__name__)


def write_popularity(*, pieces: Mapping[UUID, int]) -> int:
    """Write how many pieces of each product were redeemed lately; of all others none. Returns how
    many products have another number now.
    """
    changed = 0
    with transaction.atomic():
        known = Product.objects.filter(Q(popularity__gt=0) | Q(pk__in=list(pieces)))
        before = dict(known.values_list("pk", "popularity"))
        by_number: dict[int, list[UUID]] = {}
        for key, number in before.items():
            wanted = min(pieces.get(key, 0), MOST_POPULAR)
            if wanted != number:
                by_number.setdefault(wanted, []).append(key)
        for wanted, keys in by_number.items():
            changed += Product.objects.filter(pk__in=keys).update(popularity=wanted)
    return changed
