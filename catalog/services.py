"""Writes the catalogue: products in bulk, and which product is the card of a family."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import pghistory
from django.db import connection, transaction

from accounts.models import TierLevel, User
from catalog.freshness import products_changed
from catalog.models import Category, Family, Product, ProductType, StockStatus
from catalog.words import slug_of

SLUG_LENGTH = 280
LONGEST_TOLD = 60  # characters of a value in a preview


@dataclass(frozen=True, slots=True)
class ProductData:
    """A product as a file or a form describes it. Category and family are found by their code.

    `category` is a name, `category_motif` what its drawings show when it is new; `family` is a
    stable code, "" for none, and `family_options` what its variants differ by. `source` says
    which product of which kind of shop this is; `sku_is_ours` that the shop gave it no SKU.
    """

    sku: str
    name: str
    product_type: str
    points_cost: int
    category: str
    category_motif: str = ""
    description: str = ""
    brand: str = ""
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


# What is compared with, and written over, a product that exists; its address stays.
_WRITTEN = (
    "name",
    "product_type",
    "points_cost",
    "description",
    "brand",
    "variant",
    "variant_position",
    "image_url",
    "minimum_tier",
    "available_from",
    "available_until",
    "is_active",
)


# What a person may change besides, in the admin portal.
_EDITED = ("sku", "category", "family", "source")


class Change(NamedTuple):
    """A product that differs; `columns` say how, such as "points_cost 1799 → 799"."""

    data: ProductData
    columns: list[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What saving would do. `stored` are the products that exist, by SKU."""

    created: list[ProductData] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    unchanged: int = 0
    stored: dict[str, Product] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Saved:
    """What saving did: the ids of new products by SKU, what changed, whose card may have."""

    created: dict[str, UUID]
    changed: list[Change]
    unchanged: int
    families: set[UUID]


def save_product(
    *, product: Product, by: User | None, fields: Collection[str] | None = None
) -> Product:
    """Save one product as it was edited; a new one gets its address, its family its card.

    `fields`: the columns that were edited; None stands for all.
    """
    with transaction.atomic(), _as_user(by):
        stored = Product.objects.filter(pk=product.pk).values_list("family_id", flat=True).first()
        if not product.slug:
            data = ProductData(product.sku, product.name, product.product_type, 1, category="")
            product.slug = _free_slugs([data])[product.sku]
        product.is_card = product.family_id is None or (
            product.is_card and product.family_id == stored
        )
        if product._state.adding:  # noqa: SLF001 - public by Django's documentation
            product.save()
        else:  # what is not edited is left to its writers: stock changes meanwhile
            product.save(
                update_fields={
                    *([*_WRITTEN, *_EDITED] if fields is None else fields),
                    "is_card",
                    "updated_at",
                }
            )
        choose_cards(families={family for family in (stored, product.family_id) if family})
    return product


def category_slug(name: str) -> str:
    """The stable code of a category; its name may be edited without an import making it anew."""
    return slug_of(name)[:140] or _digest(name)


def compare_products(*, products: Sequence[ProductData]) -> Comparison:
    """What `save_products` would do with these; reads only. Each SKU must occur once."""
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
        elif columns := _differences(product, data):
            comparison.changed.append(Change(data, columns))
        else:
            unchanged += 1
    return Comparison(comparison.created, comparison.changed, unchanged, stored)


def _differences(product: Product, data: ProductData) -> list[str]:
    """What is to be written over, in words for whoever brings the file."""
    family = product.family.code if product.family else ""
    pairs = [(name, getattr(product, name), getattr(data, name)) for name in _WRITTEN]
    told = [_told(name, old, new) for name, old, new in pairs if old != new]
    if product.category.slug != category_slug(data.category):
        told.append(_told("category", product.category.name, data.category))
    if family != data.family:
        told.append(_told("family", family, data.family))
    elif product.family and data.family_options not in {"", product.family.options}:
        told.append(_told("options", product.family.options, data.family_options))
    if not product.source and data.source:
        told.append(_told("source", "", data.source))
    return told


def _told(column: str, old: object, new: object) -> str:
    """A description is too long to be shown twice."""
    return column if column == "description" else f"{column} {_short(old)} → {_short(new)}"


def _short(value: object) -> str:
    text = "nothing" if value in {None, ""} else str(value)
    return text if len(text) <= LONGEST_TOLD else f"{text[: LONGEST_TOLD - 1]}…"


