"""Operations that read the catalogue, with the products that the company may redeem."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.conf import settings
from django.http import Http404
from ninja import Query, Router
from pydantic import Field

from accounts.access.bearer import ApiRequest
from catalog.models import Category, Product, ProductType, StockStatus
from catalog.search.finding import with_words
from catalog.selectors import (
    ProductFilters,
    offered_products,
    offered_with_sku,
    shelves,
)
from catalog.texts.words import safe_html
from loyalty_portal.api.calls import allowed
from loyalty_portal.api.cursors import page_after
from loyalty_portal.api.shapes import LARGEST_WHOLE, AnswerShape, PageAsked, PageTold, known_values

router = Router(tags=["catalogue"])
SCOPE = "catalog:read"


class CategoryTold(AnswerShape):
    """A category of products."""

    id: UUID
    slug: str = Field(examples=["mugs"])
    name: str = Field(examples=["Mugs"])


class FamilyTold(AnswerShape):
    """What products that differ by size, colour or value have in common."""

    code: str = Field(examples=["mug"])
    name: str = Field(examples=["Mug"])
    variant: str = Field(description="How this product differs from the others.", examples=["Blue"])


class ProductTold(AnswerShape):
    """A product that the company may redeem."""

    id: UUID
    created_at: datetime
    sku: str = Field(examples=["MUG-01"])
    name: str = Field(examples=["Mug, blue"])
    description: str = Field(description="Simple HTML, cleaned.", examples=["<p>Holds 300 ml.</p>"])
    product_type: str = Field(
        description="PHYSICAL is sent as a parcel, VIRTUAL by e-mail.",
        json_schema_extra=known_values(ProductType.values),
    )
    points_cost: int = Field(description="For one piece.", examples=[300])
    image_url: str = Field(examples=["https://portal.example/pictures/mug.webp"])
    stock_status: str = Field(json_schema_extra=known_values(StockStatus.values))
    family: FamilyTold | None
    category: CategoryTold
    brand: str | None = Field(examples=["Kiln"])
    is_redeemable: bool = Field(examples=[True])
    why_not: str | None = Field(
        description="Why it cannot be redeemed now.",
        json_schema_extra=known_values(["out_of_stock"]),
        examples=[None],
    )


class ProductsAsked(PageAsked):
    """The filters of the list of products."""

    q: str = Field("", max_length=200, description="Words; each may be the beginning of one.")
    category: str = Field("", max_length=140, description="The slug of a category.")
    product_type: ProductType | None = None
    brand: str = Field("", max_length=120)
    family: str = Field("", max_length=120, description="The code of a family.")
    points_to: int | None = Field(
        None, ge=0, le=LARGEST_WHOLE, description="What one piece costs at most."
    )
    in_stock: bool = Field(False, description="Only what is not out of stock.")


@router.get(
    "/products",
    response=PageTold[ProductTold],
    operation_id="listProducts",
    summary="List products",
)
@allowed(SCOPE, problems=("invalid_cursor",))
def list_products(request: ApiRequest, asked: Query[ProductsAsked]) -> PageTold[ProductTold]:
    """The products that the company may redeem, by SKU. Each variant of a family is one."""
    company = request.auth.seat.company
    said = asked.model_dump(exclude={"limit", "after"})
    filters = ProductFilters(**{**said, "product_type": asked.product_type or ""})
    rows = offered_products(tier_level=company.tier_level, filters=replace(filters, q=""))
    if filters.q:
        rows = with_words(rows, filters.q, tier_level=company.tier_level)
    found, more = page_after(rows, by=["sku"], asked=asked, request=request, bound=company.pk)
    return PageTold[ProductTold](data=[_product(row) for row in found], next=more)


@router.get(
    "/products/{sku}", response=ProductTold, operation_id="getProduct", summary="Get a product"
)
@allowed(SCOPE)
def get_product(
    request: ApiRequest, sku: Annotated[str, Field(examples=["MUG-01"])]
) -> ProductTold:
    """One product by its SKU, if the company may redeem it."""
    found = offered_with_sku(sku=sku, tier_level=request.auth.seat.company.tier_level)
    if found is None:
        raise Http404
    return _product(found)


@router.get(
    "/categories",
    response=PageTold[CategoryTold],
    operation_id="listCategories",
    summary="List categories",
)
@allowed(SCOPE, problems=("invalid_cursor",))
def list_categories(request: ApiRequest, asked: Query[PageAsked]) -> PageTold[CategoryTold]:
    """All categories, by slug."""
    company_id = request.auth.seat.company_id
    found, more = page_after(shelves(), by=["slug"], asked=asked, request=request, bound=company_id)
    return PageTold[CategoryTold](data=[_category(row) for row in found], next=more)


def _product(product: Product) -> ProductTold:
    is_out = product.stock_status == StockStatus.OUT
    return ProductTold(
        id=product.pk,
        created_at=product.created_at,
        sku=product.sku,
        name=product.name,
        description=str(safe_html(product.description)),
        product_type=product.product_type,
        points_cost=product.points_cost,
        image_url=f"{settings.PORTAL_URL}{product.picture_url}",
        stock_status=product.stock_status,
        family=_family(product),
        category=_category(product.category),
        brand=product.brand or None,
        is_redeemable=not is_out,
        why_not="out_of_stock" if is_out else None,
    )


def _family(product: Product) -> FamilyTold | None:
    family = product.family
    if family is None:
        return None
    return FamilyTold(code=family.code, name=family.name, variant=product.variant)


def _category(category: Category) -> CategoryTold:
    return CategoryTold(id=category.pk, slug=category.slug, name=category.name)
