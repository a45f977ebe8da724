"""What the catalogue adds to the admin's first page."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from catalog.models import Product
from loyalty_portal.admin_site.counts import Waiting, waiting_counts
from loyalty_portal.admin_site.home import SHOWN, HomeLine, Part, WorkList
from loyalty_portal.data.actor import Actor

SOON = timedelta(days=7)


def offers(request: HttpRequest) -> Iterator[Part]:
    """Offers that end within a week, the next first, for those who may change products."""
    if not request.user.has_perm("catalog.change_product"):
        return
    number = waiting_counts(request)["offers that end"]
    yield WorkList(
        title=_("Offers that end within a week"),
        rows=_ending().order_by("available_until", "id")[:SHOWN],
        lines=lambda rows: [_line(each) for each in rows],
        empty=_("None ends within a week."),
        number=number,
        href=reverse("admin:catalog_product_changelist"),
    )


def _line(product: Product) -> HomeLine:
    return HomeLine(
        href=reverse("admin:catalog_product_change", args=[product.pk]),
        name=product.sku,
        more=product.name,
        end=date_format(timezone.localtime(product.available_until), "SHORT_DATETIME_FORMAT"),
    )


def _ending() -> QuerySet[Product]:
    now = timezone.now()
    return Product.objects.filter(
        is_active=True, available_until__gt=now, available_until__lte=now + SOON
    )


def waiting(actor: Actor) -> Iterator[Waiting]:
    """Offers that end within a week, for those who may change products."""
    if actor.has_perm("catalog.change_product"):
        yield Waiting("offers that end", _ending())
