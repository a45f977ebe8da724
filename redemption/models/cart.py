"""The cart of a seat: its draft of an order, row by row."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.recipient import FIELDS, Recipient

MOST_ROWS = 500  # of one draft, and so of one order

# A row that is nobody's yet says nothing about a person.
_NOBODYS = Q(message="", send_on=None, **dict.fromkeys(FIELDS, ""))


class Cart(models.Model):
    """The draft of a seat, kept across sign-outs. `token` becomes the token of the order; each
    change of the draft renews it.
    """

    seat = models.OneToOneField(
        AccountManager, models.CASCADE, primary_key=True, related_name="cart"
    )
    token = models.UUIDField(default=uuid7)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"cart of {self.seat_id}"


def _text(length: int) -> "models.CharField[str, str]":
    """A text that may be empty. The version before inserts rows without it."""
    return models.CharField(max_length=length, blank=True, default="", db_default="")


class CartLine(Recipient):
    """A row of a draft: a product, its quantity, and who gets it. The draft has at most MOST_ROWS.

    `position`: the place of the person among those of the product, from 0. Empty: the pieces are
    nobody's yet, and go to the one recipient of the checkout; a product has at most one such row.
    A person's columns may be incomplete until the order is placed. `asks`: the person is asked by
    a letter where to send it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    cart = models.ForeignKey(Cart, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.CASCADE, related_name="+")
    quantity = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField(null=True, blank=True)
    recipient_name = _text(255)
    recipient_email = models.EmailField(blank=True, default="", db_default="")
    recipient_phone = _text(32)
    address_line1 = _text(255)
    address_line2 = _text(255)
    city = _text(120)
    region = _text(120)
    postcode = _text(20)
    country = _text(80)
    message = _text(500)
    send_on = models.DateField(null=True, blank=True)
    asks = models.BooleanField(default=False, db_default=False)
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["added_at", "position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["cart", "product", "position"],
                nulls_distinct=False,
                name="cart_line_place_once",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="cart_line_not_empty"),
            models.CheckConstraint(
                condition=Q(position=None) | Q(position__lt=MOST_ROWS), name="cart_line_place"
            ),
            models.CheckConstraint(
                condition=Q(position__isnull=False) | _NOBODYS, name="cart_line_nobodys"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"
