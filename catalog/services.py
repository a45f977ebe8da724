"""Writes the catalogue: saves products, and chooses the product that is a family's card."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import pghistory
from django.db import connection, transaction

from accounts.models import TierLevel
from catalog.freshness import products_changed
from catalog.models import Category, Family, Product, ProductType, StockStatus
from catalog.texts.slugs import category_slug, free_slugs
from loyalty_portal.data.actor import Actor

OURS = "portal"  # the source of a file in our own columns, which may change any product
LONGEST_TOLD = 60  # characters of a value in a preview of changes


@dataclass(frozen=True, slots=True)
class ProductData:
    """A product as a file or a form describes it. Category and family are found by their code.

    `category` is a name; `category_motif` is the drawing of a category that is new. `family` is a
    stable code, "" for none, and `family_options` names what its variants differ by. `source`
    identifies the product in the shop that it came from. `sku_is_ours`: the shop gave no SKU, so
    the import made one. `unsaid` names the fields about which the file says nothing: an existing
    product keeps its own, a new one gets what is here.
    """

    sku: str
    name: str
    product_type: str
    points_cost: int
    category: str
    category_motif: str = ""
    description: str = ""
    brand: str = ""
    validity: str = ""
    usable_at: str = ""
    delivery_days: int | None = None
    terms: str = ""
    family: str = ""
    family_name: str = ""
    family_options: str = ""
    variant: str = ""
    variant_position: int = 0
    image_url: str = ""
    minimum_tier: str = TierLevel.BRONZE
    available_from: datetime | None = None
    available_until: datetime | None = None
    is_active: bool = True
    source: str = ""
    sku_is_ours: bool = False
    unsaid: Sequence[str] = ()


# The columns that an import compares and overwrites. The slug of an existing product stays.
_WRITTEN = (
    "name",
    "product_type",
    "points_cost",
    "description",
    "brand",
    "validity",
    "usable_at",
    "delivery_days",
    "terms",
    "variant",
    "variant_position",
    "image_url",
    "minimum_tier",
    "available_from",
    "available_until",
    "is_active",
)

_LONG = ("description", "terms")

# The further columns that staff may edit in the admin.
_EDITED = ("sku", "category", "family", "source")


class Change(NamedTuple):
    """A product that differs from the file; `columns` such as "points_cost 1799 → 799" say how."""

    data: ProductData
    columns: list[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What saving would change. `stored` holds the existing products by SKU."""

    created: list[ProductData] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    unchanged: int = 0
    stored: dict[str, Product] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """What saving changed. `created` maps new SKUs to ids; `families` may need a new card."""

    created: dict[str, UUID]
    changed: list[Change]
    unchanged: int
    families: set[UUID]
    # The written products as they are now; of a changed one also as it was.
    written: list[tuple[Product | None, Product]]


def save_product(*, product: Product, by: Actor, fields: Collection[str] | None = None) -> Product:
    """Save one edited product. Sets the slug of a new one and chooses its family's card again.

    `fields`: the columns that were edited; None means all.
    """
    with transaction.atomic(), as_user(by):
        stored = Product.objects.filter(pk=product.pk).values_list("family_id", flat=True).first()
        if not product.slug:
            product.slug = free_slugs({product.sku: product.name})[product.sku]
        product.is_card = product.family_id is None or (
            product.is_card and product.family_id == stored
        )
        if product._state.adding:  # noqa: SLF001 - public by Django's documentation
            product.save()
        else:  # leave other columns alone: stock may have changed them meanwhile
            product.save(
                update_fields={
                    *([*_WRITTEN, *_EDITED] if fields is None else fields),
                    "is_card",
                    "updated_at",
                }
            )
        choose_cards(families={family for family in (stored, product.family_id) if family})
        if stored and stored != product.family_id:
            products_changed(Product.objects.filter(family=stored).slugs_of_pages())
    return product


def compare_products(*, products: Sequence[ProductData]) -> Comparison:
    """Say what `save_products` would do with these products. Reads only; SKUs must be unique."""
    stored = {
        product.sku: product
        for product in Product.objects.filter(sku__in=[data.sku for data in products])
        .select_related("category", "family")
        .defer("search")
    }
    comparison = Comparison(stored=stored)
    unchanged = 0
    for data in products:
        product = stored.get(data.sku)
        if product is None:
            comparison.created.append(data)
        elif columns := _differences(product, wanted := _completed(data, product)):
            comparison.changed.append(Change(wanted, columns))
        else:
            unchanged += 1
    return Comparison(comparison.created, comparison.changed, unchanged, stored)


