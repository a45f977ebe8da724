"""What each staff group may open and change in the admin; everything else is refused."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.services import STAFF_GROUPS, ensure_staff_groups
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db

LISTS = {
    "accounts_company", "accounts_accountmanager", "accounts_user", "accounts_address",
    "auth_group", "catalog_product", "catalog_category", "catalog_family", "inventory_inventory",
    "inventory_stockmovement", "inventory_reservation", "inventory_stockdocument",
    "inventory_lowstockrule", "fulfillment_fulfillment",
    "fulfillment_shipment", "redemption_redemptionorder", "redemption_loyaltytransaction",
    "redemption_orderitem", "redemption_letter", "redemption_callback", "redemption_incident",
    "jobs_job", "accounts_invitation", "accounts_personletter",
}  # fmt: skip
_CATALOGUE = {"catalog_product", "catalog_category", "catalog_family"}
_DESK = {"fulfillment_fulfillment", "fulfillment_shipment"}
_STOCK = {
    "inventory_inventory",
    "inventory_stockmovement",
    "inventory_reservation",
    "inventory_stockdocument",
    "inventory_lowstockrule",
}
_ORDERS = {
    "redemption_redemptionorder",
    "redemption_orderitem",
    "redemption_loyaltytransaction",
}
_PEOPLE = {
    "accounts_company",
    "accounts_accountmanager",
    "accounts_user",
    "accounts_address",
    "accounts_invitation",
    "accounts_personletter",
}
_POST = {"redemption_letter", "redemption_callback"}
OPEN = {
    "catalogue": _CATALOGUE | {"inventory_inventory", "jobs_job"},
    "warehouse": _STOCK | _DESK | {"catalog_product", "redemption_incident", "jobs_job"},
    "fulfillment": _DESK | {"inventory_inventory"},
    "finance": _ORDERS | {"redemption_incident", "accounts_company", "jobs_job"},
    "support": _ORDERS | _POST | _DESK | _PEOPLE | {"redemption_incident", "catalog_product"},
    "administrator": _PEOPLE | {"auth_group", "jobs_job", "redemption_redemptionorder"},
    "auditor": LISTS,
}
ADD = {
    "catalogue": _CATALOGUE,
    "warehouse": {"inventory_inventory", "inventory_lowstockrule"},
    "fulfillment": set(),
    "finance": set(),
    "support": set(),
    "administrator": {"accounts_user", "accounts_company"},
    "auditor": set(),
}


@pytest.mark.parametrize("group", STAFF_GROUPS)
def test_a_group_opens_its_lists_and_no_others(group: str) -> None:
    client = browser(staff(group))
    opened = {
        name for name in LISTS if client.get(reverse(f"admin:{name}_changelist")).status_code == 200
    }
    assert opened == OPEN[group]


@pytest.mark.parametrize("group", STAFF_GROUPS)
def test_a_group_adds_what_is_its_own_and_nothing_else(group: str) -> None:
    client = browser(staff(group))
    answers = {name: client.get(reverse(f"admin:{name}_add")).status_code for name in LISTS}
    assert {name for name, status in answers.items() if status == 200} == ADD[group]
    assert set(answers.values()) <= {200, 403}


def test_the_auditor_may_view_and_nothing_else() -> None:
    assert all(name.split(".")[1].startswith("view_") for name in STAFF_GROUPS["auditor"])


def test_no_group_may_delete_what_has_a_history() -> None:
    deleting = {
        name
        for names in STAFF_GROUPS.values()
        for name in names
        if name.split(".")[1].startswith("delete_")
    }
    assert deleting == {"catalog.delete_category", "catalog.delete_family"}


def test_setting_up_the_groups_twice_changes_nothing_and_mends_what_was_changed() -> None:
    ensure_staff_groups()
    person = staff("support")
    stray = Permission.objects.get(codename="delete_user")
    Group.objects.get(name="support").permissions.add(stray)
    call_command("staff_groups")
    group = Group.objects.get(name="support")
    assert group.permissions.count() == len(STAFF_GROUPS["support"])
    assert person.groups.get() == group
    assert Group.objects.count() == len(STAFF_GROUPS)


def test_setting_up_the_groups_before_the_migrations_says_so() -> None:
    Permission.objects.filter(codename="work_desk").delete()
    with pytest.raises(CommandError, match=r"fulfillment\.work_desk"):
        call_command("staff_groups")
