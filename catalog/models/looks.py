"""Which products people look at."""

from django.db import models

from accounts.models import AccountManager
from catalog.models.products import Product
from loyalty_portal.data.ids import uuid7


class ProductView(models.Model):
    """That a seat looked at the page of a product on a day of the programme's time zone, however
    often. Reports read it, and the page of what the seat saw lately.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seat = models.ForeignKey(AccountManager, models.CASCADE, related_name="+")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    day = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "product", "seat"], name="product_view_once")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.product_id}"
