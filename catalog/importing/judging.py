"""Checks valid rows against the products that the catalogue has already."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models.functions import Upper

from catalog.importing.records import Record, Remark, RowError
from catalog.models import Product, picture_trouble
from catalog.services import OURS, ProductData

_TIMES = ("available_from", "available_until")


def misfits(batch: Sequence[Record]) -> list[RowError]:
    """Return an error for each record that would overwrite a product of another source or type,
    or whose time on offer ends before the product's begins.

    A SKU given by a shop may update only a product from that shop. A SKU that we made up, because
    the row has none, may update only a product of the same name. Nothing changes the
    type of a product, because stock and orders depend on it.
    """
    stored = {
        product.sku.upper(): product
        for product in Product.objects.alias(capitals=Upper("sku"))
        .filter(capitals__in=[record.data.sku.upper() for record in batch])
        .select_related("family")
        .only("sku", "name", "product_type", "source", "family__name", *_TIMES)
    }
    found = ((record, stored.get(record.data.sku.upper())) for record in batch)
    told = (_error(record, product) for record, product in found if product)
    return [error for error in told if error]


def _error(record: Record, product: Product) -> RowError | None:
    if text := _misfit(record.data, product):
        return RowError(record.row, "sku", text)
    if record.data.product_type != product.product_type:
        text = (
            f"{product.sku!r} is {product.product_type} already, and a product's type cannot "
            f"change, because stock and orders depend on it. Write {product.product_type}, or "
            "give the row a SKU of its own"
        )
        return RowError(record.row, "product_type", text)
    start, end = (_kept(record.data, product, name) for name in _TIMES)
    if start and end and start >= end:
        text = f"{product.sku!r} is on offer from {start.isoformat()}, so it cannot end at "
        return RowError(record.row, "available_until", text + end.isoformat())
    return None


def _kept(data: ProductData, product: Product, name: str) -> datetime | None:
    """The time that the product would have: its own, where the file says nothing."""
    found: datetime | None = getattr(product if name in data.unsaid else data, name)
    return found


def with_own_pictures(batch: Sequence[Record]) -> Iterator[Record | RowError | Remark]:
    """Check the addresses of pictures: yield each record, with an error or a remark before it.

    In our own columns somebody wrote the address for us, so a wrong one is an error. A shop's
    export names its own host in each row: such a picture is left out, with a remark.
    """
    for record in batch:
        trouble = picture_trouble(record.data.image_url)
        if trouble and record.data.source in {OURS, ""}:
            yield RowError(record.row, "image_url", f"{record.data.image_url[:60]!r}: {trouble}")
        elif trouble:
            yield Remark(record.row, f"pictures are left out, in this row and below: {trouble}")
            yield record._replace(data=replace(record.data, image_url=""))
        else:
            yield record


def _misfit(data: ProductData, product: Product) -> str:
    if data.sku != product.sku:
        return f"{data.sku!r} is there as {product.sku!r}; they differ by capitals only"
    whose, ours = product.source.partition(":")[0], data.source.partition(":")[0]
    called = product.family.name if product.family else product.name
    same_name = called == (data.family_name or data.name)
    if ours == OURS or data.source == "":
        return ""
    if whose and whose != ours:
        return (
            f"{data.sku!r} is {called!r} from {whose}, and is not written over. If it is the same "
            "product, empty its source in the admin portal"
        )
    if data.sku_is_ours and not (same_name and product.source in {"", data.source}):
        return (
            f"is missing, and {data.sku!r}, which we would make of it, is {called!r} already. "
            "Give the row a SKU"
        )
    if product.source not in {"", data.source} and not same_name:
        return (
            f"{data.sku!r} is {called!r} ({product.source}) already, not "
            f"{data.family_name or data.name!r}, and is not written over. If it is the same "
            "product, empty its source in the admin portal"
        )
    return ""