def save_products(*, products: Sequence[ProductData], by: User | None) -> Saved:
    """Create or change these by SKU, in a few statements; unchanged ones are not touched.

    A batch of some thousands at most. Once all batches are in, the caller lets
    `choose_cards` see to the `families` of each.
    """
    with transaction.atomic(), _as_user(by):
        comparison = compare_products(products=products)
        wanted = comparison.created + [change.data for change in comparison.changed]
        categories, families = _categories(wanted), _families(wanted)
        slugs = _free_slugs(comparison.created)
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
    """A product that is switched off, since its shop sells it in another form now."""

    id: UUID
    sku: str
    name: str
    family_id: UUID | None


def superseded(*, sources: Mapping[str, bool]) -> list[Retired]:
    """Products on offer that came from these sources in another form.

    By source, whether it is a family now: what was a product by itself is none beside its
    variants, and the other way round.
    """
    families = {source for source, is_family in sources.items() if is_family}
    found = Product.objects.filter(source__in=list(sources), is_active=True)
    return [
        Retired(row.id, row.sku, row.name, row.family_id)
        for row in found.only("id", "sku", "name", "family_id", "source").order_by("sku")
        if (row.source in families) == (row.family_id is None)
    ]


def retire_products(*, products: Sequence[Retired], by: User | None) -> None:
    """Take these off the catalogue; their orders and stock stay."""
    if products:
        with transaction.atomic(), _as_user(by):
            Product.objects.filter(pk__in=[each.id for each in products]).update(is_active=False)
            products_changed()


def _source(data: ProductData, stored: Product | None) -> str:
    """Our own columns change a product of a shop, which stays the shop's all the same."""
    if stored is None or not stored.source or _shop(stored.source) == _shop(data.source):
        return data.source or (stored.source if stored else "")
    return stored.source


def _shop(source: str) -> str:
    return source.partition(":")[0]


def _categories(products: Iterable[ProductData]) -> dict[str, UUID]:
    """The categories' ids by slug; new ones are made, known ones left as they are."""
    named = {category_slug(data.category): data for data in products}
    known = set(Category.objects.filter(slug__in=named).values_list("slug", flat=True))
    taken = set(
        Category.objects.filter(
            name__in=[data.category for slug, data in named.items() if slug not in known]
        ).values_list("name", flat=True)
    )
    for slug, data in named.items():
        if slug not in known:
            name = data.category if data.category not in taken else f"{data.category} ({slug})"
            Category.objects.create(slug=slug, name=name[:120], motif=data.category_motif[:40])
    return dict(Category.objects.filter(slug__in=named).values_list("slug", "id"))


def _families(products: Iterable[ProductData]) -> dict[str, UUID]:
    """The families' ids by code, made or renamed as the products say."""
    named = {
        data.family: (data.family_name or data.name, data.family_options)
        for data in products
        if data.family
    }
    Family.objects.bulk_create(
        (Family(code=code, name=name, options=options) for code, (name, options) in named.items()),
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name", "options"],
    )
    return dict(Family.objects.filter(code__in=named).values_list("code", "id"))


def _free_slugs(products: Sequence[ProductData]) -> dict[str, str]:
    """An address for each new product: its name, with the SKU or a digest where that is taken."""
    ways: tuple[Callable[[ProductData], str], ...] = (
        lambda data: slug_of(data.name)[:200],
        lambda data: f"{slug_of(data.name)[:120]}-{slug_of(data.sku)}".strip("-"),
        lambda data: f"{slug_of(data.name)[:120]}-{_digest(data.sku)}".strip("-"),
    )
    slugs: dict[str, str] = {}
    used: set[str] = set()
    for way in ways:
        proposed = {data.sku: way(data) for data in products if data.sku not in slugs}
        used |= set(
            Product.objects.filter(slug__in=proposed.values()).values_list("slug", flat=True)
        )
        for sku, slug in proposed.items():
            if slug and slug not in used:
                slugs[sku] = slug
                used.add(slug)
    return slugs


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _as_user(by: User | None) -> pghistory.context:
    """The change history says who."""
    return pghistory.context(user=str(by.pk)) if by else pghistory.context(import_products=True)


# The one that most companies may see, then one in stock, then the cheapest.
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
    """Mark in each family (None: in all) the product that stands for it; returns the changes.

    To be called when members of a family have changed. Time and stock change them too, so it
    is also called for all by the clock.
    """
    if families is not None and not families:
        return 0
    with connection.cursor() as cursor:
        which = "family_id IS NOT NULL" if families is None else "family_id = ANY(%(families)s)"
        cursor.execute(
            _CHOOSE.format(which=which),
            {"tiers": TierLevel.values, "families": list(families or [])},
        )
        changed = int(cursor.rowcount)
    if changed:
        products_changed()
    return changed
