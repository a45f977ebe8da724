"""Factories of products, families and categories."""

from typing import Any

import factory

from catalog.models import Category, Family, Product, ProductType, StockStatus
from inventory.models import Inventory
from inventory.services import receive
from loyalty_portal.data.actor import SYSTEM


class CategoryFactory(factory.django.DjangoModelFactory[Category]):
    class Meta:
        model = Category

    name = factory.Sequence(lambda n: f"Category {n}")
    slug = factory.Sequence(lambda n: f"category-{n}")


class FamilyFactory(factory.django.DjangoModelFactory[Family]):
    class Meta:
        model = Family

    name = factory.Sequence(lambda n: f"Family {n}")
    code = factory.Sequence(lambda n: f"family-{n}")


class ProductFactory(factory.django.DjangoModelFactory[Product]):
    """A physical product with much stock; `in_stock=N` gives it exactly N pieces.

    Virtual products have no inventory row unless `in_stock` is given: they are made on demand.
    """

    class Meta:
        model = Product
        skip_postgeneration_save = True

    sku = factory.Sequence(lambda n: f"SKU-{n:05}")
    name = factory.Sequence(lambda n: f"Product {n}")
    slug = factory.LazyAttribute(lambda product: product.sku.lower())
    category = factory.SubFactory(CategoryFactory)
    product_type = ProductType.PHYSICAL
    points_cost = 1000
    stock_status = StockStatus.OUT

    class Params:
        physical = factory.Trait(product_type=ProductType.PHYSICAL)
        virtual = factory.Trait(product_type=ProductType.VIRTUAL)
        inactive = factory.Trait(is_active=False)

    @factory.post_generation
    def in_stock(self: Product, _create: bool, extracted: int | None, **_kwargs: Any) -> None:
        if extracted is None and self.product_type == ProductType.VIRTUAL:
            return
        pieces = 100 if extracted is None else extracted
        if pieces:
            receive(product=self, quantity=pieces, reason="First delivery", by=SYSTEM)
        else:
            Inventory.objects.get_or_create(product=self)
            Product.objects.filter(pk=self.pk).update(stock_status=StockStatus.OUT)
        self.refresh_from_db(fields=["stock_status"])
