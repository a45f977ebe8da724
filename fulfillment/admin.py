"""The desk in the admin portal: one queue, the most urgent promise first, and a page for each
parcel.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from fulfillment import services
from fulfillment.desk.badges import promise_badge, status_badge, told
from fulfillment.desk.filters import ArrivedFilter, ClaimFilter, PromiseFilter, StageFilter
from fulfillment.desk.forms import (
    CannotSupplyForm,
    DeliverForm,
    ReturnForm,
    ShipForm,
    TakeOverForm,
)
from fulfillment.desk.selectors import desk, lines_tracked_as, tracked_as, waiting
from fulfillment.models import Fulfillment, Shipment, ShipmentLine
from fulfillment.permissions import has_claimed, may_work_on
from fulfillment.returning import return_units
from fulfillment.services import DeskError
from fulfillment.states import TO_SEND
from loyalty_portal.admin_site.base import ActingAdmin, ReadOnlyAdmin, badge
from loyalty_portal.admin_site.found import Branch
from loyalty_portal.admin_site.lists import KeyedDateFilter, at_once
from loyalty_portal.admin_site.verbs import Verb, actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.countries import name_of
from loyalty_portal.data.ids import order_number_in

Work = Callable[[Fulfillment, dict[str, Any], Any], str]


def _unchanged(work: Work) -> Work:
    """Wrap `work` so that it raises DeskError for a form older than the parcel: sent twice, it
    would ship twice.
    """

    @transaction.atomic
    def checked(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
        held = services.locked(row)
        seen = {"seen": held.open_quantity, "with_recipient": held.with_recipient}
        if any(data.get(name, now) != now for name, now in seen.items()):
            raise DeskError(_("Somebody has worked on this since the page was made. Look again."))
        return work(held, data, by)

    return checked


def _claim(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
    services.claim(fulfillment=row, by=by)
    return _("You are working on this one.")


def _take_over(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
    services.take_over(fulfillment=row, whose=data["whose"], by=by)
    return _("You are working on this one now. Its history says from whom you took it over.")


def _unclaim(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
    services.unclaim(fulfillment=row, by=by)
    return _("Put back for anyone.")


def _pack(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
    services.pack(fulfillment=row, by=by)
    return _("Packed. Next: hand it to a carrier.")


def _ship(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
    shipment = services.ship(
        fulfillment=row,
        quantity=data["quantity"],
        carrier=data["carrier"],
        tracking_number=data["tracking_number"],
        by=by,
    )
    told = ngettext(
        "%(n)s piece shipped with %(who)s.", "%(n)s pieces shipped with %(who)s.", data["quantity"]
    )
    return told % {"n": data["quantity"], "who": shipment.carrier}


def _deliver(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
    shipment = row.shipments.filter(pk=data["shipment"]).first()
    if shipment is None:
        raise DeskError(_("There is no such parcel here."))
    services.deliver(shipment=shipment, by=by)
    return _("The parcel has arrived.")


def _cannot_supply(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
    quantity = data["quantity"]
    services.cannot_supply(fulfillment=row, quantity=quantity, reason=data["reason"], by=by)
    told = ngettext(
        "%(n)s piece given up; its points go back.",
        "%(n)s pieces given up; their points go back.",
        quantity,
    )
    return told % {"n": quantity}


def _return(row: Fulfillment, data: dict[str, Any], by: Actor) -> str:
    return_units(
        fulfillment=row, quantity=data["returned"], to=data["to"], reason=data["reason"], by=by
    )
    return _("Taken back. Finance decides about the points.")


_WORK = "fulfillment.work_desk"


@admin.register(Fulfillment)
class FulfillmentAdmin(ActingAdmin[Fulfillment]):
    """The queue. Each row is worked on by the services, one person at a time."""

    list_display = ["promise", "label", "what", "recipient", "status_shown", "claimed"]
    list_display_links = ["label"]
    list_select_related = ["claimed_by"]
    list_filter = [StageFilter, PromiseFilter, ClaimFilter]
    search_fields = ["label"]
    search_help_text = gettext_lazy(
        "Order or tracking number; product, SKU or recipient of what is to be sent"
    )
    sortable_by = ["promise"]
    actions = ["claim_rows", "pack_rows"]
    page_template = "admin/fulfillment/parcel.html"
    refusals = (DeskError,)
    verbs = {
        "claim": Verb(gettext_lazy("Claim"), _WORK, _claim),
        "take_over": Verb(
            gettext_lazy("Take it over"), "fulfillment.take_over_work", _take_over, TakeOverForm
        ),
        "unclaim": Verb(gettext_lazy("Put back"), _WORK, _unclaim),
        "pack": Verb(gettext_lazy("Packed"), _WORK, _pack),
        "ship": Verb(gettext_lazy("Ship"), _WORK, _unchanged(_ship), ShipForm),
        "deliver": Verb(gettext_lazy("It has arrived"), _WORK, _deliver, DeliverForm),
        "cannot_supply": Verb(
            gettext_lazy("Give up these pieces"),
            _WORK,
            _unchanged(_cannot_supply),
            CannotSupplyForm,
        ),
        "return": Verb(gettext_lazy("Take it back"), _WORK, _unchanged(_return), ReturnForm),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fulfillment]:
        return desk().select_related("claimed_by")

    def found_by(self, term: str) -> Sequence[Branch]:
        to_send = waiting().order_by()
        tracked = lines_tracked_as(term.replace(" ", "").upper())
        return [
            desk().order_by().filter(label=order_number_in(term) or term),
            (tracked.order_by(), "fulfillment"),
            to_send.filter(sku__iexact=term),
            to_send.filter(product_name__icontains=term),
            to_send.filter(recipient_name__icontains=term),
        ]

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(_WORK)

    def first_values(self, row: Fulfillment) -> dict[str, object]:
        return {
            "seen": row.open_quantity,
            "quantity": row.open_quantity,
            "whose": row.claimed_by_id,
            "with_recipient": row.with_recipient,
            "returned": row.with_recipient,
        }

    def facts(self, request: HttpRequest, row: Fulfillment) -> dict[str, object]:
        return {
            "parcel": row,
            "state": status_badge(row),
            "promise": promise_badge(row),
            "mine": has_claimed(actor_of(request), row),
            "free": may_work_on(actor_of(request), row),
            "to_send": row.status in TO_SEND,
            "shipments": [
                (line.shipment, line.quantity)
                for line in row.shipment_lines.select_related("shipment__shipped_by")
            ],
            "events": [told(event) for event in row.events.select_related("by")],
        }

    @admin.action(description=gettext_lazy("Claim"), permissions=["work"])
    def claim_rows(self, request: HttpRequest, queryset: QuerySet[Fulfillment]) -> None:
        self._each(request, queryset, services.claim, _("%(n)s claimed."))

    @admin.action(description=gettext_lazy("Pack"), permissions=["work"])
    def pack_rows(self, request: HttpRequest, queryset: QuerySet[Fulfillment]) -> None:
        self._each(request, queryset, services.pack, _("%(n)s packed."))

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Fulfillment],
        work: Callable[..., Fulfillment],
        told: str,
    ) -> None:
        """Run `work` on each row separately, so that one failure does not stop the others."""
        done = 0
        for row in at_once(request, queryset.order_by("promised_by", "id")):
            try:
                work(fulfillment=row, by=actor_of(request))
            except DeskError as error:
                self.message_user(request, f"{row.label}: {error}", messages.WARNING)
            else:
                done += 1
        if done:
            self.message_user(request, told % {"n": done}, messages.SUCCESS)

    @admin.display(description=gettext_lazy("promise"), ordering="promised_by")
    def promise(self, row: Fulfillment) -> SafeString:
        return promise_badge(row)

    @admin.display(description=gettext_lazy("what"))
    def what(self, row: Fulfillment) -> SafeString:
        pieces = row.open_quantity if row.status in TO_SEND else row.quantity
        of = _("of %(all)s") % {"all": row.quantity} if pieces != row.quantity else ""
        return format_html(
            '<span class="two-lines"><b>{} {} × {}</b><small>{}</small></span>',
            pieces, of, row.product_name, row.sku,
        )  # fmt: skip

    @admin.display(description=pgettext_lazy("recipient", "to"))
    def recipient(self, row: Fulfillment) -> SafeString:
        place = ", ".join(part for part in (row.city, name_of(row.country)) if part)
        return format_html(
            '<span class="two-lines"><b>{}</b><small>{}</small></span>', row.recipient_name, place
        )

    @admin.display(description=gettext_lazy("status"))
    def status_shown(self, row: Fulfillment) -> SafeString:
        return status_badge(row)

    @admin.display(description=gettext_lazy("worked on by"))
    def claimed(self, row: Fulfillment) -> str:
        return str(row.claimed_by) if row.is_claimed else "–"


@admin.register(Shipment)
class ShipmentAdmin(ReadOnlyAdmin[Shipment]):
    """Parcels that were sent."""

    list_display = ["shipped_at", "order", "what", "carrier", "tracking_number", "state"]
    list_display_links = ["order"]
    list_filter = [ArrivedFilter, ("shipped_at", KeyedDateFilter)]
    search_fields = ["tracking_number"]
    search_help_text = gettext_lazy("Tracking number or order")
    ordering = ["-id"]  # the time is in the key, which has an index
    actions = ["deliver_rows"]
    fields = [
        "order", "what", "carrier", "tracking_number", "shipped_at", "shipped_by",
        "delivered_at",
    ]  # fmt: skip

    def found_by(self, term: str) -> Sequence[Branch]:
        of_order = ShipmentLine.objects.order_by().filter(
            fulfillment__in=Fulfillment.objects.filter(label=order_number_in(term) or term)
        )
        return [tracked_as(term.replace(" ", "").upper()).order_by(), (of_order, "shipment")]

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(_WORK)

    @admin.action(description=gettext_lazy("Mark as delivered"), permissions=["work"])
    def deliver_rows(self, request: HttpRequest, queryset: QuerySet[Shipment]) -> None:
        done = 0
        for shipment in at_once(request, queryset.order_by("id")):
            try:
                services.deliver(shipment=shipment, by=actor_of(request))
            except DeskError as error:
                self.message_user(request, f"{shipment}: {error}", messages.WARNING)
            else:
                done += 1
        if done:
            self.message_user(request, _("%(n)s delivered.") % {"n": done}, messages.SUCCESS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shipment]:
        return super().get_queryset(request).prefetch_related("lines__fulfillment")

    @admin.display(description=gettext_lazy("order"))
    def order(self, shipment: Shipment) -> str:
        return next((line.fulfillment.label for line in shipment.lines.all()), "–")

    @admin.display(description=gettext_lazy("what"))
    def what(self, shipment: Shipment) -> str:
        lines = shipment.lines.all()
        return ", ".join(f"{line.quantity} × {line.fulfillment.product_name}" for line in lines)

    @admin.display(description=gettext_lazy("state"))
    def state(self, shipment: Shipment) -> SafeString:
        if shipment.delivered_at:
            return badge(
                "ok", _("Delivered"), title=date_format(shipment.delivered_at, "DATETIME_FORMAT")
            )
        return badge("live", _("On the way"), icon="local_shipping")
