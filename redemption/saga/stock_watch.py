"""Checks on a schedule that all stock adds up."""

from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Product
from inventory.digests import write_digests
from inventory.marks import apply_rules
from inventory.sums import add_up_movements
from redemption.incidents.services import raise_incident, settle_incident
from redemption.invariants.checks import (
    Violation,
    check_stock,
    check_stock_of,
    check_stock_since,
)
from redemption.models import IncidentCase
from redemption.states import IncidentKind

FEW = 100  # doubted products that are looked at one by one


def watch_stock() -> None:
    """Raise an incident for each product whose stock does not add up.

    Resolves the incidents of those that add up again. It reads the movements since the last time,
    once a day all of them, and those of a product that seems wrong. First the low-stock rules are
    applied to products that moved to another category, and in the morning the letters about low
    stock are written.
    """
    apply_rules()
    write_digests(now=timezone.now())
    drifted: dict[str, list[str]] = {}
    for violation in _violations():
        drifted.setdefault(violation.subject, []).append(violation.figures)
    for sku, figures in drifted.items():
        _raise(sku, figures)
    over = (
        IncidentCase.objects.unended()
        .filter(incident__kind=IncidentKind.STOCK_DRIFT)
        .exclude(key__in=[_drift(sku) for sku in drifted])
    )
    for key in over.values_list("key", flat=True):
        settle_incident(key=key, why=_("The stock adds up again."))


def _violations() -> list[Violation]:
    """What does not add up. What seems so by the sums is looked at in the movements themselves."""
    doubted = {violation.subject for violation in check_stock_since(add_up_movements())}
    if len(doubted) > FEW:
        return check_stock()
    products = Product.objects.filter(sku__in=doubted).only("pk")
    return [violation for product in products for violation in check_stock_of(product.pk)]


def watch_product(product: Product) -> list[str]:
    """Check the stock of one product now; raise or resolve its incident as `watch_stock` does.

    Returns what does not add up, in figures; empty if all does.
    """
    figures = [violation.figures for violation in check_stock_of(product.pk)]
    if figures:
        _raise(product.sku, figures)
    else:
        settle_incident(key=_drift(product.sku), why=_("The stock adds up again."))
    return figures


def _raise(sku: str, figures: list[str]) -> None:
    raise_incident(
        kind=IncidentKind.STOCK_DRIFT,
        key=_drift(sku),
        what=f"{sku}: {'; '.join(figures)}",
        facts={"sku": sku},
    )


def _drift(sku: str) -> str:
    return f"stock-drift:{sku}"
