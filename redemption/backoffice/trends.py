"""Orders and points by day, on the admin's first page."""

from collections.abc import Iterator
from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import programme_zone
from loyalty_portal.admin_site.counts import briefly
from loyalty_portal.admin_site.home import Chart, Part
from loyalty_portal.data.zones import local_day, local_moment
from redemption.models import OrderFigure

DayFigures = dict[date, tuple[int, int]]  # orders, and points taken, of each day

DAYS = 28


def by_day(request: HttpRequest) -> Iterator[Part]:
    """Orders placed and points taken on the programme's last days, from what is counted by the
    hour.
    """
    if not request.user.has_perm("redemption.view_redemptionorder"):
        return
    today = local_day(timezone.now(), programme_zone())
    days = [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    found = briefly(f"by-day:{today}", DayFigures, lambda: _counted(days[0]))
    orders = [(day, found.get(day, (0, 0))[0]) for day in days]
    points = [(day, found.get(day, (0, 0))[1]) for day in days]
    yield Chart.of(_("Orders by day"), _("orders"), orders)
    yield Chart.of(_("Points taken by day"), _("points"), points)


def _counted(since: date) -> DayFigures:
    """Orders placed, and the points of those whose debit succeeded, by day."""
    zone = programme_zone()
    start = local_moment(since, time.min, zone)
    rows = OrderFigure.objects.filter(company=None, seat=None, hour__gte=start)
    sums = (
        rows.annotate(day=TruncDate("hour", tzinfo=ZoneInfo(zone)))
        .values_list("day", "taken")
        .order_by("day", "taken")
    ).annotate(number=Sum("orders"), sum=Sum("points"))
    found: DayFigures = {}
    for day, taken, number, points in sums:
        orders, before = found.get(day, (0, 0))
        found[day] = (orders + number, before + (points if taken else 0))
    return found
