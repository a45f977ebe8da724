"""The admin's first page: numbers and lists of open problems, each with a link."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fulfillment.desk.selectors import queue_by_age, waiting
from loyalty_portal.admin_site.verbs import actor_of
from redemption.backoffice.badges import severity_badge
from redemption.backoffice.selectors import (
    needing_attention,
    puzzling_callbacks,
    short_stock,
    troubled_letters,
    unclear_transactions,
    unresolved_incidents,
)
from redemption.states import Severity

SHOWN = 6  # rows of each list below the cards


@dataclass(frozen=True, slots=True)
class DashboardCard:
    """A number on the dashboard, with a badge's tone when it is not zero."""

    title: str
    number: int
    says: str
    href: str
    icon: str
    tone: str

    @property
    def shown_tone(self) -> str:
        return self.tone if self.number else "ok"


class _Beyond(NamedTuple):
    """How many rows a list below the cards leaves out, and where they are."""

    number: int
    href: str

    @classmethod
    def of(cls, cards: list[DashboardCard], href: str) -> "_Beyond":
        return cls(max(0, sum(card.number for card in cards) - SHOWN), href)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add `groups` of cards and two lists to the context, limited to what the user may see."""
    may = request.user.has_perm
    incidents = _incident_cards(request) if may("redemption.view_incident") else []
    desk = _desk_cards() if may("fulfillment.view_fulfillment") else []
    orders = _order_cards() if may("redemption.view_redemptionorder") else []
    groups = [
        (_("Incidents"), incidents),
        (_("Desk"), desk),
        (
            _("Orders and points"),
            [
                *orders,
                *(_points_cards() if may("redemption.view_loyaltytransaction") else []),
            ],
        ),
        (_("Stock"), _stock_cards() if may("inventory.view_inventory") else []),
        (
            _("Post"),
            [
                *(_letter_cards() if may("redemption.view_letter") else []),
                *(_callback_cards() if may("redemption.view_callback") else []),
            ],
        ),
    ]
    shown: dict[str, object] = {"title": _("Overview"), "groups": [g for g in groups if g[1]]}
    if incidents:
        worst = unresolved_incidents(actor_of(request))[:SHOWN]
        shown["incidents"] = [(each, severity_badge(each)) for each in worst]
        shown["more_incidents"] = _Beyond.of(incidents, incidents[0].href)
    if orders:
        shown["orders"] = (
            needing_attention().select_related("company").order_by("created_at")[:SHOWN]
        )
        shown["more_orders"] = _Beyond.of(orders, orders[0].href)
    if desk:
        shown["parcels"] = waiting().select_related("claimed_by")[:SHOWN]
        shown["more_parcels"] = _Beyond.of(desk, _there("fulfillment_fulfillment"))
    return {**context, **shown}


def _there(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + query


def _incident_cards(request: HttpRequest) -> list[DashboardCard]:
    counts = unresolved_incidents(actor_of(request)).aggregate(
        every=Count("pk"), critical=Count("pk", Q(severity=Severity.CRITICAL))
    )
    critical, there = counts["critical"], _there("redemption_incident", "?state=unresolved")
    says = ngettext("of them %(n)s is critical", "of them %(n)s are critical", critical)
    tone = "bad" if critical else "warn"
    return [
        DashboardCard(
            _("Open"), counts["every"], says % {"n": critical}, there, "emergency_home", tone
        )
    ]


def _desk_cards() -> list[DashboardCard]:
    ages, queue = queue_by_age(), "fulfillment_fulfillment"
    late, soon, later = (_there(queue, f"?promise={age}") for age in ("late", "soon", "later"))
    return [
        DashboardCard(_("Late"), ages.late, _("past their promise"), late, "priority_high", "bad"),
        DashboardCard(_("Within a day"), ages.soon, _("to be sent next"), soon, "schedule", "warn"),
        DashboardCard(_("Later"), ages.later, _("in good time"), later, "event_available", "quiet"),
    ]


def _order_cards() -> list[DashboardCard]:
    number = needing_attention().count()
    there = _there("redemption_redemptionorder", "?needs_attention__exact=1")
    says = ngettext("order needs a person", "orders need a person", number)
    return [DashboardCard(_("Attention"), number, says, there, "flag", "bad")]


def _points_cards() -> list[DashboardCard]:
    number = unclear_transactions().count()
    there = _there("redemption_loyaltytransaction", "?outcome=unclear")
    says = _("calls about points without a clear answer")
    return [DashboardCard(_("Unclear"), number, says, there, "help", "warn")]


def _stock_cards() -> list[DashboardCard]:
    low, out = short_stock()
    stock = "inventory_inventory"
    at_low = _there(stock, "?product__stock_status__exact=LOW")
    at_out = _there(stock, "?product__stock_status__exact=OUT")
    return [
        DashboardCard(
            _("Out"),
            out,
            _("products nobody can redeem"),
            at_out,
            "production_quantity_limits",
            "bad",
        ),
        DashboardCard(
            _("Low"), low, _("products that run out soon"), at_low, "trending_down", "warn"
        ),
    ]


def _letter_cards() -> list[DashboardCard]:
    number, there = troubled_letters().count(), _there("redemption_letter", "?state=problem")
    return [
        DashboardCard(
            _("Letters"), number, _("could not be sent yet"), there, "unsubscribe", "warn"
        )
    ]


def _callback_cards() -> list[DashboardCard]:
    number, there = puzzling_callbacks().count(), _there("redemption_callback", "?news=puzzling")
    return [
        DashboardCard(
            _("Callbacks"), number, _("from partners, not understood"), there, "webhook", "warn"
        )
    ]
