"""The menu of the admin, grouped by job. Users see only the entries that they may open.

It names addresses, permissions and badge functions of the rooms as strings.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Item = dict[str, Any]


def menu() -> list[Item]:
    """The groups of the side bar, in the order of a working day."""
    overview = {"title": _("Overview"), "icon": "dashboard", "link": reverse_lazy("admin:index")}
    return [
        _group(None, overview),
        *_daily_work(),
        *_what_is_offered(),
        *_people_and_post(),
    ]


def _daily_work() -> list[Item]:
    queue = _item(_("Queue"), "inventory_2", "fulfillment.fulfillment")
    orders = _item(_("Orders"), "receipt_long", "redemption.redemptionorder")
    incidents = _item(_("Incidents"), "emergency_home", "redemption.incident")
    return [
        _group(
            _("Desk"),
            {**queue, "badge": "fulfillment.desk.selectors.waiting_badge"},
            _item(_("Parcels"), "local_shipping", "fulfillment.shipment"),
        ),
        _group(
            _("Orders"),
            {**orders, "badge": "redemption.backoffice.selectors.attention_badge"},
            _item(_("Virtual deliveries"), "send", "redemption.orderitem"),
            {**incidents, "badge": "redemption.backoffice.selectors.incidents_badge"},
        ),
        _group(
            _("Points"),
            _item(_("Transactions"), "swap_vert", "redemption.loyaltytransaction"),
            _item(_("Reconciliation"), "balance", "redemption.reconciliation"),
        ),
    ]


def _what_is_offered() -> list[Item]:
    return [
        _group(
            _("Stock"),
            _item(_("Stock"), "shelves", "inventory.inventory"),
            _item(_("Movements"), "history", "inventory.stockmovement"),
            _item(_("Reservations"), "lock", "inventory.reservation"),
        ),
        _group(
            _("Catalogue"),
            _item(_("Products"), "sell", "catalog.product"),
            _item(_("Categories"), "category", "catalog.category"),
            _item(_("Families"), "style", "catalog.family"),
        ),
    ]


def _people_and_post() -> list[Item]:
    return [
        _group(
            _("Companies"),
            _item(_("Companies"), "apartment", "accounts.company"),
            _item(_("Account managers"), "badge", "accounts.accountmanager"),
            _item(_("Users"), "person", "accounts.user"),
            _item(_("Addresses"), "location_on", "accounts.address"),
            _item(_("Staff groups"), "groups", "auth.group"),
        ),
        _group(
            _("Post"),
            _item(_("Letters"), "mail", "redemption.letter"),
            _item(_("Callbacks"), "webhook", "redemption.callback"),
        ),
    ]


def _group(title: Promise | None, *items: Item) -> Item:
    return {"title": title, "items": list(items)}


def _item(title: Promise, icon: str, model: str) -> Item:
    """A menu entry for a model's list, shown to users who may view it. `model` is room.model."""
    room, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{room}_{name}_changelist"),
        "permission": _may(f"{room}.view_{name}"),
    }


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    def allowed(request: HttpRequest) -> bool:
        return request.user.has_perm(permission)

    return allowed
