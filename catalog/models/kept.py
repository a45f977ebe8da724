"""What seats and companies keep of the catalogue: favourites, lists, and who waits for stock."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager, Company
from catalog.models.products import Product
from loyalty_portal.data.ids import uuid7

LONGEST_LIST_NAME = 80


class Favourite(models.Model):
    """That a seat keeps a product. Its company may not see it any more; then the row rests."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seat = models.ForeignKey(AccountManager, models.CASCADE, related_name="favourites")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint("seat", "product", name="favourite_once")]

    def __str__(self) -> str:
        return f"{self.seat_id}: {self.product_id}"


class ProductList(models.Model):
    """A list of products that all seats of a company share."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    company = models.ForeignKey(Company, models.CASCADE, related_name="product_lists")
    name = models.CharField(_("name"), max_length=LONGEST_LIST_NAME)
    made_by = models.ForeignKey(AccountManager, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint("company", Lower("name"), name="product_list_once_by_name")
        ]

    def __str__(self) -> str:
        return self.name


class ListedProduct(models.Model):
    """A product on a list, and who put it there."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    on_list = models.ForeignKey(ProductList, models.CASCADE, related_name="entries")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    added_by = models.ForeignKey(AccountManager, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint("on_list", "product", name="list_entry_once")]

    def __str__(self) -> str:
        return f"{self.on_list_id}: {self.product_id}"


class StockWish(models.Model):
    """That a seat wants a letter when a product is in stock again. `told_at`: it was written; the
    row stays, so that each wish gets one letter.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seat = models.ForeignKey(AccountManager, models.CASCADE, related_name="+")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                "seat", "product", name="stock_wish_once", condition=Q(told_at=None)
            )
        ]
        indexes = [
            models.Index(fields=["product"], name="stock_wish_open", condition=Q(told_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.seat_id}: {self.product_id}"
