"""Records which products people look at, for reports."""

import logging
from uuid import UUID

from django.db import Error
from django.utils import timezone

from accounts.models import AccountManager, programme_zone
from catalog.models import ProductView
from loyalty_portal.data.zones import local_day
from loyalty_portal.fastpath.sql import insert_unknown

logger = logging.getLogger(__name__)


def record_view(*, seat: AccountManager, product_id: UUID) -> None:
    """Record that the seat looks at the product today; the second time changes nothing.

    A page is shown also while this cannot be written, so an error is logged and not raised.
    """
    today = local_day(timezone.now(), programme_zone())
    try:
        insert_unknown([ProductView(seat_id=seat.pk, product_id=product_id, day=today)])
    except Error as error:
        logger.warning("a view was not recorded: %s", type(error.__cause__ or error).__name__)
