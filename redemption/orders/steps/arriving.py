"""When what was sent arrives, as far as the product says in how many working days it does.

A product's days are at most, and from the order on: they count from the day on which the desk got
the line. Nothing is said once that day has passed, or of what nothing is known.
"""

from collections.abc import Iterable
from datetime import date, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from loyalty_portal.data.zones import local_day, working_days_after
from redemption.models import OrderItem
from redemption.orders.facts import Facts
from redemption.states import LineStatus

_A_WEEK = timedelta(days=7)


def arrival_of(facts: Facts, items: Iterable[OrderItem]) -> str:
    """When the last of these lines, which were sent, arrives: “about Tuesday”, or a date if that is
    a week away. "" unless it is known of each.
    """
    zone = facts.order.company.time_zone
    days = [_day_of(facts, item, zone) for item in items]
    today = local_day(timezone.now(), zone)
    known = [day for day in days if day is not None and day >= today]
    if not known or len(known) < len(days):
        return ""
    last = max(known)
    if last == today:
        return _("today")
    day = date_format(last, "l" if last - today < _A_WEEK else "DATE_FORMAT")
    return _("about %(day)s") % {"day": day}


def _day_of(facts: Facts, item: OrderItem, zone: str) -> date | None:
    days = None if item.product.is_virtual else item.product.delivery_days
    if item.fulfillment_status != LineStatus.SHIPPED or not days:
        return None
    since = facts.delivery(item).since or facts.order.created_at
    return working_days_after(local_day(since, zone), days)
