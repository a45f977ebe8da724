"""The job that exports products, in the columns that the import reads (docs/staff/importing.md)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.backoffice.bulk.selection import next_ids, products_of
from catalog.models import Product
from loyalty_portal.data.replica import reported, reporting
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.kinds import Kind, Step
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.spreadsheets import Cell, Rows, export_rows

SLICE = 1_000  # products of a transaction
# Without the price, which the points replace, and without the stock, which has pages of its own.
HEADER = (
    "sku",
    "name",
    "product_type",
    "category",
    "description",
    "points_cost",
    "brand",
    "family",
    "family_code",
    "options",
    "variant",
    "variant_position",
    "image_url",
    "minimum_tier",
    "available_from",
    "available_until",
    "is_active",
    "validity",
    "usable_at",
    "delivery_days",
    "terms",
)


def export_products(job: Job) -> Iterator[Step]:
    """Write the selection, in the order of the products' keys."""
    found = products_of(job.parameters["selection"], job.person)

    def read(last: Any) -> tuple[Rows, Any]:
        ids = next_ids(found.using(reporting()), last, SLICE)
        rows = Product.objects.using(reporting()).filter(pk__in=ids)
        rows = rows.select_related("category", "family").defer("search").order_by("pk")
        return [_row(product) for product in rows], str(ids[-1]) if ids else last

    def following(last: Any) -> tuple[Rows, Any]:
        return reported(lambda: read(last), since=job.created_at).found

    total = found.count() if job.total is None else job.total
    name = f"products-{timezone.now():%Y-%m-%d}"
    return export_rows(job, name=name, header=HEADER, total=total, following=following)


def _row(product: Product) -> list[Cell]:
    family = product.family
    return [
        product.sku,
        product.name,
        product.product_type,
        product.category.name,
        product.description,
        product.points_cost,
        product.brand,
        family.name if family else "",
        family.code if family else "",
        family.options if family else "",
        product.variant,
        product.variant_position,
        product.image_url,
        product.minimum_tier,
        _moment(product.available_from),
        _moment(product.available_until),
        "yes" if product.is_active else "no",
        product.validity,
        product.usable_at,
        "" if product.delivery_days is None else product.delivery_days,
        product.terms,
    ]


def _moment(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _tell(job: Job) -> list[str]:
    says = ngettext("%(n)s product written.", "%(n)s products written.", job.done)
    return [says % {"n": grouped(job.done)}] if job.is_over else [_("The file is being written.")]


EXPORT = Kind(
    title=gettext_lazy("Export products"),
    permission="catalog.export_products",
    work=export_products,
    tell=_tell,
)
