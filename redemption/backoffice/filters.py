"""Filters of the lists about orders: an index answers each."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from fulfillment.models import Channel, Fulfillment
from redemption.models import OrderItem
from redemption.states import LineStatus

AT_PARTNER = Fulfillment.objects.filter(channel=Channel.PARTNER)


class DeliveryStatusFilter(admin.SimpleListFilter):
    """Filters lines by the status of their delivery, which is the line's and has an index."""

    title = gettext_lazy("status")
    parameter_name = "status"
    reached = (
        LineStatus.REQUESTED, LineStatus.DELIVERED, LineStatus.FAILED, LineStatus.CANCELLED,
    )  # fmt: skip

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(status.value, status.label) for status in self.reached]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OrderItem]) -> QuerySet[OrderItem]:
        if self.value() not in self.reached:
            return queryset
        return queryset.filter(pk__in=AT_PARTNER.filter(status=self.value()).values("reference"))
