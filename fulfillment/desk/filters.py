"""Filters of the desk's lists in the back office."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fulfillment.desk.selectors import SOON
from fulfillment.models import Fulfillment, Shipment
from fulfillment.permissions import FREE, claimed, to_take_over
from fulfillment.states import TO_SEND, FulfillmentStatus
from loyalty_portal.admin_site.verbs import actor_of


class StageFilter(admin.SimpleListFilter):
    """Filters by stage. Without a choice the queue shows what is to be sent."""

    title = gettext_lazy("stage")
    parameter_name = "stage"
    stages = {
        "way": (FulfillmentStatus.SHIPPED,),
        "settled": (
            FulfillmentStatus.DELIVERED,
            FulfillmentStatus.FAILED,
            FulfillmentStatus.CANCELLED,
            FulfillmentStatus.RETURNED,
        ),
        "all": tuple(FulfillmentStatus),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("way", _("On the way")), ("settled", _("Settled")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        """Make "nothing chosen" mean the work that is to be sent, not all."""
        first, *others = super().choices(changelist)
        return [{**first, "display": _("To send")}, *others]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Fulfillment]
    ) -> QuerySet[Fulfillment]:
        return queryset.filter(status__in=self.stages.get(self.value() or "", TO_SEND))


class PromiseFilter(admin.SimpleListFilter):
    """Filters by the time left until the promised date."""

    title = gettext_lazy("promise")
    parameter_name = "promise"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("late", _("Late")), ("soon", _("Within a day")), ("later", _("Later"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Fulfillment]
    ) -> QuerySet[Fulfillment]:
        now = timezone.now()
        if self.value() == "late":
            return queryset.filter(promised_by__lt=now)
        if self.value() == "soon":
            return queryset.filter(promised_by__gte=now, promised_by__lt=now + SOON)
        return queryset.filter(promised_by__gte=now + SOON) if self.value() == "later" else queryset


class ClaimFilter(admin.SimpleListFilter):
    """Filters by who works on it."""

    title = gettext_lazy("claim")
    parameter_name = "claim"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", _("Mine")), ("free", _("Free")), ("others", _("Other people's"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Fulfillment]
    ) -> QuerySet[Fulfillment]:
        if self.value() == "mine":
            return queryset.filter(claimed(actor_of(request)))
        if self.value() == "free":
            return queryset.filter(FREE)
        if self.value() == "others":
            return queryset.filter(to_take_over(actor_of(request)))
        return queryset


class ArrivedFilter(admin.SimpleListFilter):
    """Filters by whether the parcel has reached its recipient."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("way", _("On the way")), ("arrived", _("Delivered"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Shipment]) -> QuerySet[Shipment]:
        if self.value() in {"way", "arrived"}:
            return queryset.filter(delivered_at__isnull=self.value() == "way")
        return queryset
