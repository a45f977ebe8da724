"""Virtual deliveries by order line, and the page on which two people decide unclear ones."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fulfillment import services as fulfillments
from fulfillment.models import Channel, Fulfillment, VirtualCode
from loyalty_portal.admin_site.base import ActingAdmin
from loyalty_portal.admin_site.verbs import Verb, actor_of
from loyalty_portal.data.actor import Actor
from redemption.backoffice.badges import line_badge
from redemption.backoffice.forms import (
    ConfirmForm,
    ProposeDeliveryForm,
    ProposeRemedyForm,
    RejectProposalForm,
)
from redemption.backoffice.selectors import decided, line_records, proposal_of, recorded_event
from redemption.models import OrderItem
from redemption.orders.actions import delivery_decisions, remedies
from redemption.saga.steps import RedemptionError
from redemption.states import REMEDIES, DecisionStatus, Verdict

_MAY = "redemption.decide_delivery"


def _propose(item: OrderItem, data: dict[str, Any], by: Actor) -> str:
    delivery_decisions.propose(item=item, came=data["came"], evidence=data["evidence"], by=by)
    return _("Proposed. It counts once a second person confirms it.")


def _put_right(item: OrderItem, data: dict[str, Any], by: Actor) -> str:
    remedies.propose(
        item=item,
        verdict=Verdict(data["remedy"]),
        evidence=data["evidence"],
        agreed_by=data["agreed_by"],
        agreed_on=data["agreed_on"],
        by=by,
    )
    return _("The partner says the same. It is done once a second person confirms it.")


def _deciding(item: OrderItem) -> Any:
    """The forms for the open proposal about a line: how it ended, or how an error is corrected."""
    waiting = item.decisions.filter(status=DecisionStatus.PROPOSED, verdict__in=REMEDIES)
    return remedies if waiting.exists() else delivery_decisions


def _confirm(item: OrderItem, data: dict[str, Any], by: Actor) -> str:
    told: str = _deciding(item).confirm(item=item, proposal=data["proposal"], by=by)
    return told


def _reject(item: OrderItem, data: dict[str, Any], by: Actor) -> str:
    _deciding(item).reject(item=item, proposal=data["proposal"], reason=data["reason"], by=by)
    return _("Rejected. Something else may be proposed.")


class DeliveryAdmin(ActingAdmin[OrderItem]):
    """Lines that a partner delivers. Codes belong to the company and are never shown here."""

    list_display = ["order_number", "what", "recipient_email", "status_shown"]
    list_select_related = ["order"]
    list_filter = ["fulfillment_status"]
    search_fields = ["order__order_number", "sku", "recipient_email"]
    search_help_text = gettext_lazy("Order number, SKU or the recipient's e-mail")
    ordering = ["-id"]
    page_template = "admin/redemption/delivery.html"
    refusals = (RedemptionError,)
    verbs = {
        "propose": Verb(gettext_lazy("Propose this"), _MAY, _propose, ProposeDeliveryForm),
        "remedy": Verb(
            gettext_lazy("Ask the partner, and propose this"), _MAY, _put_right, ProposeRemedyForm
        ),
        "confirm": Verb(gettext_lazy("Confirm: it is so"), _MAY, _confirm, ConfirmForm),
        "reject": Verb(gettext_lazy("Reject it"), _MAY, _reject, RejectProposalForm),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderItem]:
        parcels = Fulfillment.objects.filter(channel=Channel.PARTNER)
        rows = super().get_queryset(request).filter(pk__in=parcels.values("reference"))
        return rows.select_related("order__company")

    def first_values(self, row: OrderItem) -> dict[str, object]:
        return {
            "offered": remedies.offered(fulfillments.find(row.pk)),
            "proposal": proposal_of(row),
        }

    def facts(self, request: HttpRequest, row: OrderItem) -> dict[str, object]:
        [line] = line_records([row])
        events = row.events.select_related("by", "item", "transaction")
        return {
            "item": row,
            "state": line_badge(row),
            "line": line,
            **decided(row, actor_of(request)),
            "undecided": line.undecided,
            "wrong": bool(remedies.offered(line.fulfillment)),
            "withdrawn": VirtualCode.objects.filter(
                fulfillment=line.fulfillment, withdrawn_at__isnull=False
            ).count(),
            "cases": row.order.incident_cases.filter(facts__line=str(row.pk)).select_related(
                "incident"
            ),
            "steps": [recorded_event(event) for event in events],
        }

    @admin.display(description=gettext_lazy("order"), ordering="order__order_number")
    def order_number(self, item: OrderItem) -> str:
        return item.order.order_number

    @admin.display(description=gettext_lazy("what"), ordering="product_name")
    def what(self, item: OrderItem) -> SafeString:
        return format_html(
            '<span class="two-lines"><b>{} × {}</b><small>{}</small></span>',
            item.quantity,
            item.product_name,
            item.sku,
        )

    @admin.display(description=gettext_lazy("status"), ordering="fulfillment_status")
    def status_shown(self, item: OrderItem) -> SafeString:
        return line_badge(item)