def _completed(data: ProductData, product: Product) -> ProductData:
    """The data with the product's own values where the file says nothing."""
    if not data.unsaid:
        return data
    kept: dict[str, Any] = {
        name: getattr(product, name) for name in _WRITTEN if name in data.unsaid
    }
    code = product.family.code if product.family else ""
    if "family" in data.unsaid:
        kept["family"] = code
    elif data.family != code:
        kept.pop("variant_position", None)  # its place in another family
    return replace(data, **kept)


def _differences(product: Product, data: ProductData) -> list[str]:
    """List the columns that would change, as texts for the person who imports the file."""
    family = product.family.code if product.family else ""
    pairs = [(name, getattr(product, name), getattr(data, name)) for name in _WRITTEN]
    told = [_told(name, old, new) for name, old, new in pairs if old != new]
    if data.category != product.category.name and (
        product.category.slug != category_slug(data.category)
    ):
        told.append(_told("category", product.category.name, data.category))
    if family != data.family:
        told.append(_told("family", family, data.family))
    elif product.family and data.family_options not in {"", product.family.options}:
        told.append(_told("options", product.family.options, data.family_options))
    if not product.source and data.source not in {"", OURS}:
        told.append(_told("source", "", data.source))
    return told


def _told(column: str, old: object, new: object) -> str:
    """Describe one change. What is too long to quote is only named."""
    return column if column in _LONG else f"{column} {_short(old)} → {_short(new)}"


def _short(value: object) -> str:
    text = "nothing" if value in {None, ""} else str(value)
    return text if len(text) <= LONGEST_TOLD else f"{text[: LONGEST_TOLD - 1]}…"


def save_products(*, products: Sequence[ProductData], by: Actor) -> Saved:
    """Create or update products by SKU in a few statements; unchanged ones are not written.

    A batch has a few thousand at most. After the last batch, the caller must call `choose_cards`
    with the `families` of all batches.
    """
    with transaction.atomic(), as_user(by):
        comparison = compare_products(products=products)
        wanted = comparison.created + [change.data for change in comparison.changed]
        categories, families = _categories(wanted), _families(wanted)
        slugs = free_slugs({data.sku: data.name for data in comparison.created})
        rows = []
        for data in wanted:
            stored = comparison.stored.get(data.sku)
            product = _row(data, stored, categories, families)
            if stored is None:
                product.slug = slugs[data.sku]
            rows.append(product)
        Product.objects.bulk_create(
            rows,
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["sku"],
            update_fields=[*_WRITTEN, "source", "category", "family", "is_card", "updated_at"],
        )
        touched = {row.family_id for row in rows} | {
            comparison.stored[change.data.sku].family_id for change in comparison.changed
        }
        moved = {family for family in touched if family is not None}
        products_changed()
    new = {data.sku for data in comparison.created}
    return Saved(
        created={row.sku: row.id for row in rows if row.sku in new},
        changed=comparison.changed,
        unchanged=comparison.unchanged,
        families=moved,
        written=[(comparison.stored.get(row.sku), row) for row in rows],
    )


def _row(
    data: ProductData,
    stored: Product | None,
    categories: dict[str, UUID],
    families: dict[str, UUID],
) -> Product:
    product = Product(sku=data.sku, **{name: getattr(data, name) for name in _WRITTEN})
    product.category_id = categories[category_slug(data.category)]
    product.family_id = families.get(data.family)
    product.is_card = product.family_id is None or bool(stored and stored.is_card)
    product.source = _source(data, stored)
    if stored is not None:
        product.id, product.slug = stored.id, stored.slug
    elif data.product_type == ProductType.VIRTUAL:
        product.stock_status = StockStatus.IN_STOCK
    return product


class Retired(NamedTuple):
    """A product that is switched off, because its shop now sells it in another form."""

    id: UUID
    sku: str
    name: str
    family_id: UUID | None


def superseded(*, sources: Mapping[str, bool]) -> list[Retired]:
    """Products on offer whose shop now sells them in another form.

    `sources` says for each source whether it is a family now. A single product that got variants,
    or a family that became a single product, is superseded.
    """
    families = {source for source, is_family in sources.items() if is_family}
    found = Product.objects.filter(source__in=list(sources), is_active=True)
    return [
        Retired(row.id, row.sku, row.name, row.family_id)
        for row in found.only("id", "sku", "name", "family_id", "source").order_by("sku")
        if (row.source in families) == (row.family_id is None)
    ]


