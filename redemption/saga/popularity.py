"""Tells the catalogue how often its products were redeemed lately, once a day."""

from datetime import timedelta

from django.db.models import Sum
from django.utils import timezone

from catalog.storefront.viewed import write_popularity
from redemption.models import LineFigure

LATELY = timedelta(days=90)


def tell_popularity() -> int:
    """Count the pieces of the last 90 days whose points were taken. Returns how many products
    have another number now.
    """
    lately = LineFigure.objects.filter(hour__gte=timezone.now() - LATELY, taken=True)
    pieces = lately.values_list("product").annotate(pieces=Sum("units")).order_by()
    return write_popularity(pieces=dict(pieces))
