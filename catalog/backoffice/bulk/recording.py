"""Writes the changes of a slice: the products, what they had before, and their families' cards."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from catalog.backoffice.bulk.changes import put, values
from catalog.freshness import products_changed
from catalog.models import ImportRow, Product, ProductEdit
from catalog.services import choose_cards
from loyalty_portal.jobs.models import Job

FORGOTTEN_AT_ONCE = 5_000  # rows


def locked(ids: Sequence[Any]) -> list[Product]:
    """These products, locked in the order of their keys."""
    rows = Product.objects.filter(pk__in=ids).order_by("pk").defer("search")
    return list(rows.select_for_update(no_key=True))


def write(job: Job, changed: Sequence[tuple[Product, Mapping[str, Any]]]) -> None:
    """Write the new columns of locked products, and record both values. In one transaction."""
    edits = []
    columns: set[str] = set()
    families = {product.family_id for product, _new in changed}
    for product, new in changed:
        edits.append(
            ProductEdit(job=job, product=product, before=values(product, new), after=dict(new))
        )
        put(product, new)
        product.updated_at = timezone.now()
        columns |= new.keys()
    if not changed:
        return
    names = {name.removesuffix("_id") for name in columns}
    Product.objects.bulk_update([p for p, _new in changed], sorted({*names, "updated_at"}))
    ProductEdit.objects.bulk_create(edits)
    choose_cards(families={family for family in families if family})
    products_changed()


def edited_beside(job: Job, products: Sequence[Product]) -> int:
    """How many of these products another job has edited since this one was asked for."""
    others = ProductEdit.objects.filter(product=OuterRef("pk"), created_at__gte=job.created_at)
    found = Product.objects.filter(pk__in=[product.pk for product in products])
    return found.filter(Exists(others.exclude(job=job))).count()


def forget_edits() -> int:
    """Delete former values that are too old for an undo, and rows of old imports. Returns how
    many.
    """
    kept = Now() - timedelta(days=settings.JOB_FILES_KEPT_DAYS)
    gone = 0
    former: tuple[QuerySet[Any], ...] = (ProductEdit.objects.all(), ImportRow.objects.all())
    for rows in former:
        old = rows.filter(job__ended_at__lte=kept).order_by("pk").values("pk")
        gone += rows.filter(pk__in=old[:FORGOTTEN_AT_ONCE]).delete()[0]
    return gone