def retire_products(*, products: Sequence[Retired], by: Actor) -> None:
    """Switch these products off. Their orders and stock stay."""
    if products:
        with transaction.atomic(), as_user(by):
            Product.objects.filter(pk__in=[each.id for each in products]).update(is_active=False)
            products_changed()


def _source(data: ProductData, stored: Product | None) -> str:
    """The product's source to store. A product keeps its source when our own file changes it."""
    if stored is not None and data.source == OURS:
        return stored.source
    if stored is None or not stored.source or _shop(stored.source) == _shop(data.source):
        return data.source or (stored.source if stored else "")
    return stored.source


def _shop(source: str) -> str:
    return source.partition(":")[0]


def missing_categories(*, products: Iterable[ProductData]) -> dict[str, ProductData]:
    """The categories that saving would create: by slug, a product that names each."""
    named = {category_slug(data.category): data for data in products}
    found = _categories_there(named)
    return {slug: data for slug, data in named.items() if slug not in found}


def _categories_there(named: Mapping[str, ProductData]) -> dict[str, UUID]:
    """Existing ids by slug. A category that has the name now is preferred to one that had it."""
    called = Category.objects.filter(name__in=[data.category for data in named.values()])
    found = dict(Category.objects.filter(slug__in=named).values_list("slug", "id"))
    return found | {category_slug(name): key for name, key in called.values_list("name", "id")}


def _categories(products: Iterable[ProductData]) -> dict[str, UUID]:
    """The ids of categories by slug. Missing ones are created, others left unchanged."""
    named = {category_slug(data.category): data for data in products}
    found = _categories_there(named)
    for slug, data in named.items():
        if slug not in found:
            motif = data.category_motif[:40]
            made = Category.objects.create(slug=slug, name=data.category[:120], motif=motif)
            found[slug] = made.pk
    return found


def _families(products: Iterable[ProductData]) -> dict[str, UUID]:
    """The ids of families by code. Families are created, or renamed as the products say."""
    named = {data.family: data for data in products if data.family}
    there = {family.code: family for family in Family.objects.filter(code__in=named)}
    Family.objects.bulk_create(
        (_family(code, data, there.get(code)) for code, data in named.items()),
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name", "options"],
    )
    return dict(Family.objects.filter(code__in=named).values_list("code", "id"))


def _family(code: str, data: ProductData, stored: Family | None) -> Family:
    name, options = data.family_name or data.name, data.family_options
    if stored and "family_name" in data.unsaid:
        name = stored.name
    if stored and "family_options" in data.unsaid:
        options = stored.options
    return Family(code=code, name=name, options=options)


def as_user(by: Actor) -> pghistory.context:
    """Context for the change history, which records the user, or that no person did it."""
    if by.is_system:
        return pghistory.context(import_products=True)
    return pghistory.context(user=str(by.user_id))


# A product on offer first, then the one for most tiers, then in stock, then the cheapest.
_CHOOSE = """
    UPDATE product SET is_card = (ranked.place = 1)
    FROM (
        SELECT id, row_number() OVER (
            PARTITION BY family_id
            ORDER BY
                (is_active AND coalesce(available_from <= now(), true)
                           AND coalesce(available_until > now(), true)) DESC,
                array_position(%(tiers)s, minimum_tier::text),
                (stock_status = 'OUT'), points_cost, variant_position, sku
        ) AS place
        FROM product
        WHERE {which}
    ) AS ranked
    WHERE product.id = ranked.id AND product.is_card <> (ranked.place = 1) AND product.{which}
"""


def choose_cards(*, families: Collection[UUID] | None) -> int:
    """Choose the card of each family and return how many products changed.

    `families` None means all. Call it after members of a family have changed; the scheduler calls
    it for all families, because offers and stock change with time.
    """
    if families is not None and not families:
        return 0
    with connection.cursor() as cursor:
        which = "family_id IS NOT NULL" if families is None else "family_id = ANY(%(families)s)"
        cursor.execute(
            _CHOOSE.format(which=which),
            {"tiers": TierLevel.values, "families": list(families or [])},
        )
        return int(cursor.rowcount)
