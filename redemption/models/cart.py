"""The cart and its lines."""

from django.db import models
from django.db.models import Q

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.data.ids import uuid7


class Cart(models.Model):
    """The cart of a seat, kept across sign-outs. `token` becomes the token of the order."""

    seat = models.OneToOneField(
        AccountManager, models.CASCADE, primary_key=True, related_name="cart"
    )
    token = models.UUIDField(default=uuid7)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"cart of {self.seat_id}"


class CartLine(models.Model):
    """A product and its quantity."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    cart = models.ForeignKey(Cart, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    quantity = models.PositiveIntegerField()
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["added_at", "id"]
        constraints = [
            models.UniqueConstraint("cart", "product", name="cart_line_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="cart_line_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"
