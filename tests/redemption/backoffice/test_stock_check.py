"""The button that checks whether a product's stock adds up."""

from uuid import uuid4

import pytest
from django.urls import reverse

from inventory.models import Inventory
from redemption.models import Incident
from redemption.saga.stock_watch import watch_stock
from redemption.states import IncidentKind
from tests.catalog.factories import ProductFactory
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db


def test_stock_that_does_not_add_up_opens_an_incident_which_ends_when_it_does_again() -> None:
    stock = Inventory.objects.get(product=ProductFactory.create(sku="MUG-1", in_stock=10))
    ProductFactory.create(in_stock=10)
    there = reverse("admin:redemption_incident_check_stock", args=[stock.pk])
    client = browser(staff("warehouse"))
    assert "It adds up" in client.post(there, follow=True).content.decode()

    Inventory.objects.filter(pk=stock.pk).update(quantity_available=12)
    told = client.post(there, follow=True).content.decode()
    assert "available 12 + reserved 0, received 10" in told
    [incident] = Incident.objects.unresolved()
    assert (incident.kind, incident.facts) == (IncidentKind.STOCK_DRIFT, {"sku": "MUG-1"})
    watch_stock()  # the scheduled check finds the same case
    assert Incident.objects.count() == 1

    Inventory.objects.filter(pk=stock.pk).update(quantity_available=10)
    client.post(there)
    assert not Incident.objects.unresolved().exists()


def test_only_who_may_move_stock_checks_it() -> None:
    stock = Inventory.objects.get(product=ProductFactory.create(in_stock=10))
    there = reverse("admin:redemption_incident_check_stock", args=[stock.pk])
    for group in ("auditor", "support", "catalogue"):
        assert browser(staff(group)).post(there).status_code == 403
    assert browser(staff("warehouse")).get(there).status_code == 405
    other = reverse("admin:redemption_incident_check_stock", args=[uuid4()])
    assert browser(staff("warehouse")).post(other).status_code == 404
