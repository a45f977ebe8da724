"""Setting up who may do what as staff of the programme."""

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Q

# Permissions are named room.codename, so that this room need not import those above it.
_CATALOGUE = ("catalog.product", "catalog.category", "catalog.family")
_STOCK = ("inventory.inventory", "inventory.stockmovement", "inventory.reservation")
_DESK = ("fulfillment.fulfillment", "fulfillment.shipment")
_COMPANIES = ("accounts.company", "accounts.accountmanager", "accounts.user", "accounts.address")
_ORDERS = ("redemption.redemptionorder", "redemption.loyaltytransaction")
_POST = ("redemption.letter", "redemption.callback")


def _may(actions: str, models: Iterable[str]) -> set[str]:
    """Such as `inventory.view_reservation`, for each action (space separated) and model."""
    pairs = (model.split(".") for model in models)
    return {f"{room}.{action}_{name}" for room, name in pairs for action in actions.split()}


STAFF_GROUPS: Mapping[str, frozenset[str]] = {
    "catalogue": frozenset(
        _may("view add change", _CATALOGUE)
        | {"catalog.delete_category", "catalog.delete_family", "inventory.view_inventory"}
    ),
    "warehouse": frozenset(
        _may("view", [*_STOCK, *_DESK, "catalog.product"])
        | {
            "inventory.add_inventory",
            "inventory.change_inventory",
            "inventory.move_stock",
            "fulfillment.work_desk",
        }
    ),
    "fulfillment": frozenset(
        _may("view", [*_DESK, "inventory.inventory"]) | {"fulfillment.work_desk"}
    ),
    "finance": frozenset(_may("view", [*_ORDERS, "accounts.company"])),
    "support": frozenset(
        _may("view", [*_ORDERS, *_POST, *_DESK, *_COMPANIES, "catalog.product"])
        | {"redemption.retry_order", "redemption.cancel_order"}
    ),
    "auditor": frozenset(
        _may("view", [*_CATALOGUE, *_STOCK, *_DESK, *_COMPANIES, *_ORDERS, *_POST, "auth.group"])
    ),
}


@transaction.atomic
def ensure_staff_groups() -> dict[str, Group]:
    """Make the staff groups, each with exactly its permissions; returns them by name.

    To be called after `migrate`, as often as one likes. Raises LookupError when a permission
    does not exist, which means that the migrations have not run.
    """
    found = _permissions(frozenset().union(*STAFF_GROUPS.values()))
    groups = {}
    for name, wanted in STAFF_GROUPS.items():
        groups[name], _created = Group.objects.get_or_create(name=name)
        groups[name].permissions.set([found[permission] for permission in wanted])
    return groups


def _permissions(names: frozenset[str]) -> dict[str, Permission]:
    wanted = Q()
    for name in names:
        room, codename = name.split(".")
        wanted |= Q(content_type__app_label=room, codename=codename)
    rows = Permission.objects.filter(wanted).select_related("content_type")
    found = {f"{row.content_type.app_label}.{row.codename}": row for row in rows}
    if missing := names - found.keys():
        raise LookupError(f"No such permissions; has `migrate` run? {', '.join(sorted(missing))}")
    return found
