"""The menu of the admin, grouped by job. Users see only the entries that they may open.

It names addresses, permissions and badge functions of the rooms as strings.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

Item = dict[str, Any]


def menu() -> list[Item]:
    """The groups of the side bar: what waits, then one for each job."""
    overview = {"title": _("What waits"), "icon": "home", "link": reverse_lazy("admin:index")}
    incidents = {
        **_item(_("Incidents"), "emergency_home", "redemption.incident", _INCIDENTS),
        "link": reverse_lazy("admin:redemption_incident_work"),
    }
    return [
        _group(None, overview, incidents),
        _desk(),
        _catalogue(),
        _stock(),
        _orders(),
        _points(),
        _people(),
        _reports(),
        _system(),
    ]


_HOME = "redemption.backoffice.home"
_INCIDENTS = f"{_HOME}.incidents_badge"


def _desk() -> Item:
    return _group(
        _("Desk"),
        {
            "title": _("Pack and ship"),
            "icon": "barcode_scanner",
            "link": reverse_lazy("admin:fulfillment_desk"),
            "badge": "fulfillment.desk.home.waiting_badge",
            "permission": _may("fulfillment.view_fulfillment"),
        },
        _item(_("Lines, one by one"), "inventory_2", "fulfillment.fulfillment"),
        _item(_("Parcels"), "local_shipping", "fulfillment.shipment"),
    )


def _catalogue() -> Item:
    return _group(
        _("Catalogue"),
        _item(_("Products"), "sell", "catalog.product"),
        _item(_("Categories"), "category", "catalog.category"),
        _item(_("Families"), "style", "catalog.family"),
        _item(_("Words that mean the same"), "sync_alt", "catalog.synonym"),
    )


def _stock() -> Item:
    return _group(
        _("Stock"),
        _item(_("Stock"), "shelves", "inventory.inventory", "inventory.home.short_badge"),
        {
            "title": _("Receive, count, adjust"),
            "icon": "barcode_scanner",
            "link": reverse_lazy("admin:inventory_stockdocument_write", args=["receive"]),
            "permission": _may("inventory.move_stock"),
        },
        _item(_("Stock documents"), "list_alt", "inventory.stockdocument"),
        _item(_("Movements"), "history", "inventory.stockmovement"),
        _item(_("Reservations"), "lock", "inventory.reservation"),
        _item(_("Low-stock rules"), "trending_down", "inventory.lowstockrule"),
    )


def _orders() -> Item:
    return _group(
        _("Orders"),
        _item(_("Orders"), "receipt_long", "redemption.redemptionorder", f"{_HOME}.orders_badge"),
        {
            "title": _("Order for a company"),
            "icon": "add_call",
            "link": reverse_lazy("admin:redemption_order_for_company"),
            "permission": _may("redemption.order_for_company"),
        },
        {
            "title": _("Questions from companies"),
            "icon": "forum",
            "link": format_lazy(
                "{}?question=waits", reverse_lazy("admin:redemption_redemptionorder_changelist")
            ),
            "badge": f"{_HOME}.questions_badge",
            "permission": _may("redemption.answer_question"),
        },
        _item(_("Virtual deliveries"), "send", "redemption.orderitem"),
        _item(_("Letters"), "mail", "redemption.letter", f"{_HOME}.letters_badge"),
    )


def _points() -> Item:
    return _group(
        _("Points"),
        {
            **_item(
                _("Unclear or due"),
                "help",
                "redemption.loyaltytransaction",
                f"{_HOME}.unclear_badge",
            ),
            "link": reverse_lazy("admin:redemption_loyaltytransaction_unclear"),
        },
        {
            "title": _("Second looks"),
            "icon": "how_to_reg",
            "link": format_lazy("{}#second-look", reverse_lazy("admin:index")),
            "badge": f"{_HOME}.second_look_badge",
            "permission": _may_any(
                "redemption.decide_transaction",
                "redemption.decide_delivery",
                "redemption.decide_credit",
            ),
        },
        _item(_("Transactions"), "swap_vert", "redemption.loyaltytransaction"),
        _item(_("Reconciliation"), "balance", "redemption.reconciliation"),
        _item(
            _("Returns and credits"),
            "assignment_return",
            "redemption.lineunits",
            f"{_HOME}.returns_badge",
        ),
    )


def _people() -> Item:
    return _group(
        _("People"),
        _item(_("Companies"), "apartment", "accounts.company"),
        _item(_("Account managers"), "badge", "accounts.accountmanager"),
        _item(_("Invitations"), "outgoing_mail", "accounts.invitation"),
        _item(_("API keys"), "key", "accounts.apikey"),
        _item(_("Webhook endpoints"), "webhook", "redemption.webhookendpoint"),
        _item(_("Letters to people"), "mail", "accounts.personletter"),
        _item(_("Users"), "person", "accounts.user"),
        _item(_("Addresses"), "location_on", "accounts.address"),
        _item(_("Staff groups"), "groups", "auth.group"),
    )


def _reports() -> Item:
    reports = {
        "title": _("Reports"),
        "icon": "monitoring",
        "link": reverse_lazy("admin:redemption_reports"),
        "permission": _may("redemption.view_reports"),
    }
    return _group(_("Reports"), reports)


def _system() -> Item:
    return _group(
        _("System"),
        _item(_("Callbacks"), "webhook", "redemption.callback", f"{_HOME}.callbacks_badge"),
        {
            **_item(_("Background work"), "pending_actions", "jobs.job"),
            "permission": "loyalty_portal.jobs.permissions.may_open_list",
        },
        _item(_("Trail"), "fingerprint", "audit.trailentry"),
        {
            **_item(_("Changes"), "difference", "audit.trailentry"),
            "link": reverse_lazy("admin:audit_changes"),
        },
    )


def _group(title: Promise | None, *items: Item) -> Item:
    return {"title": title, "items": list(items)}


def _item(title: Promise, icon: str, model: str, badge: str = "") -> Item:
    """A menu entry for a model's list, shown to users who may view it. `model` is room.model.

    `badge` names the function that counts what waits there, "" for none.
    """
    room, name = model.split(".")
    return {
        **({"badge": badge} if badge else {}),
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{room}_{name}_changelist"),
        "permission": _may(f"{room}.view_{name}"),
    }


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    return _may_any(permission)


def _may_any(*permissions: str) -> Callable[[HttpRequest], bool]:
    def allowed(request: HttpRequest) -> bool:
        return any(request.user.has_perm(each) for each in permissions)

    return allowed
