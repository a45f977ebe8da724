"""What the catalogue adds to the admin's first page."""

from collections.abc import Iterator
from datetime import timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from catalog.models import Product
from loyalty_portal.admin_site.home import SHOWN, HomeLine, Part, WorkList, waiting_count

SOON = timedelta(days=7)


def offers(request: HttpRequest) -> Iterator[Part]:
    """Offers that end within a week, the next first, for those who may change products."""
    if not request.user.has_perm("catalog.change_product"):
        return
    now = timezone.now()
    ending = Product.objects.filter(
        is_active=True, available_until__gt=now, available_until__lte=now + SOON
    )
    number, there = waiting_count("offers", ending), reverse("admin:catalog_product_changelist")
    lines = [
        HomeLine(
            href=reverse("admin:catalog_product_change", args=[each.pk]),
            name=each.sku,
            more=each.name,
            end=date_format(timezone.localtime(each.available_until), "SHORT_DATETIME_FORMAT"),
        )
        for each in ending.order_by("available_until", "id")[:SHOWN]
    ]
    yield WorkList(
        title=_("Offers that end within a week"),
        lines=lines,
        empty=_("None ends within a week."),
        more=number - len(lines),
        href=there,
    )
